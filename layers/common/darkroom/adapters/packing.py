"""A request as few bytes: above a kilobyte, and in a row of its own, every one of them is paid for."""

import base64
import json
import zlib
from typing import Any

from darkroom.domain.attempts import Alternative
from darkroom.domain.task import Request

_ALTERNATIVE = ("upstream", "model", "route", "wire_model", "input")

_WORDS = (
    b" that there their this from not no an are is as at on by for to its it behind between against under over into out of "
    b"photorealistic photograph illustration watercolor painting portrait landscape product shot close-up wide angle cinematic "
    b"lighting soft light, natural light, golden hour, shallow depth of field, bokeh, 35mm lens, highly detailed high quality "
    b"background white blue red green black yellow colours colors minimalist style of a in the style of small large old young "
    b"woman man child people city street house table window water sky clouds mountain forest tree flower letters text title "
    b"logo without any with a with the and a and the in the on the of the of a to the at the from the "
    b'"google/nano-banana-2","flux-2-pro","seedream-4.5/text-to-image","gpt-image-2/image-to-image","size":"1024x1024","n":1,'
    b'"output_format":"png","quality":"high","auto","medium","low","image_urls":["https://","negative_prompt":"","seed":'
    b'"pixapi","route":"ext","w":"","a":[["hiapi","{"input":{"aspect_ratio":"16:9","3:4","4:3","9:16","1:1","prompt":"a '
    b'","resolution":"4K","2K","1K"},"metadata":{"order":"},"o":"https://.execute-api.eu-west-1.amazonaws.com"}\0{"callback":{"url":'
    b'"https://.execute-api.us-east-1.amazonaws.com/v1/callbacks/hiapi/task_01/.1.","when":"final"},"input":{"aspect_ratio":"1:1",'
    b'"prompt":"","resolution":"1K"},"model":"gpt-image-2/text-to-image"}'
)
"""What requests often hold. Never to be changed: rows are packed with it. Another one goes beside it, and `unpack` tries both."""


def pack(request: Request) -> bytes:
    """JSON, a zero byte (which JSON cannot hold), and the frozen body as it is; an input that it holds is not said twice."""
    facts: dict[str, Any] = {"metadata": request.metadata} | _plan(request)
    if _text(_input_in(request.body)) != _text(request.input):
        facts["input"] = request.input
    # JSON may say half a surrogate pair; UTF-8 may not.
    content = _text(facts).encode("utf-8", "surrogatepass") + b"\0" + request.body
    packing = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_DEFAULT_STRATEGY, _WORDS)
    return packing.compress(content) + packing.flush()


def unpack(packed: bytes) -> Request:
    """The request, also one that an older version packed."""
    content = zlib.decompressobj(zdict=_WORDS).decompress(packed)
    text, behind, body = content.partition(b"\0")
    facts = json.loads(text.decode("utf-8", "surrogatepass"))
    return Request(
        input=facts["input"] if "input" in facts else _input_in(body),
        body=body if behind else _older_body(facts),
        metadata=facts["metadata"],
        wire_model=facts.get("w", ""),
        alternatives=tuple(Alternative(**dict(zip(_ALTERNATIVE, one, strict=True))) for one in facts.get("a", ())),
        origin=facts.get("o"),
    )


def _text(facts: Any) -> str:
    return json.dumps(facts, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _input_in(body: bytes) -> Any:
    """The `input` of the upstream's body; None where it has none."""
    try:
        said = json.loads(body)
    except ValueError:
        return None
    return said.get("input") if isinstance(said, dict) else None


def _plan(request: Request) -> dict[str, Any]:
    """What further attempts need, in few bytes; a row of an older version has none of it."""
    alternatives = [[getattr(one, name) for name in _ALTERNATIVE] for one in request.alternatives]
    facts = {"w": request.wire_model, "a": alternatives, "o": request.origin}
    return {name: value for name, value in facts.items() if value}


def _older_body(facts: dict[str, Any]) -> bytes:
    """An older version kept the body inside the JSON."""
    return facts["body"].encode() if "body" in facts else base64.b64decode(facts["body64"])
