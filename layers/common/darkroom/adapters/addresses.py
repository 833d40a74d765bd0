"""What addresses a host's name has, asked of the system, and no longer than there is time for."""

import socket
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread


def resolve(host: str, port: int) -> list[str]:
    """Every address of `host`, in the system's order; raises OSError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(f"{host!r} cannot be a host's name") from error
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


def resolved_within(seconds: float, ask: Callable[[], list[str]]) -> list[str]:
    """What `ask` gives, or TimeoutError: the system's resolver waits as long as somebody else's name server likes."""
    told: SimpleQueue[list[str] | OSError] = SimpleQueue()

    def tell() -> None:
        try:
            told.put(ask())
        except OSError as error:
            told.put(error)

    Thread(target=tell, daemon=True).start()
    try:
        answer = told.get(timeout=max(0.0, seconds))
    except Empty:
        raise TimeoutError(f"no answer within {seconds:g} s") from None
    if isinstance(answer, OSError):
        raise answer
    return answer
