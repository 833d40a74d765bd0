"""What is wrong with a request's input, said so that its author can put it right."""

from dataclasses import dataclass

MOST_FAULTS = 100
"""Nobody puts more right at once, and a hostile body could have so many that an answer could not hold them."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: a JSON pointer (RFC 6901) into the request's body, and a sentence that names what would be right."""

    pointer: str
    detail: str


def pointer(*parts: str | int) -> str:
    """The JSON pointer to `parts`."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
