"""A client of Darkroom's HTTP API, for the command and whoever else speaks it from Python.

ApiError
├── ApiRefused        the API said no; `problem` is its document
└── ApiUnreachable    no answer, or not Darkroom's
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urljoin

import httpx

from local.addresses import is_loopback

Json = dict[str, Any]

TERMINAL = ("succeeded", "failed", "canceled", "expired")
_EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "image/avif": "avif", "image/gif": "gif"}
_CHUNK = 64 * 1024
_PATIENCE = 10
"""So many faults in a row are waited out while a task is followed."""


class ApiError(Exception):
    """A call that did not do what it should."""


class ApiRefused(ApiError):
    """The API's no, with the problem document that explains it."""

    def __init__(self, problem: Json) -> None:
        super().__init__(str(problem.get("detail") or problem.get("title") or problem))
        self.problem = problem


class ApiUnreachable(ApiError):
    """Nobody answered, or somebody else did."""


class Api:
    """The API at `url`, spoken to with `key`; every method raises ApiError and returns the API's own objects."""

    def __init__(self, url: str, key: str, *, timeout_s: float = 60.0) -> None:
        self._url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {key}", "User-Agent": "darkroom-cli"}
        # A proxy knows no way to this machine.
        options: dict[str, Any] = {"timeout": timeout_s, "follow_redirects": False, "trust_env": not is_loopback(self._url)}
        self._http = httpx.Client(base_url=self._url, headers=headers, **options)
        # The bucket gets no key: whoever has a presigned URL needs none, and nobody else's servers should see ours.
        self._bucket = httpx.Client(headers={"User-Agent": "darkroom-cli"}, **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()
        self._bucket.close()

    def create(self, body: Json, *, idempotency_key: str | None = None) -> Json:
        """POST a task."""
        return self.call("POST", "/v1/tasks", body=body, headers=_keyed(idempotency_key))

    def upload(self, content: bytes, content_type: str) -> str:
        """Put a reference image into the bucket; its id, for `input.images` of a task."""
        wanted = {"content_type": content_type, "size": len(content)}
        upload = self.call("POST", "/v1/uploads", body=wanted)
        try:
            answer = self._bucket.put(upload["url"], content=content, headers=upload["headers"])
        except httpx.HTTPError as error:
            raise ApiUnreachable(f"the bucket did not answer: {error or type(error).__name__}") from error
        if answer.status_code != 200:
            raise ApiUnreachable(f"the bucket answered {answer.status_code} to an upload")
        return str(upload["id"])

    def task(self, task_id: str) -> Json:
        """One task as it is now."""
        return self.call("GET", f"/v1/tasks/{_segment(task_id)}")

    def tasks(self, filters: Mapping[str, str | int]) -> Json:
        """One page of tasks."""
        return self.call("GET", "/v1/tasks", query=filters)

    def cancel(self, task_id: str) -> Json:
        """Ask for a task to be canceled."""
        return self.call("POST", f"/v1/tasks/{_segment(task_id)}/cancel")

    def retry(self, task_id: str, *, idempotency_key: str | None = None) -> Json:
        """Run a finished task's request again, as a new task."""
        return self.call("POST", f"/v1/tasks/{_segment(task_id)}/retry", headers=_keyed(idempotency_key))

    def follow(self, task: Json, *, sleep: Callable[[float], None] = time.sleep) -> Iterator[Json]:
        """The task at each of its changes, until its end; short faults on the way are waited out."""
        yield task
        pause, version, patience = 0.4, task.get("version"), _PATIENCE
        while task["status"] not in TERMINAL:
            sleep(pause)
            pause = min(pause * 1.3, 2.0)
            try:
                task = self.task(task["id"])
            except ApiError as error:
                patience -= 1
                if patience < 0 or not _passes(error):
                    raise
                continue
            patience = _PATIENCE
            if task.get("version") != version:
                version = task.get("version")
                yield task

    def save(self, image: Json, folder: Path, *, stem: str | None = None) -> Path:
        """Fetch one picture into `folder`, named by its id or `stem`; a file appears only when it is whole and undamaged."""
        location = self._location(image)
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / f"{stem or image['id']}.{_EXTENSIONS.get(image['content_type'], 'bin')}"
        part = target.with_name(target.name + ".part")
        try:
            digest = self._fetch(location, part)
            if image.get("sha256") and digest != image["sha256"]:
                raise ApiUnreachable(f"{image['id']} arrived damaged: its SHA-256 is {digest}, not {image['sha256']}")
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)
        return target

    def call(
        self,
        method: str,
        path: str,
        *,
        body: Json | None = None,
        query: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Json:
        """One request and the object it is answered with; an empty answer is an empty object."""
        answer = self._answer(method, path, json=body, params=dict(query or {}), headers=dict(headers or {}))
        if not answer.content:
            return {}
        try:
            found = answer.json()
        except ValueError as error:
            raise ApiUnreachable(f"what answers at {self._url} is not Darkroom's API") from error
        if not isinstance(found, dict):
            raise ApiUnreachable(f"what answers at {self._url} is not Darkroom's API")
        return found

    def _answer(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **options)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ApiUnreachable(
                f"nobody answers at {self._url} ({error or type(error).__name__}): is `darkroom up` running?"
            ) from error
        if answer.is_error:
            raise _refusal(answer)
        return answer

    def _location(self, image: Json) -> str:
        answer = self._answer("GET", image["url"])
        if answer.status_code != 302 or "location" not in answer.headers:
            raise ApiUnreachable(f"{image['url']} was answered with {answer.status_code} instead of an address")
        return urljoin(f"{self._url}/", answer.headers["location"])

    def _fetch(self, location: str, part: Path) -> str:
        digest = hashlib.sha256()
        try:
            with self._bucket.stream("GET", location) as answer, part.open("wb") as file:
                if answer.status_code != 200:
                    raise ApiUnreachable(f"the bucket answered {answer.status_code}")
                for chunk in answer.iter_bytes(_CHUNK):
                    digest.update(chunk)
                    file.write(chunk)
        except httpx.HTTPError as error:
            raise ApiUnreachable(f"the bucket did not answer: {error or type(error).__name__}") from error
        return digest.hexdigest()


def _passes(error: ApiError) -> bool:
    """Whether it makes sense to ask again: nobody answered, or not now."""
    return isinstance(error, ApiUnreachable) or (isinstance(error, ApiRefused) and error.problem.get("status") in (429, 503))


def _keyed(idempotency_key: str | None) -> dict[str, str]:
    return {"Idempotency-Key": idempotency_key} if idempotency_key else {}


def _segment(text: str) -> str:
    """One step of a path, whatever somebody typed."""
    return quote(text, safe="")


def _refusal(answer: httpx.Response) -> ApiRefused:
    try:
        problem = answer.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {"title": answer.reason_phrase, "detail": answer.text[:500]}
    # API Gateway's own refusals carry nothing but a message.
    told = {"status": answer.status_code, "detail": problem.get("message") or answer.reason_phrase}
    return ApiRefused(told | problem)
