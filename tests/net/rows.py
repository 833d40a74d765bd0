"""Every row's attributes: their names and types, by kind of row, and for a task's state by phase."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from darkroom.domain.task import Phase
from tests.net.lives import seen
from tests.net.recording import Facts
from tests.net.stage import Row

STATE = "task: state"
_BY_ID = frozenset({"holders"})
"""Maps whose names are ids."""


def facts() -> Facts:
    """Return what stands in each kind of row; an attribute that is not named for a phase is absent there."""
    written: dict[str, list[Row]] = {}
    for row in seen().rows:
        written.setdefault(kind_of(row), []).append(row)
    return {kind: _states(rows) if kind == STATE else _attributes(rows) for kind, rows in written.items()}


def kind_of(row: Row) -> str:
    """Return which of the rows in docs/architecture.md it is, by its key."""
    pk, sk = row["pk"]["S"], row["sk"]["S"]
    owner = "task" if pk.startswith("task_") else pk.partition("#")[0]
    return f"{owner}: {'key id' if owner == 'keys' else sk.partition('#')[0]}"


def _states(rows: Sequence[Row]) -> dict[str, Any]:
    """Return for each attribute the phases in which every row has it, and those in which some rows do."""
    phases = {phase.value: [{*_typed(row)} for row in rows if row["phase"]["S"] == phase.value] for phase in Phase}
    assert all(phases.values()), f"no life writes a row in {[phase for phase, found in phases.items() if not found]}"
    return {name: _where(name, phases) for found in phases.values() for one in found for name in one}


def _where(name: str, phases: Mapping[str, Sequence[set[str]]]) -> dict[str, str]:
    everywhere = [phase for phase, found in phases.items() if all(name in one for one in found)]
    somewhere = [phase for phase, found in phases.items() if phase not in everywhere and any(name in one for one in found)]
    told = {"in every row of": _named(everywhere), "in some rows of": _named(somewhere)}
    return {where: named for where, named in told.items() if named}


def _named(phases: Sequence[str]) -> str:
    return "all phases" if len(phases) == len(Phase) else ", ".join(sorted(phases))


def _attributes(rows: Sequence[Row]) -> dict[str, str]:
    found = [{*_typed(row)} for row in rows]
    return {name: "in every row" if all(name in one for one in found) else "in some rows" for names in found for name in names}


def _typed(row: Row) -> Iterator[str]:
    """Give each attribute's path and type, those inside lists and maps too."""
    for name, value in row.items():
        yield from _paths(name, value)


def _paths(path: str, value: Mapping[str, Any]) -> Iterator[str]:
    ((kind, content),) = value.items()
    yield f"{path} {kind}"
    if kind == "L":
        for one in content:
            yield from _paths(f"{path}[]", one)
    elif kind == "M":
        for name, one in content.items():
            yield from _paths(f"{path}.{'*' if path in _BY_ID else name}", one)
