"""HiAPI's chat completions as an image endpoint: the images come inside the model's words, or beside them."""

from collections.abc import Iterator, Mapping
from typing import Any

from darkroom.adapters.upstreams.complaints import MESSAGE_CAP
from darkroom.adapters.upstreams.hiapi import IN_FLIGHT, KEY_FIELD, PER_MINUTE
from darkroom.adapters.upstreams.images import MOST_IMAGES, find_images
from darkroom.adapters.upstreams.immediate import ANSWERS_WITHIN_S, Immediate, Result
from darkroom.adapters.upstreams.reading import first_text, mapping, text
from darkroom.adapters.upstreams.refusals import is_policy
from darkroom.domain.redact import redact
from darkroom.domain.task import TaskError
from darkroom.ports import Promises

_WORDS_READ = 4096  # characters of an answer without an image that are looked through for a reason


class HiApiChat(Immediate):
    """`POST /v1/chat/completions` (HiAPI docs, image generation): Nano Banana's models and gpt-image-2."""

    name = "hiapi_chat"
    # How long a URL lives, nobody says.
    promises = Promises(synchronous=True, answers_within_s=ANSWERS_WITHIN_S, in_flight=IN_FLIGHT, per_minute=PER_MINUTE)
    path = "/v1/chat/completions"
    key_field = KEY_FIELD

    def body_of(self, model: str, input: Mapping[str, Any]) -> Mapping[str, Any]:
        """`prompt` becomes the message, `aspect_ratio` and `image_size` Google's image_config; other fields stay as they are.

        `images` (URLs or data URIs) become parts of the message as OpenAI has them. HiAPI documents none for a chat, so only a
        deployer's own catalogue has a route that takes them.
        """
        own = {name: value for name, value in input.items() if name not in _TRANSLATED}
        message = {"role": "user", "content": _content(input)}
        return {**own, **_extra_body(input), "model": model, "stream": False, "messages": [message]}

    def result_of(self, doc: Mapping[str, Any]) -> Result | None:
        found = find_images(doc)
        choices = _choices(doc)
        if choices is None:
            return Result(images=found.outputs, missing=found.missing) if found.outputs else None
        error = _error(choices)
        # What a refusal links to is its explanation.
        if not found.outputs or (found.named_only and error.code == "content_rejected"):
            return Result(missing=found.missing, error=error)
        return Result(images=found.outputs, missing=found.missing)


_TRANSLATED = frozenset({"prompt", "images", "aspect_ratio", "image_size", "extra_body"})


def _content(input: Mapping[str, Any]) -> Any:
    """The words alone, or the words and the reference images as parts."""
    images = input.get("images") or []
    if not images:
        return input.get("prompt", "")
    parts = [{"type": "image_url", "image_url": {"url": url}} for url in images]
    return [{"type": "text", "text": input.get("prompt", "")}, *parts]


def _extra_body(input: Mapping[str, Any]) -> dict[str, Any]:
    """`extra_body.google.image_config` as documented, beside what the input's own `extra_body` holds."""
    config = {name: input[name] for name in ("aspect_ratio", "image_size") if name in input}
    own = dict(mapping(input.get("extra_body")))
    if not config:
        return {"extra_body": own} if own else {}
    google = dict(mapping(own.get("google")))
    merged = {**config, **mapping(google.get("image_config"))}
    return {"extra_body": {**own, "google": {**google, "image_config": merged}}}


def _choices(doc: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    """The chat's choices, in `doc` or in the `data` of an envelope; None when it is no chat."""
    for place in (doc, mapping(doc.get("data")), mapping(doc.get("result"))):
        if isinstance(found := place.get("choices"), list):
            return [mapping(choice) for choice in found[:MOST_IMAGES]]
    return None


def _texts(content: Any) -> Iterator[str]:
    for part in content if isinstance(content, list) else [content]:
        said = part.get("text") if isinstance(part, dict) else part
        if isinstance(said, str):
            yield said


def _error(choices: list[Mapping[str, Any]]) -> TaskError:
    """Why a whole answer holds no image: the model refused, or it only talked. Its words are all there is to explain that."""
    messages = [mapping(choice.get("message")) for choice in choices]
    words = [said for message in messages for said in (message.get("refusal"), *_texts(message.get("content")))]
    said = (first_text(*words) or "")[:_WORDS_READ]
    ended = first_text(*(choice.get("finish_reason") for choice in choices)) or ""
    refused = any(text(message.get("refusal")) for message in messages) or is_policy(ended.lower(), said)
    return TaskError(
        code="content_rejected" if refused else "no_output",
        message="the upstream refused the content" if refused else "the upstream answered without an image",
        charged="unknown" if refused else "yes",
        upstream_code=redact(ended, MESSAGE_CAP) or None,
        upstream_message=redact(said, MESSAGE_CAP) or None,
    )
