"""A gateway that is a function: it stands where the connections do, and nothing leaves the process."""

from collections.abc import Callable, Iterable, Iterator

import httpx

from darkroom.adapters.upstreams.connections import Answered, Asked


class Answering:
    """Sends each request to `answer`, which may raise what a connection would: NotSent, BrokenOff."""

    def __init__(self, answer: Callable[[httpx.Request], httpx.Response]) -> None:
        self._answer = answer

    def send(self, asked: Asked, *, ends: float) -> Answered:
        """The answer, as it would come from a socket."""
        length = {} if asked.content is None else {"Content-Length": str(len(asked.content))}
        headers = {"Host": asked.address.authority, **asked.headers, **length}
        return _Told(self._answer(httpx.Request(asked.method, str(asked.address), headers=headers, content=asked.content)))


class _Told:
    def __init__(self, told: httpx.Response) -> None:
        self._told = told
        self.status = told.status_code

    @property
    def headers(self) -> Iterable[tuple[str, str]]:
        return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self._told.headers.raw]

    def pieces(self) -> Iterator[bytes]:
        assert isinstance(self._told.stream, Iterable)
        yield from self._told.stream

    def close(self) -> None:
        self._told.close()
