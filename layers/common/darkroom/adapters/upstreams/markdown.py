"""Finds the pictures in a model's words: CommonMark's images and links, HTML's, `data:` URIs, and addresses that stand alone.

Each text is gone through a fixed number of times, and only what is found is copied: words may be tens of megabytes.
"""

import html
import re
from collections import deque
from collections.abc import Iterator
from itertools import islice

from darkroom.adapters.upstreams.reading import MAX_URL

_MAX_FOUND = 100
_MAX_OPEN = 1000
_MAX_LABEL = 999  # CommonMark, link reference definitions

_SPACE = r"[ \t\r\n]{0,200}+"
# Parentheses are balanced, three of them in each other at most. All of it is possessive: nothing is scanned twice from one place.
_CHARACTER = r"[^\\()\s\x00-\x1f\x7f]|\\."
_PLAIN = rf"(?:{_CHARACTER}|\((?:{_CHARACTER}|\((?:{_CHARACTER}|\((?:{_CHARACTER})*+\))*+\))*+\))*+"
_POINTED = r"(?:[^<>\\\r\n]|\\.)*+"
_TITLE = r"""(?:"(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+'|\((?:[^()\\]|\\.)*+\))"""
# A `data:` URI has no parentheses, but it may be broken into lines.
_FILE = r"""<?(?P<file>[dD][aA][tT][aA]:[^)"'>]*+)[)"'>]?"""
_INLINE = (
    rf"{_SPACE}(?:{_FILE}|(?:<(?P<pointed>{_POINTED})>|(?!<)(?P<plain>{_PLAIN})){_SPACE}(?:(?<=[ \t\r\n]){_TITLE}{_SPACE})?\))"
)
_TOKEN = re.compile(rf"\\.|(?P<open>!?\[)|\](?P<inline>\({_INLINE})?", re.S)
_DEFINITION = re.compile(
    r"^ {0,3}\[((?:[^\[\]\\]|\\.){1,999})\]:[ \t]{0,100}(?:\r?\n[ \t]{0,100})?(<[^<>\r\n]*>|[^\s<]\S*)", re.M
)
_ESCAPED = re.compile(r"""\\([!-/:-@\[-`{-~])""")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")

# Every step of it is decided by one character: a tag that never ends costs its own length, once.
_TAG = re.compile(r"<(img|a|source)\b(?:[^<>\"']|\"[^\"<]{0,2000}\"|'[^'<]{0,2000}'){0,4000}?\b(?:src|href)\s{0,9}=\s{0,9}", re.I)
_UNQUOTED = re.compile(r"[^\s\"'=<>`]+")
_DATA_URI = re.compile(
    r"data:[a-z0-9.+*/-]{0,80}(?:;[a-z0-9.+=_-]{1,40}){0,4},[A-Za-z0-9+/_%-]+(?:\r?\n[A-Za-z0-9+/_%-]{20,})*={0,2}", re.I
)
_BARE = re.compile(rf"https?:(?:\\?/){{2}}(?:[^\s<>\"'`\\^{{}}|]|\\/){{1,{MAX_URL}}}", re.I)
_TRAILING = ".,;:!?*_~]"
_PICTURE_NAME = re.compile(r"\.(?:png|jpe?g|webp|gif|avif)(?:[?#]|$)", re.I)


def pictures_shown(words: str) -> tuple[str, ...]:
    """Return where the pictures lie that `words` show, in their order: by Markdown or HTML, otherwise as `data:` URIs."""
    images, _ = _markdown(words)
    shown = _in_order(images + [(at, url) for at, kind, url in _tags(words) if kind != "a"])
    return shown or tuple(found[0] for found in islice(_DATA_URI.finditer(words), _MAX_FOUND))


def addresses_named(words: str) -> tuple[str, ...]:
    """Return the addresses that `words` link to or hold, those that are named like pictures where there are any."""
    _, links = _markdown(words)
    linked = _in_order(links + [(at, url) for at, kind, url in _tags(words) if kind == "a"])
    named = linked or tuple(_without_trailing(found[0]) for found in islice(_BARE.finditer(words), _MAX_FOUND))
    return tuple(url for url in named if _PICTURE_NAME.search(url[:MAX_URL])) or named


