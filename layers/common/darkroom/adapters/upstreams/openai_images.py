"""The form of OpenAI's Images API, which HiAPI and Pixapi share: one flat object there, a list `data` back."""

from collections.abc import Mapping
from typing import Any

from darkroom.adapters.upstreams.images import find_images, has_results
from darkroom.adapters.upstreams.immediate import Result


def images_body(model: str, input: Mapping[str, Any]) -> dict[str, Any]:
    """The request: the input's own fields (`prompt`, `n`, `size`, `quality`, `response_format`, …) beside the model."""
    return {**input, "model": model}


def images_result(doc: Mapping[str, Any]) -> Result | None:
    """The images by URL or as base64; an empty list is a success without an image."""
    found = find_images(doc)
    return Result(images=found.outputs, missing=found.missing) if found.outputs or has_results(doc) else None
