"""Read the docstrings and comments of Python files: odd words in them, and docstrings that begin with a verb."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator, Sequence
from pathlib import Path

_ODD = re.compile(
    r"\b(?:who(?:so)?ever|whomever|nobody|no one|somebody|someone|so (?:long|many|much)|as (?:it is|they are))\b", re.IGNORECASE
)
"""Words that the code used in place of usual ones, and the nearest words that could stand in for them."""
_WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?")
_FOR_TOOLS = re.compile(r"#\s*(?:noqa|type:|pragma)[^#]*")

_VERBS = frozenset((Path(__file__).parent / "verbs.txt").read_text().split())
"""Base forms of verbs; a verb that is missing here counts as none until it is added."""

_AFTER_A_NOUN = frozenset(
    {"of", "that", "is", "are", "was", "were", "has", "and", "or", "which", "who", "whose", "at", "by", "in"}
)
"""`Answer of the gateway`, `Store that …`: in front of these words the first one is a noun."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def comments(source: str) -> Iterator[str]:
    """Each comment, without what is written for tools."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield _FOR_TOOLS.sub("", token.string)


def docstrings(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Each string that stands as a statement, with what it belongs to: docstrings, and texts below a constant."""
    for node in ast.walk(tree):
        for statement in getattr(node, "body", []) if isinstance(node, ast.Module | ast.ClassDef | Function) else []:
            value = statement.value if isinstance(statement, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield node, value.value


def odd_words(paths: Sequence[Path]) -> tuple[int, int]:
    """Count the odd words in docstrings and comments, and all words in them."""
    odd = words = 0
    for path in paths:
        source = path.read_text()
        for text in [*comments(source), *(text for _, text in docstrings(ast.parse(source)))]:
            odd += len(_ODD.findall(" ".join(text.split())))
            words += len(_WORD.findall(text))
    return odd, words


def begins_with_a_verb(docstring: str) -> bool:
    """Tell whether the first word is the base form of a verb, used as one: nothing follows it that only follows a noun."""
    first, _, rest = docstring.strip().partition(" ")
    second = rest.split(" ", 1)[0].lower()
    return first.rstrip(",.;").lower() in _VERBS and second not in _AFTER_A_NOUN


def imperative(paths: Sequence[Path]) -> tuple[int, int]:
    """Count the functions whose docstring begins with a verb, and the functions that have one."""
    texts = [
        text
        for path in paths
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, Function) and (text := ast.get_docstring(node))
    ]
    return sum(map(begins_with_a_verb, texts)), len(texts)
