"""Read how the code is built: parameters, moves, homes of an endpoint, sizes."""

import ast
import re
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tools.quality.english import Function

_ARGUMENT = r"(\w+)=(?:\w+\.)*\1"
_ONLY_PASSED_ON = re.compile(rf"\s*(?:{_ARGUMENT}(?:,\s*|\)+,?$|$))+\s*")
_ARROW = re.compile(r"^\s*(?P<before>\S+) --> (?P<after>\S+)", re.MULTILINE)
_STACKS = {
    "httpx": "httpx",
    "httpcore": "httpcore",
    "urllib3": "urllib3",
    "http.client": "http.client",
    "requests": "requests",
} | {
    # Each of them brings urllib3 along.
    "boto3": "urllib3",
    "botocore": "urllib3",
    "aiohttp": "aiohttp",
}


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Find every function and method, also inside others."""
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def body_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.stmt]:
    """Give a function's statements without its docstring."""
    return function.body[1:] if ast.get_docstring(function) is not None else function.body


def most_parameters(paths: Sequence[Path]) -> tuple[int, str]:
    """Find the public function at the top of a module that takes most, and its name."""
    found = [(0, "none")]
    for path in paths:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, Function) and not node.name.startswith("_"):
                taken = node.args
                found.append((len([*taken.posonlyargs, *taken.args, *taken.kwonlyargs]), node.name))
    return max(found)


def passed_on(paths: Sequence[Path]) -> tuple[int, int]:
    """Count the lines with nothing but arguments like `clock=clock` or `clock=means.clock`, and all lines that are not empty."""
    lines = [line for path in paths for line in path.read_text().splitlines() if line.strip()]
    return sum(_ONLY_PASSED_ON.fullmatch(line) is not None for line in lines), len(lines)


def writes(package: Path) -> Counter[str]:
    """Count the places outside adapters where a task is written, by module.

    A place is a call of `add` or `move` of something named `tasks`. A function that does nothing but pass such a call on is no
    place of its own: each call of it is one.
    """
    trees = {path: ast.parse(path.read_text()) for path in sorted(package.rglob("*.py"))}
    trees = {path: tree for path, tree in trees.items() if "adapters" not in path.relative_to(package).parts}
    names: set[str] = set()
    while more := _passing_on(trees.values(), names) - names:
        names |= more
    found: Counter[str] = Counter()
    for path, tree in trees.items():
        inside = {id(node) for one in functions(tree) if one.name in names for node in ast.walk(one)}
        places = [node for node in ast.walk(tree) if id(node) not in inside and _writes(node, names)]
        found[str(path.relative_to(package))] += len(places)
    return +found


def _writes(node: ast.AST, names: set[str]) -> bool:
    if not isinstance(node, ast.Call):
        return False
    called = node.func
    if isinstance(called, ast.Attribute) and called.attr in ("add", "move"):
        of = ast.unparse(called.value).rpartition(".")[2].lstrip("_")
        return of == "tasks"
    return ast.unparse(called).rpartition(".")[2] in names


def _passing_on(trees: Iterable[ast.Module], names: set[str]) -> set[str]:
    """Find the functions whose only statement is such a call."""
    found = set()
    for tree in trees:
        for function in functions(tree):
            body = body_of(function)
            value = getattr(body[0], "value", None) if len(body) == 1 and isinstance(body[0], ast.Expr | ast.Return) else None
            if value is not None and _writes(value, names):
                found.add(function.name)
    return found


def moves_drawn(page: Path) -> int:
    """Count the arrows between two phases in the page's drawing of the states; a test compares that with the code."""
    drawing = re.search(r"stateDiagram-v2(.+?)```", page.read_text(), re.DOTALL)
    arrows = _ARROW.finditer(drawing[1]) if drawing else ()
    return sum("[*]" not in (arrow["before"], arrow["after"]) for arrow in arrows)


