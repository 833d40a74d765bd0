"""Pixapi's synchronous Images API: one POST, which answers minutes later with the images."""

from collections.abc import Mapping
from typing import Any

from darkroom.adapters.upstreams.complaints import Complaint
from darkroom.adapters.upstreams.http import Answer
from darkroom.adapters.upstreams.immediate import ANSWERS_WITHIN_S, Immediate, Result
from darkroom.adapters.upstreams.openai_images import images_body, images_result
from darkroom.adapters.upstreams.pixapi_errors import complaint_of
from darkroom.adapters.upstreams.pixapi_tasks import KEY_FIELD
from darkroom.ports import Promises


class PixapiImages(Immediate):
    """`POST /v1/images/generations` (Pixapi docs, API reference)."""

    name = "pixapi_images"
    # No key, callback, cancelling, rate limit or lifetime of a URL is documented anywhere.
    promises = Promises(synchronous=True, answers_within_s=ANSWERS_WITHIN_S)
    path = "/v1/images/generations"
    key_field = KEY_FIELD

    def body_of(self, model: str, input: Mapping[str, Any]) -> Mapping[str, Any]:
        return images_body(model, input)

    def complaint_of(self, answer: Answer, doc: Mapping[str, Any] | None) -> Complaint:
        return complaint_of(answer, doc)

    def result_of(self, doc: Mapping[str, Any]) -> Result | None:
        return images_result(doc)
