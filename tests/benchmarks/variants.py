"""The other ways to wait for an image, as the units of one task: what Darkroom's bill stands beside.

30 s of generation, one picture, one callback where there are any, no repeats. Units follow from each design: its writes, entries
in indexes, states and operations. Handlers are assumed as lean as ours, at 256 MB, but for what each is named after.
"""

from collections.abc import Mapping

from tests.benchmarks.prices import Usage

VARIANTS: Mapping[str, Usage] = {
    "a Lambda parked and polling": Usage(
        http_requests=1, invocations=1, gb_seconds=7.6, write_units=2, uploads=1, log_bytes=1500
    ),
    "Step Functions, task token": Usage(
        http_requests=2,
        invocations=4,
        gb_seconds=0.13,
        write_units=2,
        read_units=0.5,
        uploads=1,
        transitions=3,
        log_bytes=4000,
    ),
    "Lambda durable functions": Usage(
        http_requests=2, invocations=4, gb_seconds=0.13, uploads=1, durable_operations=4, log_bytes=3000
    ),
    "naive callback, nothing conditional": Usage(
        http_requests=2, invocations=2, gb_seconds=0.219, write_units=3, read_units=0.5, uploads=1, log_bytes=2000
    ),
    "submitted through SQS, one index": Usage(
        http_requests=2,
        invocations=3,
        gb_seconds=0.125,
        write_units=5,
        read_units=1,
        uploads=1,
        messages=3,
        log_bytes=2000,
    ),
    "one index, no list": Usage(
        http_requests=2, invocations=2, gb_seconds=0.119, write_units=5, read_units=1, uploads=1, log_bytes=1000
    ),
    "the least there can be": Usage(invocations=2, gb_seconds=0.056, write_units=2, uploads=1),
}
"""The last one: one claim, one completion, no read, no gateway, no log. It cannot answer a lost callback or list anything."""

IDEMPOTENT = "Powertools idempotency on both handlers"
