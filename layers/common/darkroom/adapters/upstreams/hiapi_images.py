"""HiAPI's OpenAI-style Images API: one POST, which answers with the images. Legacy at HiAPI, and never the default route."""

from collections.abc import Mapping
from typing import Any

from darkroom.adapters.upstreams.hiapi import IN_FLIGHT, KEY_FIELD, PER_MINUTE
from darkroom.adapters.upstreams.immediate import ANSWERS_WITHIN_S, Immediate, Result
from darkroom.adapters.upstreams.openai_images import images_body, images_result
from darkroom.ports import Promises


class HiApiImages(Immediate):
    """`POST /v1/images/generations` (HiAPI docs, image generation). Some models always answer in base64."""

    name = "hiapi_images"
    # How long a URL lives, nobody says.
    promises = Promises(synchronous=True, answers_within_s=ANSWERS_WITHIN_S, in_flight=IN_FLIGHT, per_minute=PER_MINUTE)
    path = "/v1/images/generations"
    key_field = KEY_FIELD

    def body_of(self, model: str, input: Mapping[str, Any]) -> Mapping[str, Any]:
        return images_body(model, input)

    def result_of(self, doc: Mapping[str, Any]) -> Result | None:
        return images_result(doc)