def _in_order(found: list[tuple[int, str]]) -> tuple[str, ...]:
    return tuple(url for _, url in sorted(found)[:_MAX_FOUND] if url)


# -- CommonMark ---------------------------------------------------------------------------------------


def _markdown(words: str) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """Images and links with their places."""
    if "/" not in words or not ("](" in words or "]:" in words):
        return [], []
    images: list[tuple[int, str]] = []
    links: list[tuple[int, str]] = []
    for at, is_image, target in _brackets(words, _references(words)):
        if is_image:
            images.append((at, target))
        elif len(links) < _MAX_FOUND:
            links.append((at, target))
        if len(images) >= _MAX_FOUND:
            break
    return images, links


def _brackets(words: str, references: dict[str, str]) -> Iterator[tuple[int, bool, str]]:
    """What closes brackets and leads somewhere: where they were opened, whether it is an image, and its destination."""
    opened: deque[tuple[int, bool]] = deque(maxlen=_MAX_OPEN)
    for part in _TOKEN.finditer(words):
        if part["open"]:
            opened.append((part.start(), part["open"] == "!["))
        elif opened and words[part.start()] == "]":
            begin, is_image = opened.pop()
            if part.start("inline") >= 0:
                yield begin, is_image, _destination(part)
            elif references and (target := _referred(words, begin + 1 + is_image, part.start(), references)):
                yield begin, is_image, target


def _destination(part: re.Match[str]) -> str:
    if part.start("file") >= 0:
        return part["file"].rstrip()
    return _unescaped(part["plain"] or part["pointed"] or "")


def _referred(words: str, begin: int, end: int, references: dict[str, str]) -> str | None:
    """Where a reference leads: the label behind the brackets, or their own where there is none or an empty one."""
    label = words[begin:end] if end - begin <= _MAX_LABEL else ""
    if words[end + 1 : end + 2] == "[":
        closed = words.find("]", end + 2, end + 3 + _MAX_LABEL)
        label = words[end + 2 : closed].strip() or label if closed >= 0 else label
    return references.get(_normal(label))


def _references(words: str) -> dict[str, str]:
    """The link reference definitions; of two with one label the first counts."""
    if "]:" not in words:
        return {}
    found: dict[str, str] = {}
    for one in _DEFINITION.finditer(words):
        target = one[2].removeprefix("<").removesuffix(">") if one[2].startswith("<") else one[2]
        found.setdefault(_normal(one[1]), _unescaped(target))
        if len(found) >= _MAX_OPEN:
            break
    return found


def _normal(label: str) -> str:
    return " ".join(label.split()).casefold()


def _unescaped(target: str) -> str:
    if target[:5].lower() == "data:":
        return target
    return _entities(_ESCAPED.sub(r"\1", target))


def _entities(text: str) -> str:
    """Only entities that end as they should: `&copy=1` in a query is no ©."""
    return _ENTITY.sub(lambda found: html.unescape(found[0]), text) if "&" in text else text


# -- HTML, and addresses on their own --------------------------------------------------------------------


def _tags(words: str) -> list[tuple[int, str, str]]:
    if "<" not in words:
        return []
    found: list[tuple[int, str, str]] = []
    for tag in _TAG.finditer(words):
        quote = words[tag.end() : tag.end() + 1]
        if quote and quote in "\"'":
            end = words.find(quote, tag.end() + 1)
            url = words[tag.end() + 1 : end] if end >= 0 else ""
        else:
            bare = _UNQUOTED.match(words, tag.end())
            url = bare[0] if bare else ""
        found.append((tag.start(), tag[1].lower(), _entities(url.strip())))
        if len(found) >= _MAX_FOUND:
            break
    return found


def _without_trailing(url: str) -> str:
    """As GitHub's Markdown ends an address: before punctuation, and before a parenthesis that was opened elsewhere."""
    surplus = max(0, url.count(")") - url.count("("))
    end = len(url)
    while end and (url[end - 1] in _TRAILING or (url[end - 1] == ")" and surplus)):
        surplus -= url[end - 1] == ")"
        end -= 1
    return url[:end]
