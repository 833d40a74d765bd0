"""Logs and metrics: one line and a few counts per event, written at the edge; secrets never get this far."""

import logging
import warnings
from collections.abc import Callable, Iterator
from functools import wraps
from traceback import extract_tb
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from aws_lambda_powertools.metrics import MetricUnit

from darkroom.domain.attempts import Begun
from darkroom.domain.redact import redact
from darkroom.errors import ConfigurationError, StoreError

if TYPE_CHECKING:
    from darkroom.domain.task import Task

P = ParamSpec("P")
R = TypeVar("R")

_OUR_WORDS = (ConfigurationError, StoreError)
"""Errors whose texts we wrote: they name settings, services and ids. Every other text may quote what somebody sent."""

_TEXT_CHARACTERS = 4096
_SIMPLE = (int, float)

_SAID_BY_THE_LOG_GROUP = frozenset({"function_name", "function_memory_size", "function_arn"})


class _Lean(LambdaPowertoolsFormatter):
    """Leaves out what is the same in every line of a log group, and that a start was not cold: ingestion is paid by the byte."""

    def append_keys(self, **additional_keys: Any) -> None:
        told = {name: key for name, key in additional_keys.items() if name not in _SAID_BY_THE_LOG_GROUP}
        super().append_keys(**{name: key for name, key in told.items() if (name, key) != ("cold_start", False)})


# Without `location`: it would always be the line in here that writes.
logger = Logger(service="darkroom", logger_formatter=_Lean(use_rfc3339=True, utc=True, location=None))
metrics = Metrics(namespace="Darkroom", service="darkroom")

# An event that counts nothing is no reason for a warning.
warnings.filterwarnings("ignore", message="No application metrics to publish")


class Unforeseen(Exception):
    """An error that no code expected, without its text; our log has its kind and its way."""


def tell_unforeseen(error: Exception, **facts: Any) -> None:
    """Log an error that was contained, with its kind and its way, and count it."""
    logger.error("unforeseen", exc_info=error, extra={name: _told(fact) for name, fact in facts.items() if fact})
    count("UnforeseenErrors")


def count(name: str, value: float = 1) -> None:
    """Add to a metric; zero is not written."""
    if value:
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)


def tell_next_attempt(task: "Task") -> None:
    """An attempt failed and the task goes on: by itself with the same model, or with the preset's next one."""
    why = task.earlier[-1].code
    say("next attempt", kind=task.begun.value, task_id=task.id, attempt=task.attempt, model=task.model, after=why)
    count("AutomaticRetries" if task.begun is Begun.AUTOMATIC_RETRY else "Fallbacks")


def gauge(name: str, value: float) -> None:
    """Write how many there are just now, zero too."""
    metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)


def gauge_seconds(name: str, value: float) -> None:
    """Write a metric in seconds, zero too: an alarm wants to see it fall."""
    metrics.add_metric(name=name, unit=MetricUnit.Seconds, value=value)


def say(message: str, *, level: str = "info", **facts: Any) -> None:
    """One log line; empty facts are left out, texts are redacted and capped, of other things only the kind is told."""
    told = {name: _told(fact) for name, fact in facts.items() if fact not in (None, "", 0, False)}
    getattr(logger, level)(message, extra=told)


def discreet(work: Callable[P, R]) -> Callable[P, R]:
    """For what Lambda calls: it would log an error that leaves us with its text, so one that nobody named leaves without."""

    @wraps(work)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return work(*args, **kwargs)
        except _OUR_WORDS:
            raise
        except Exception as error:
            tell_unforeseen(error)
            raise Unforeseen(type(error).__name__) from None

    return call


def words_of(error: BaseException) -> str:
    """What may be told of an error: its text where it is ours, otherwise only its kind."""
    return redact(str(error), _TEXT_CHARACTERS) if isinstance(error, _OUR_WORDS) else type(error).__name__


class _Discretion(logging.Filter):
    """Puts an error's kind and way in the place of its traceback, which would quote the error's text."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            record.exc_info = None
            record.exception_name = type(error).__name__
            record.exception = "\n".join(_way(error))
        return True


logger.addFilter(_Discretion())


def _way(error: BaseException) -> Iterator[str]:
    """From the first error of a chain to the last: what each was, and through which lines it went."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from _way(before)
    yield words_of(error)
    for frame in extract_tb(error.__traceback__, limit=-20):
        yield f"  {frame.filename}:{frame.lineno} in {frame.name}"


def _told(fact: object) -> str | float:
    if isinstance(fact, str):
        return redact(fact, _TEXT_CHARACTERS)
    return fact if isinstance(fact, _SIMPLE) else type(fact).__name__
