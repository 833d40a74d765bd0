"""GET /healthz and /openapi.json: for whoever has no key yet."""

from pathlib import Path

from darkroom.web.answers import Answer, json_answer
from darkroom.web.call import Call

OPENAPI = Path(__file__).with_name("openapi.json")


def healthz(call: Call) -> Answer:
    """The function runs and knows its settings; nothing else is asked."""
    return json_answer(200, {"status": "ok", "stage": call.services.settings.stage}, {"Cache-Control": "no-store"})


def openapi(_: Call) -> Answer:
    """This API, described."""
    return Answer(status=200, body=OPENAPI.read_text("utf-8"), headers={"Cache-Control": "public, max-age=300"})
