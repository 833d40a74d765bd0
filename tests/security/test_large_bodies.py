"""A body full of faults is refused within the memory, the time and the six megabytes of answer that Lambda has."""

import json
import tracemalloc

import pytest

from tests.security.stack import Stack

KIB = 1024
BODIES = {
    "unknown fields": "{" + ",".join(f'"x{number}":0' for number in range(22_000)) + "}",
    "unknown inputs": '{"preset":"poster","input":{' + ",".join(f'"prompt{number}":0' for number in range(17_000)) + "}}",
    "wrong metadata": '{"preset":"poster","input":{"prompt":"a"},"metadata":{'
    + ",".join(f'"{n}":0' for n in range(26_000))
    + "}}",
    "wrong entries": '{"model":"Nano-Banana-Pro","input":{"prompt":"a","image_input":[' + ",".join(["1"] * 120_000) + "]}}",
    "halves of characters": '{"a":["' + '","'.join([r"\ud800"] * 25_000) + '"]}',
    "a long name over a long list": '{"' + "n" * 120 * KIB + '":[' + ",".join(["0"] * 60_000) + "]}",
    "a long name over halves": '{"' + "n" * 120 * KIB + '":["' + '","'.join([r"\ud800"] * 10_000) + '"]}',
}


@pytest.mark.parametrize("raw", BODIES.values(), ids=BODIES)
def test_a_body_full_of_faults_is_refused_within_lambdas_bounds(stack: Stack, raw: str) -> None:
    assert len(raw) < 256 * KIB
    tracemalloc.start()

    try:
        answer = stack.ask("POST", "/v1/tasks", body=raw)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert answer["statusCode"] == 422
    assert 1 <= len(json.loads(answer["body"])["errors"]) <= 100
    assert len(json.dumps(answer)) < 3 * KIB * KIB
    # A function has 512 MB, and a hundred of them are its own.
    assert peak < 200 * KIB * KIB
    assert stack.tasks.tasks == {}
