"""A sixth upstream's adapter, as somebody would write it who has read docs/adding-an-upstream.md."""

from collections.abc import Mapping
from typing import Any

from darkroom.adapters.upstreams.immediate import Immediate, Result
from darkroom.adapters.upstreams.openai_images import images_result
from darkroom.ports import Promises


class Easel(Immediate):
    """`POST /v1/paint` (Easel docs, painting)."""

    name = "easel"
    # There are three easels, and a painting hangs for an hour (Easel docs, studio).
    promises = Promises(synchronous=True, in_flight=3, outputs_kept_s=3600)
    path = "/v1/paint"
    key_field = "easel_api_key"

    def body_of(self, model: str, input: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"brush": model, "words": input["prompt"]}

    def result_of(self, doc: Mapping[str, Any]) -> Result | None:
        return images_result(doc)
