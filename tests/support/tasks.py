"""Tasks to test with."""

from typing import Any

from darkroom.domain.ids import task_id
from darkroom.domain.task import Image, Output, Phase, Request, Task, Timing

BIRTH = 1_763_600_000.123
TIMING = Timing()


def a_request(prompt: str = "a lighthouse at dusk", *, body: bytes | None = None) -> Request:
    """What an application asked."""
    frozen = b'{"model":"gpt-image-2/text-to-image","input":{"prompt":"%s"}}' % prompt.encode() if body is None else body
    return Request(input={"prompt": prompt, "aspect_ratio": "9:16"}, body=frozen, metadata={"order": "8472"})


def a_long_request() -> Request:
    """One that does not fit the state row: 3,000 characters that no compression shortens much."""
    return a_request(" ".join(f"{number * 7919 % 65_521:x}" for number in range(600)))


def a_task(number: int = 0, *, at: float = BIRTH, **facts: Any) -> Task:
    """A task just before its POST."""
    defaults: dict[str, Any] = {
        "id": task_id(at, number.to_bytes(10, "big")),
        "owner": "dev",
        "upstream": "hiapi",
        "model": "gpt-image-2/text-to-image",
        "timeout_s": 1800,
        "created_at": at,
        "phase": Phase.SUBMITTING,
        "next_check_at": at + 60,
        "first_sent_at": at,
        "callback_expected": True,
        "request": a_request(),
    }
    return Task(**(defaults | facts))


def submitted(task: Task) -> Task:
    return task.submitted(task.created_at + 1.5, upstream_task_id="tk-hiapi-01HZTQ8BX2N3GM3YFK4Z9D7VQR", request_id="req-77")


def storing(task: Task, *urls: str) -> Task:
    """The task whose success is known; `urls` are its outputs."""
    outputs = tuple(Output(url=url, expires_at=task.created_at + 3600) for url in urls or ("https://cdn.test/0.png?sig=a",))
    return task.storing(task.created_at + 30, by="callback", lease="lease-1", lease_s=25, outputs=outputs)


def an_image(index: int = 0, **facts: Any) -> Image:
    defaults: dict[str, Any] = {
        "index": index,
        "content_type": "image/png",
        "size": 123_456,
        "width": 1024,
        "height": 1536,
        "sha256": f"{index % 256:02x}" * 32,
        "created_at": BIRTH + 31.125,
    }
    return Image(**(defaults | facts))


def succeeded(task: Task, images: int = 1) -> Task:
    """The task from submission to its pictures."""
    return storing(submitted(task)).stored(task.created_at + 32, tuple(map(an_image, range(images))))