def machine_lines(domain: Path) -> int:
    """Count the lines of the state machine: `phases.py`, or what stands from Status to the table STATUS in `task.py`."""
    if (own := domain / "phases.py").exists():
        return len(own.read_text().splitlines())
    wanted = [node for node in ast.parse((domain / "task.py").read_text()).body if _names(node) & {"Status", "STATUS"}]
    return max(node.end_lineno or 0 for node in wanted) - min(node.lineno for node in wanted) + 1


def _names(node: ast.stmt) -> set[str]:
    targets = [node.target] if isinstance(node, ast.AnnAssign) else node.targets if isinstance(node, ast.Assign) else []
    return {node.name} if isinstance(node, ast.ClassDef) else {one.id for one in targets if isinstance(one, ast.Name)}


def homes(web: Path) -> tuple[int, str]:
    """Find the endpoint that is spread over most files, and in how many: its answer's function, its id, its path, its models.

    An endpoint is a call with `method=`, `path=` and `answer=`, or a function decorated with `.get("/…")`, `.post("/…")` …
    """
    texts = {path: path.read_text() for path in sorted(web.rglob("*.py"))}
    trees = {path: ast.parse(text) for path, text in texts.items()}
    found = [(0, "none")]
    for path, tree in trees.items():
        for name, answer in _endpoints(tree):
            places = {path} | {one for one, text in texts.items() if f'"{name}"' in text}
            places |= {
                one for one, tree in trees.items() if answer and answer in {f.name for f in tree.body if isinstance(f, Function)}
            }
            places |= _models_of(name, trees)
            found.append((len(places), name))
    return max(found)


def _endpoints(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and {"method", "path", "answer"} <= {one.arg for one in node.keywords}:
            values = {one.arg: one.value for one in node.keywords}
            name = values.get("name", values["path"])
            strings = [one.value for one in ast.walk(values["answer"]) if isinstance(one, ast.Constant)]
            answer = str(strings[0]) if strings else ast.unparse(values["answer"]).rpartition(".")[2]
            yield str(getattr(name, "value", "")), answer
        if isinstance(node, Function):
            for decorator in node.decorator_list:
                called = getattr(decorator, "func", None)
                if isinstance(called, ast.Attribute) and called.attr in (
                    "get",
                    "post",
                    "put",
                    "patch",
                    "delete",
                    "head",
                    "route",
                ):
                    yield node.name, node.name


def _models_of(name: str, trees: dict[Path, ast.Module]) -> set[Path]:
    """Find where the models live that a table of operations names under this id."""
    wanted: set[str] = set()
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and key.value == name:
                        bodies = [one.value for one in ast.walk(value) if isinstance(one, ast.keyword) and one.arg == "body"]
                        wanted |= {ast.unparse(one).rpartition(".")[2] for one in bodies}
    classes = {path: {one.name for one in tree.body if isinstance(one, ast.ClassDef)} for path, tree in trees.items()}
    return {path for path, names in classes.items() if names & wanted}


def http_stacks(paths: Sequence[Path]) -> set[str]:
    """Name the HTTP clients that the modules import, botocore's own among them."""
    found = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{one.name}" for one in node.names)]
            found |= {_STACKS[part] for name in names for part in (name, name.partition(".")[0]) if part in _STACKS}
    return found


def sizes(paths: Sequence[Path]) -> dict[str, float]:
    """Measure files and function bodies in lines; a nested function counts as part of the one around it and by itself."""
    files = [len(path.read_text().splitlines()) for path in paths] or [0]
    bodies = [
        (body[-1].end_lineno or 0) - body[0].lineno + 1
        for path in paths
        for one in functions(ast.parse(path.read_text()))
        if (body := body_of(one))
    ] or [0]
    return {
        "files": len(paths),
        "file_longest": max(files),
        "files_over_250": sum(lines > 250 for lines in files),
        "body_median": statistics.median(bodies),
        "bodies_under_25_percent": round(100 * sum(lines < 25 for lines in bodies) / len(bodies), 1),
        "body_longest": max(bodies),
    }
