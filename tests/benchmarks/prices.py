"""List prices, and what units come to at them: the one place that knows a dollar.

us-east-1, on demand, without free tiers, as the AWS Price List gave them in 2026-09. Step Functions: its pricing page,
aws.amazon.com/step-functions/pricing. Durable functions: aws.amazon.com/lambda/pricing. What is kept (objects, items) is not
counted: it depends on for how long.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

DATE = "2026-09"
MILLION = 1e6

PER_UNIT: Mapping[str, float] = {
    "http_requests": 1.00 / MILLION,
    "invocations": 0.20 / MILLION,
    "gb_seconds": 0.0000133334,
    "write_units": 0.625 / MILLION,
    "read_units": 0.125 / MILLION,
    "uploads": 5.00 / MILLION,
    "object_reads": 0.40 / MILLION,
    "messages": 0.40 / MILLION,
    "log_bytes": 0.50 / 1e9,
    "transitions": 25.00 / MILLION,
    "durable_operations": 8.00 / MILLION,
}
SOURCES: Mapping[str, str] = {
    "http_requests": "API Gateway, HTTP API, first 300 M",
    "invocations": "Lambda requests",
    "gb_seconds": "Lambda duration, arm64",
    "write_units": "DynamoDB on-demand write request units",
    "read_units": "DynamoDB on-demand read request units",
    "uploads": "S3 Standard PUT",
    "object_reads": "S3 Standard GET",
    "messages": "SQS standard requests",
    "log_bytes": "CloudWatch Logs ingestion, and vended access logs, per byte",
    "transitions": "Step Functions Standard state transitions",
    "durable_operations": "Lambda durable operations",
}
"""What each price is for, in the words of the price list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one task uses."""

    http_requests: float = 0.0
    invocations: float = 0.0
    gb_seconds: float = 0.0
    write_units: float = 0.0
    read_units: float = 0.0
    uploads: float = 0.0
    object_reads: float = 0.0
    messages: float = 0.0
    log_bytes: float = 0.0
    transitions: float = 0.0
    durable_operations: float = 0.0

    def dollars_per_million(self) -> float:
        return sum(self.parts().values())

    def parts(self) -> dict[str, float]:
        """Dollars per million tasks, by what they are for."""
        return {one.name: getattr(self, one.name) * PER_UNIT[one.name] * MILLION for one in fields(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """What the functions wait for, in seconds; assumed, the same for everybody."""

    table_call: float = 0.005
    upstream_post: float = 0.300
    two_megabytes_in_and_out: float = 0.100


WAITS = Waits()
MS_PER_MILLION_INSTRUCTIONS = 0.18
"""Of a whole processor, as measured on the machine where the goals were set."""

MB_OF_A_PROCESSOR = 1769
"""So many megabytes of a function come with one processor (Lambda Developer Guide, "Memory")."""


def gb_seconds(*, memory_mb: int, million_instructions: float, waiting_s: float) -> float:
    """What an invocation is billed for: its waiting, and its work at the share of a processor that its memory brings."""
    work_s = million_instructions * MS_PER_MILLION_INSTRUCTIONS / 1000 / min(1.0, memory_mb / MB_OF_A_PROCESSOR)
    return memory_mb / 1024 * (waiting_s + work_s)
