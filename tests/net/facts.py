"""What is recorded, by the name of its file."""

from collections.abc import Callable, Mapping

from tests.net import log_lines, metrics, problems, rows, settings
from tests.net.recording import Facts

FACTS: Mapping[str, Callable[[], Facts]] = {
    "log_lines": log_lines.facts,
    "metrics": metrics.facts,
    "problems": problems.facts,
    "rows": rows.facts,
    "settings": settings.facts,
}
