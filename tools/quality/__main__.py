"""Print how the code is written, in numbers; `--json FILE` keeps them, `--beside FILE` shows kept ones next to today's.

What each number counts, and why, stands in docs/quality.md. What is not there to be measured is left out.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.quality import english, running, shape

ROOT = Path(__file__).resolve().parents[2]

Row = tuple[str, float, str]
"""What is measured, its value, and the value wanted ("": none is set)."""


def read(root: Path) -> Iterator[Row]:
    """Measure what can be read in the files below `root`, a tree with the folders of this one."""
    package = root / "layers" / "common" / "darkroom"
    ours = sorted(package.rglob("*.py"))
    everything = [*ours, *sorted((root / "local").rglob("*.py")), *sorted((root / "functions").rglob("*.py"))]
    use_cases = sorted((package / "usecases").rglob("*.py"))
    domain, web = package / "domain", package / "web"

    odd, words = english.odd_words(everything)
    yield "odd words per 1,000 in docstrings and comments", _share(odd, words, of=1000), "≤ 0.5"
    yield "function docstrings that begin with a verb, %", _share(*english.imperative(everything)), "nearly all"

    written = shape.writes(package)
    yield "places that write a task, outside the store", sum(written.values()), ""
    yield "modules with such a place", len(written), "1"
    most, name = shape.most_parameters(use_cases)
    yield f"most parameters of a use case ({name})", most, "≤ 5"
    passed, lines = shape.passed_on(ours)
    yield "lines that only pass arguments on", passed, ""
    yield "the same, % of all lines", _share(passed, lines), "< 2"

    if (page := root / "docs" / "architecture.md").exists():
        yield "legal moves in the diagram", shape.moves_drawn(page), "32"
    if (task := domain / "task.py").exists():
        yield "lines of domain/task.py", len(task.read_text().splitlines()), "≤ 250"
        yield "lines of the state machine", shape.machine_lines(domain), "≤ 120"
    spread, name = shape.homes(web)
    yield f"most files of one endpoint ({name})", spread, "1 and its schemas"
    stacks = shape.http_stacks(ours)
    yield f"HTTP clients in the functions ({', '.join(sorted(stacks))})", len(stacks), "2 (httpx, botocore's)"
    if (template := root / "template.yaml").exists():
        yield "lines of template.yaml", len(template.read_text().splitlines()), "≤ 560"

    size = shape.sizes(ours)
    yield "files of the package", size["files"], ""
    yield "longest file, lines", size["file_longest"], ""
    yield "files of more than 250 lines", size["files_over_250"], "few"
    yield "median function body, lines", size["body_median"], "about 6"
    yield "function bodies of fewer than 25 lines, %", size["bodies_under_25_percent"], "≥ 90"
    yield "longest function body, lines", size["body_longest"], ""


def run(root: Path) -> Iterator[Row]:
    """Measure what has to run for it; `root` is this project itself."""
    wanted = {"create": "≤ 35", "callback": "≤ 25", "poll": ""}
    for name, files in running.warm_invocations(root / "layers" / "common" / "darkroom").items():
        yield f"files of ours that a warm {name} executes", files, wanted[name]
    rewritten = running.rewritten_by_the_build(root / "layers" / "dependencies")
    yield "third-party files that the layer's build changes or adds", rewritten, "0"


def _share(part: int, whole: int, *, of: int = 100) -> float:
    return round(of * part / whole, 2) if whole else 0.0


def _name(what: str) -> str:
    """Give a row's name without what stands in brackets: that may be another one next time."""
    return what.partition(" (")[0]


def table(rows: Sequence[Row], beside: dict[str, float]) -> str:
    """Write the rows as a Markdown table, with a column for the values kept earlier if there are any."""
    lines = (
        ["| What | Before | Now | Wanted |", "|---|---:|---:|---|"] if beside else ["| What | Now | Wanted |", "|---|---:|---|"]
    )
    for what, value, wanted in rows:
        before = beside.get(_name(what))
        earlier = [f"{before:g}" if before is not None else "–"] if beside else []
        lines.append(f"| {' | '.join([what, *earlier, f'{value:g}', wanted])} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="make quality", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the numbers there")
    parser.add_argument("--beside", type=Path, metavar="FILE", help="show the numbers kept there, too")
    parser.add_argument("--root", type=Path, default=ROOT, help="another tree; what has to run is then left out")
    asked = parser.parse_args(arguments)
    kept = json.loads(asked.beside.read_text()) if asked.beside else {}

    rows = list(read(asked.root))
    if asked.root == ROOT:
        rows += run(asked.root)

    print(table(rows, kept))
    if asked.json:
        asked.json.write_text(json.dumps({_name(what): value for what, value, _ in rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
