"""Reads the body of OpenAI's Images API, as HiAPI and Pixapi take it."""

from collections.abc import Callable, Collection
from typing import Any

from local.simulator.generating import Wanted
from local.simulator.messages import Json, Refused

MOST_IMAGES = 10
FORMATS = ("url", "b64_json")


def prompt_of(value: Json) -> str:
    """The prompt, if there is one."""
    return str(value.get("prompt", "")) if isinstance(value, dict) else ""


def merged(value: Json) -> dict[str, Any]:
    """The body with the fields of an `extra_body` at its top level, where OpenAI's clients put them."""
    if not isinstance(value, dict):
        raise invalid("body: must be a JSON object")
    extra = value.get("extra_body", {})
    if not isinstance(extra, dict):
        raise invalid("extra_body: must be an object")
    return extra | {name: one for name, one in value.items() if name != "extra_body"}


def reader(models: Collection[str], *, base64_only: Collection[str] = ()) -> Callable[[Json], Wanted]:
    """What reads a request for one of `models`; `base64_only` ones answer in base64 whatever is asked."""

    def read(value: Json) -> Wanted:
        body = merged(value)
        model, prompt = body.get("model"), body.get("prompt")
        require_model(model, models)
        if not isinstance(prompt, str) or not prompt:
            raise invalid("prompt: must be a string that is not empty")
        if body.get("response_format", "url") not in FORMATS:
            raise invalid(f"response_format: must be one of {', '.join(FORMATS)}")
        inputs = body | ({"response_format": "b64_json"} if model in base64_only else {})
        return Wanted(str(model), prompt, inputs, count(body))

    return read


def require_model(model: Json, models: Collection[str]) -> None:
    """Raise `Refused` (404) for a model that is not offered."""
    if model not in models:
        raise Refused(404, "model_not_found", f"model: {model!r} does not exist")


def count(body: dict[str, Any]) -> int:
    """`n`, the number of images."""
    wanted = body.get("n")
    if wanted is None:
        return 1
    if not isinstance(wanted, int) or isinstance(wanted, bool) or not 1 <= wanted <= MOST_IMAGES:
        raise invalid(f"n: must be a whole number from 1 to {MOST_IMAGES}")
    return wanted


def invalid(message: str) -> Refused:
    """A request that cannot be right."""
    return Refused(400, "INVALID_REQUEST", message)
