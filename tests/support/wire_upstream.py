"""HiAPI on the wire, as little of it as a count needs: it takes tasks, answers looks, serves pictures, and counts them all.

The faithful one is local/simulator. This one is told what to answer, keeps no time, and serves pictures of any size at any pace.
"""

import hashlib
import hmac
import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

from tests.support.gateway import PNG
from tests.support.loopback import Asked, Loopback, Reply, paced
from tests.support.requests import envelope

API_KEY = "sk-hiapi-0123456789abcdef0123456789abcdef"
WEBHOOK_SECRET = "whsec_0123456789abcdef"
_CHUNK = bytes(64 * 1024)


@dataclass(slots=True)
class Taken:
    """A task that was posted: by whom it wants to be called back, and how it stands."""

    id: str
    callback_url: str
    data: dict[str, Any]


class WireUpstream:
    """`with WireUpstream() as upstream: upstream.url`. `seen` counts POST, GET and picture; `next_replies` come first.

    `latency_s`: every answer about tasks takes so long, from now on. `picture_bytes_s`: pictures come no faster.
    """

    def __init__(self, *, latency_s: float = 0.0, picture_bytes_s: float | None = None) -> None:
        self.seen: Counter[str] = Counter()
        self.tasks: dict[str, Taken] = {}
        self.next_replies: list[Reply] = []
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self.latency_s, self._picture_bytes_s = latency_s, picture_bytes_s
        self._server = Loopback(self._answer)
        self.url = self._server.url

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._server.__exit__(*error)

    @property
    def connections(self) -> int:
        """How many there have been."""
        return self._server.connections

    @property
    def last(self) -> Taken:
        """The task that was posted last."""
        return next(reversed(self.tasks.values()))

    def succeed(self, task: Taken, *, picture_bytes: int, images: int = 1) -> None:
        """The task is done: so many pictures of so many bytes."""
        urls = [f"{self.url}/tasks/{task.id}/{picture_bytes}/{index}.png" for index in range(images)]
        output = [{"url": url, "type": "image", "expireAt": 1_777_886_899} for url in urls]
        task.data |= {"status": "success", "completed": 1_777_282_099, "output": output}

    def fail(self, task: Taken) -> None:
        """The task has failed."""
        error = {"code": "TASK_FAILED", "message": "upstream rejected the prompt"}
        task.data |= {"status": "fail", "completed": 1_777_282_099, "error": error}

    # -- answers ------------------------------------------------------------------------------------

    def _answer(self, asked: Asked) -> Reply:
        body = asked.body()
        if asked.method == "GET" and asked.target.startswith("/tasks/"):
            return self._picture(int(asked.target.split("/")[3]))
        time.sleep(self.latency_s)
        with self._lock:
            self.seen[asked.method] += 1
            if self.next_replies:
                return self.next_replies.pop(0)
            return self._take(json.loads(body)) if asked.method == "POST" else self._show(urlsplit(asked.target).path)

    def _take(self, body: dict[str, Any]) -> Reply:
        # As long as a real one: 26 characters behind the prefix.
        task_id = f"tk-hiapi-01HZTQ8BX2N3{next(self._numbers):014d}"
        data = {"taskId": task_id, "model": body["model"], "status": "handling", "created": 1_777_282_033, "completed": 0}
        self.tasks[task_id] = Taken(task_id, body.get("callback", {}).get("url", ""), data)
        return _success({"taskId": task_id})

    def _show(self, path: str) -> Reply:
        return _success(self.tasks[path.rpartition("/")[2]].data)

    def _picture(self, size: int) -> Reply:
        self.seen["picture"] += 1
        pieces = paced(_pieces(size), bytes_per_s=self._picture_bytes_s)
        return Reply(body=pieces, size=size, headers={"Content-Type": "image/png"})


def delivery(task: Taken, *, at: float) -> dict[str, Any]:
    """The callback for `task`, signed at the Unix time `at`, as API Gateway hands it over (payload 2.0)."""
    body = json.dumps(task.data, separators=(",", ":"))
    path = urlsplit(task.callback_url).path
    upstream, task_id, token = path.split("/")[3:]
    headers = {"content-type": "application/json"} | _signature(body, str(int(at)))
    parameters = {"upstream": upstream, "task_id": task_id, "token": token}
    event = envelope("POST", path, "POST /v1/callbacks/{upstream}/{task_id}/{token}", headers)
    return event | {"body": body, "pathParameters": parameters}


def _signature(body: str, timestamp: str) -> dict[str, str]:
    mac = hmac.new(WEBHOOK_SECRET.encode(), f"{timestamp}.{body}".encode(), hashlib.sha256)
    return {"x-hiapi-timestamp": timestamp, "x-hiapi-signature": mac.hexdigest()}


def _success(data: dict[str, Any]) -> Reply:
    body = json.dumps({"code": 200, "message": "success", "data": data}).encode()
    return Reply(body=body, headers={"Content-Type": "application/json", "X-Request-Id": "20260626101112-0a1b2c3d"})


def _pieces(size: int) -> Iterator[bytes]:
    yield PNG[:size]
    left = size - len(PNG)
    while left > 0:
        yield _CHUNK[:left]
        left -= len(_CHUNK)
