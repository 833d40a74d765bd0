"""Every minute: look at each task that has been silent too long."""

import gc

gc.disable()  # nothing imported here is garbage; collecting while importing costs a tenth of the cold start

from typing import Any  # noqa: E402  (after gc.disable on purpose)

from darkroom.edge.sweep import sweep  # noqa: E402
from darkroom.observe import logger, metrics  # noqa: E402
from darkroom.wiring import services, start  # noqa: E402

start("tasks", "queue", "secrets")
gc.freeze()
gc.enable()


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(_event: dict[str, Any], context: Any) -> dict[str, Any]:
    """One sweep; returns `{looked_at, moved}`."""
    report = sweep(services(), remaining_s=context.get_remaining_time_in_millis() / 1000)
    return {"looked_at": report.looked_at, "moved": report.moved}
