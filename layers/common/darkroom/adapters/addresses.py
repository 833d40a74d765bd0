"""What addresses a host's name has, asked of the system, and no longer than there is time for."""

import socket
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread
from typing import NoReturn, TypeVar

_Found = TypeVar("_Found")


def resolve(host: str, port: int) -> list[str]:
    """Every address of `host`, in the system's order; raises OSError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(f"{host!r} cannot be a host's name") from error
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


def resolved_within(seconds: float, ask: Callable[[], _Found]) -> _Found:
    """What `ask` gives or raises, or TimeoutError: the system's resolver waits as long as somebody else's name server likes."""
    told: SimpleQueue[Callable[[], _Found]] = SimpleQueue()

    def tell() -> None:
        try:
            found = ask()
        except Exception as error:
            told.put(partial(_raise, error))
        else:
            told.put(lambda: found)

    Thread(target=tell, daemon=True).start()
    try:
        answer = told.get(timeout=max(0.0, seconds))
    except Empty:
        raise TimeoutError(f"no answer within {seconds:g} s") from None
    return answer()


def _raise(error: Exception) -> NoReturn:
    raise error
