"""`make quality` counts what is there and not what is not: a bad sample beside a clean one."""

import json
from pathlib import Path

import pytest

from tools.quality import english, running, shape
from tools.quality.__main__ import main

BAD = {
    "domain/task.py": """
        class Status: ...
        MOVES = {}

        STATUS = {}
        other = 1
        """,
    "usecases/one.py": """
        # Nobody may send it, so long as it is open.  # noqa: S311  (whoever reads this)
        import botocore, httpcore

        def one(a, b, c, *, clock, tasks):
            \"\"\"The one thing, whoever asks for it.\"\"\"
            other(
                1,
                clock=clock, tasks=means.tasks,
                task=first,
            )
            means.tasks.move(a, b)
            _record(a, b)

        def _record(a, b):
            \"\"\"Answer of the gateway.\"\"\"
            return means.tasks.move(a, b)
        """,
    "usecases/two.py": """
        def two(a):
            _record(a, a)
            also_record(a)

        def also_record(a):
            _record(a, a)
        """,
    "adapters/table.py": "tasks.move(a, b)",
    "web/table.py": """
        Endpoint(method="GET", path="/v1/x", name="readX", answer=x.read)
        """,
    "web/words.py": 'WORDS = {"readX": Words(body=models.X)}',
    "web/models.py": "class X: ...",
    "web/x.py": "def read(): ...",
}
CLEAN = {
    "domain/phases.py": """
        class Status: ...
        """,
    "domain/task.py": "",
    "usecases/one.py": """
        # A reader may send it while it is open.
        import httpx

        def one(command, pipeline):
            \"\"\"Send the one thing.\"\"\"
            seen.add(command)
            commit(command, pipeline, clock=other)
        """,
    "web/routers/x.py": """
        @router.get("/v1/x")
        def read_x(): ...
        """,
}


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        lines = text.strip("\n").rstrip().splitlines()
        indent = len(lines[0]) - len(lines[0].lstrip()) if lines else 0
        path = root / "layers" / "common" / "darkroom" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(line[indent:] for line in lines))
    return root


def measured(root: Path) -> dict[str, float]:
    main(["--root", str(root), "--json", str(root / "numbers.json")])
    numbers: dict[str, float] = json.loads((root / "numbers.json").read_text())
    return numbers


def test_what_is_wanted_otherwise_is_counted(tmp_path: Path) -> None:
    numbers = measured(tree(tmp_path, BAD))

    # Nobody, so long, as it is, whoever: 4 of 21 words.
    assert numbers["odd words per 1,000 in docstrings and comments"] == pytest.approx(1000 * 4 / 21, abs=0.01)
    assert numbers["function docstrings that begin with a verb, %"] == 0
    # move in `one`; the calls of _record in `one` and `two`, and of also_record in `two`: both only pass a write on.
    assert numbers["places that write a task, outside the store"] == 4
    assert numbers["modules with such a place"] == 2
    assert numbers["most parameters of a use case"] == 5
    assert numbers["lines that only pass arguments on"] == 1
    assert numbers["lines of domain/task.py"] == 5
    assert numbers["lines of the state machine"] == 4
    assert numbers["most files of one endpoint"] == 4
    assert numbers["HTTP clients in the functions"] == 2
    assert numbers["longest function body, lines"] == 7


def test_what_is_as_it_should_be_is_not_counted(tmp_path: Path) -> None:
    numbers = measured(tree(tmp_path, CLEAN))

    assert numbers["odd words per 1,000 in docstrings and comments"] == 0
    assert numbers["function docstrings that begin with a verb, %"] == 100
    assert numbers["places that write a task, outside the store"] == 0
    assert numbers["modules with such a place"] == 0
    assert numbers["most parameters of a use case"] == 2
    assert numbers["lines that only pass arguments on"] == 0
    assert numbers["lines of the state machine"] == 1
    assert numbers["most files of one endpoint"] == 1
    assert numbers["HTTP clients in the functions"] == 1


def test_numbers_that_were_kept_stand_beside_todays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    measured(tree(tmp_path / "before", BAD))
    capsys.readouterr()

    main(["--root", str(tree(tmp_path / "now", CLEAN)), "--beside", str(tmp_path / "before" / "numbers.json")])

    assert "| modules with such a place | 2 | 0 | 1 |" in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("docstring", ["Return the slot.", "Answer with 404", "Send, then wait."])
def test_a_docstring_begins_with_a_verb(docstring: str) -> None:
    assert english.begins_with_a_verb(docstring)


@pytest.mark.parametrize("docstring", ["The slot.", "Returns the slot.", "Answer of the gateway", "Where it is.", ""])
def test_a_docstring_does_not_begin_with_a_verb(docstring: str) -> None:
    assert not english.begins_with_a_verb(docstring)


def test_only_arrows_between_two_phases_are_moves(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a --> b\n```mermaid\nstateDiagram-v2\n  [*] --> a\n  a --> b\n  b --> b\n  b --> [*]\n```\nc --> d\n")

    assert shape.moves_drawn(page) == 2


def test_a_file_counts_as_executed_when_one_of_its_functions_is(tmp_path: Path) -> None:
    for name in ("used", "unused"):
        (tmp_path / f"{name}.py").write_text("def act():\n    return 1\n")
    act = {}
    for path in tmp_path.glob("*.py"):
        exec(compile(path.read_text(), str(path), "exec"), names := {})  # noqa: S102  (two lines that stand above)
        act[path.stem] = names["act"]

    assert running.executed(act["used"], tmp_path) == {tmp_path / "used.py"}
    assert running.executed(lambda: None, tmp_path) == set()


@pytest.mark.parametrize(("script", "rewritten"), [("place.joinpath('botocore', 'new').touch()", 1), ("", 0)])
def test_what_the_build_adds_to_a_package_is_counted(tmp_path: Path, script: str, rewritten: int) -> None:
    (tmp_path / "requirements.txt").write_text("six==1\n")
    (tmp_path / "trim.py").write_text(
        f"import pathlib, sys\nplace = pathlib.Path(sys.argv[1])\n{script}\n".replace("'botocore', ", "")
    )
    (tmp_path / "Makefile").write_text('build:\n\t$(PYTHON) ../trim.py "$(ARTIFACTS_DIR)/python"\n')

    assert running.rewritten_by_the_build(tmp_path) == rewritten
