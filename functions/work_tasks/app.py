"""Jobs from the queue: store pictures patiently, submit to upstreams that take minutes."""

import gc

gc.disable()  # nothing imported here is garbage; collecting while importing costs a tenth of the cold start

from typing import Any  # noqa: E402  (after gc.disable on purpose)

from darkroom.edge.job_batch import work_batch  # noqa: E402
from darkroom.observe import logger, metrics  # noqa: E402
from darkroom.wiring import services, start  # noqa: E402

start("tasks", "bucket", "queue", "secrets", "downloads")
gc.freeze()
gc.enable()


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Work one batch of SQS messages; what failed comes back by itself (partial batch response)."""
    return work_batch(event, services(), remaining_s=context.get_remaining_time_in_millis() / 1000)
