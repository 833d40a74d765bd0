"""Task ids as HiAPI makes them: `tk-hiapi-` and a ULID, 35 characters that sort by time."""

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
PREFIX = "tk-hiapi-"
RANDOM_BYTES = 10


def task_id(*, milliseconds: int, randomness: bytes) -> str:
    """A task id for that unix time; `randomness` is ten bytes."""
    number = milliseconds << 80 | int.from_bytes(randomness, "big")
    return PREFIX + "".join(ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def request_id(randomness: bytes) -> str:
    """An id for one HTTP request, as support would ask for it."""
    return "req_" + randomness.hex()
