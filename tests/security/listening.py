"""Everything that leaves the process for a log, a metric or an error report, and a search through it."""

import io
import json
import logging
import re
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from darkroom.observe import logger

TELLING = {
    "a callback's token": re.compile(r"\b[0-9a-f]{8}\.\d{1,4}\.[0-9a-f]{40}\b"),
    "a signed URL": re.compile(r"https?://\S+\?\S*(?:sig|X-Amz-|token|expires)", re.IGNORECASE),
    "an authorization": re.compile(r"(?:Bearer|AWS4-HMAC-SHA256)\s+[A-Za-z0-9]"),
}
"""What gives itself away by its form, whoever made it."""


class Listener:
    """What was written while it listened; `errors` are those that left a handler, as Lambda would log them."""

    def __init__(self) -> None:
        self._ours = io.StringIO()
        self._all = io.StringIO()
        self.errors: list[str] = []

    @contextmanager
    def listening(self) -> Iterator["Listener"]:
        """Hear our own log lines in their final form, and whatever any library says at INFO, as in Lambda."""
        root, library = logging.getLogger(), logging.StreamHandler(self._all)
        library.setFormatter(logging.Formatter("%(name)s %(message)s %(args)s"))
        streams = [(handler, handler.setStream(self._ours)) for handler in logger.handlers]  # type: ignore[attr-defined]
        level = root.level
        root.addHandler(library)
        root.setLevel(logging.INFO)
        try:
            yield self
        finally:
            root.removeHandler(library)
            root.setLevel(level)
            for handler, stream in streams:
                handler.setStream(stream)  # type: ignore[attr-defined]

    @property
    def log(self) -> str:
        return self._ours.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Our own log lines."""
        return [json.loads(line) for line in self.log.splitlines()]

    def note(self, error: BaseException) -> None:
        """An error left a handler: Lambda logs its text, and a debugger its whole chain."""
        self.errors.append("".join(traceback.format_exception(error)) + repr(error))

    def everything(self, *printed: str) -> str:
        return "\n".join([self.log, self._all.getvalue(), *self.errors, *printed])


def found(secrets: Mapping[str, str], text: str) -> dict[str, str]:
    """The secrets that stand somewhere in `text`, as they are or in one of the usual notations, with their surroundings."""
    return {
        name: text[max(0, at - 300) : at + len(form) + 60]
        for name, secret in secrets.items()
        for form in {secret, json.dumps(secret)[1:-1], json.dumps(json.dumps(secret))[3:-3], repr(secret)[1:-1], quote(secret)}
        if (at := text.find(form)) >= 0
    }


def told(secrets: Mapping[str, str], text: str) -> dict[str, str]:
    """As `found`, and whatever looks like a token, a signed URL or an Authorization value."""
    telling = {name: line.search(text) for name, line in TELLING.items()}
    return found(secrets, text) | {name: match[0] for name, match in telling.items() if match}
