"""What the code could write, read from its source: each call that logs, counts, or raises a problem, with all its words."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

from darkroom.domain.task import STATUS, TERMINAL

PACKAGE = Path(__file__).parents[2] / "layers" / "common" / "darkroom"
LOCAL = Path(__file__).parents[2] / "local"
OBSERVE = PACKAGE / "observe.py"
LEVELS = frozenset({"debug", "info", "warning", "error", "exception", "critical"})
TYPES = frozenset({"S", "N", "B", "BOOL", "L", "M"})
"""DynamoDB's, as far as our rows have them."""

VARIABLE = re.compile(r"(?:DARKROOM|HIAPI|PIXAPI|AWS)_[A-Z0-9_]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A call, the function that it stands in, and its module."""

    call: ast.Call
    function: ast.AST
    path: Path

    @property
    def place(self) -> str:
        """Where to look."""
        return f"{self.path.relative_to(PACKAGE)}:{self.call.lineno}"

    def words(self, node: ast.AST) -> set[str]:
        """Return every text that an expression may be; raises AssertionError for one that cannot be told from the source."""
        match node:
            case ast.Constant(value=str(text)):
                return {text}
            case ast.IfExp(body=body, orelse=orelse):
                return self.words(body) | self.words(orelse)
            case ast.JoinedStr(values=values):
                return {"".join(parts) for parts in product(*(sorted(self.words(value)) for value in values))}
            case ast.FormattedValue(value=value) if ast.unparse(value).endswith(".status.value.capitalize()"):
                return {STATUS[phase].value.capitalize() for phase in TERMINAL}
            case ast.FormattedValue(value=value):
                return self.words(value)
            case ast.Name(id=name):
                given = [
                    one.value for one in ast.walk(self.function) if isinstance(one, ast.Assign) and _is(one.targets[0], name)
                ]
                assert given, f"{self.place}: it cannot be told from the source what {name} may be"
                return {word for one in given for word in self.words(one)}
        raise AssertionError(f"{self.place}: it cannot be told from the source what {ast.unparse(node)} may be")

    def argument(self, name: str) -> ast.AST | None:
        """Return the keyword argument of that name."""
        return next((one.value for one in self.call.keywords if one.arg == name), None)

    def keywords(self) -> set[str]:
        """Return the names of all keyword arguments, those of `**` expressions too."""
        named = {one.arg for one in self.call.keywords if one.arg is not None}
        return named.union(*(self._expanded(one.value) for one in self.call.keywords if one.arg is None))

    def _expanded(self, node: ast.AST) -> set[str]:
        if isinstance(node, ast.Attribute):
            return {name for path in modules() for name in _put_into(node.attr, tree(path))}
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            makers = [one for one in ast.walk(tree(self.path)) if isinstance(one, ast.FunctionDef) and one.name == node.func.id]
            return {key.value for one in makers for key in _keys_in(one)}
        raise AssertionError(f"{self.place}: it cannot be told from the source what **{ast.unparse(node)} holds")


@cache
def tree(path: Path) -> ast.Module:
    """Return the module's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def modules() -> tuple[Path, ...]:
    """Return the files of the package."""
    return tuple(sorted(PACKAGE.rglob("*.py")))


def calls(*names: str) -> Iterator[Site]:
    """Give every call of a plain name such as `say`."""
    for site in _sites():
        if isinstance(site.call.func, ast.Name) and site.call.func.id in names:
            yield site


def method_calls(of: str, names: frozenset[str]) -> Iterator[Site]:
    """Give every call of one of these methods on something that is called `of`."""
    for site in _sites():
        func = site.call.func
        if isinstance(func, ast.Attribute) and func.attr in names and ast.unparse(func.value).endswith(of):
            yield site


def variables() -> set[str]:
    """Return every text in the code that has the form of a variable of ours, or of AWS."""
    files = [*modules(), *LOCAL.rglob("*.py")]
    texts = {one.value for path in files for one in ast.walk(tree(path)) if isinstance(one, ast.Constant)}
    return {text for text in texts if isinstance(text, str) and VARIABLE.fullmatch(text)}


def attributes() -> Iterator[tuple[str, str]]:
    """Give the place and the name of each attribute that an adapter writes out as `{"name": {"S": …}}` or puts into a row so."""
    for path in (path for path in modules() if path.is_relative_to(PACKAGE / "adapters")):
        for node in ast.walk(tree(path)):
            yield from ((f"{path.relative_to(PACKAGE)}:{node.lineno}", name) for name in _attributes_in(node))


def _attributes_in(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Dict(keys=keys, values=values):
            found = zip(keys, values, strict=True)
            yield from (key.value for key, value in found if isinstance(key, ast.Constant) and _is_typed(value))
        case ast.Assign(targets=[ast.Subscript(slice=ast.Constant(value=str(name)))], value=value) if _is_typed(value):
            yield name


def _is_typed(node: ast.AST) -> bool:
    return isinstance(node, ast.Dict) and len(node.keys) == 1 and getattr(node.keys[0], "value", None) in TYPES


@cache
def _sites() -> tuple[Site, ...]:
    return tuple(
        Site(call=call, function=function, path=path)
        for path in modules()
        for call, function in _calls_in(tree(path), tree(path))
    )


def _calls_in(node: ast.AST, function: ast.AST) -> Iterator[tuple[ast.Call, ast.AST]]:
    """Give each call below `node` with the function that it stands in."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call):
            yield child, function
        yield from _calls_in(child, child if isinstance(child, ast.FunctionDef) else function)


def _is(target: ast.AST, name: str) -> bool:
    return isinstance(target, ast.Name) and target.id == name


def _put_into(attribute: str, module: ast.Module) -> Iterator[str]:
    """Give the names under which the module puts something into a dictionary that is an attribute of that name."""
    for one in ast.walk(module):
        match one:
            case ast.Subscript(value=ast.Attribute(attr=attr), slice=ast.Constant(value=str(name))) if attr == attribute:
                yield name
            case ast.Call(func=ast.Attribute(value=ast.Attribute(attr=attr), attr="update"), keywords=words) if attr == attribute:
                yield from (word.arg for word in words if word.arg)


def _keys_in(function: ast.FunctionDef) -> Iterator[ast.Constant]:
    """Give the names in the dictionaries that a function writes out."""
    for one in ast.walk(function):
        if isinstance(one, ast.Dict):
            yield from (key for key in one.keys if isinstance(key, ast.Constant))
