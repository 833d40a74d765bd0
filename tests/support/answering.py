"""A gateway that is a function: it stands where the pool of connections does, and nothing leaves the process."""

from collections.abc import Callable, Iterable

import httpcore
import httpx


class Answering:
    """Sends each request to `answer`, which may raise what httpcore would."""

    def __init__(self, answer: Callable[[httpx.Request], httpx.Response]) -> None:
        self._answer = answer

    def handle_request(self, request: httpcore.Request) -> httpcore.Response:
        """The answer, as it would come from a socket."""
        url = request.url
        assert isinstance(request.stream, Iterable)
        asked = httpx.Request(
            request.method.decode(),
            httpx.URL(scheme=url.scheme.decode(), host=url.host.decode(), port=url.port, raw_path=url.target),
            headers=request.headers,
            content=b"".join(request.stream),
            extensions=request.extensions,
        )
        told = self._answer(asked)
        return httpcore.Response(told.status_code, headers=told.headers.raw, content=told.stream)
