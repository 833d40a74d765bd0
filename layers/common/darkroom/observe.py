"""Logs and metrics: one line and a few counts per event, written at the edge; secrets never get this far."""

import warnings
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from darkroom.domain.redact import redact

logger = Logger(service="darkroom", use_rfc3339=True, utc=True)
metrics = Metrics(namespace="Darkroom", service="darkroom")

# An event that counts nothing is no reason for a warning.
warnings.filterwarnings("ignore", message="No application metrics to publish")


def count(name: str, value: float = 1) -> None:
    """Add to a metric; zero is not written."""
    if value:
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)


def gauge_seconds(name: str, value: float) -> None:
    """Write a metric in seconds, zero too: an alarm wants to see it fall."""
    metrics.add_metric(name=name, unit=MetricUnit.Seconds, value=value)


def say(message: str, *, level: str = "info", **facts: Any) -> None:
    """One log line; empty facts are left out, texts are redacted and capped."""
    told = {
        name: redact(fact, 4096) if isinstance(fact, str) else fact
        for name, fact in facts.items()
        if fact not in (None, "", 0, False)
    }
    getattr(logger, level)(message, extra=told)
