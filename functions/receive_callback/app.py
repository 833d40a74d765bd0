"""Callbacks of upstreams: verify, write the news down, fetch the bytes while time is left."""

import gc

gc.disable()  # nothing imported here is garbage; collecting while importing costs a tenth of the cold start

from typing import Any  # noqa: E402  (after gc.disable on purpose)

from darkroom.edge.callback_ingress import receive  # noqa: E402
from darkroom.observe import logger, metrics  # noqa: E402
from darkroom.wiring import services, start  # noqa: E402

start("tasks", "bucket", "secrets", "downloads")
gc.freeze()
gc.enable()


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one HTTP API event (payload 2.0)."""
    return receive(event, services(), remaining_s=context.get_remaining_time_in_millis() / 1000)
