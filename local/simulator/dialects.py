"""How each API words what it refuses: its envelope and its codes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from local.simulator.envelopes import Refusal, refusal_answer
from local.simulator.messages import Answer, Refused, Request

OK_BUT_NOT = 200


@dataclass(frozen=True)
class Dialect:
    """An API's name, its usual envelope, and its codes: for an unknown task, for HiAPI's own, for a status that comes without."""

    api: str
    envelope: str = "E-a"
    no_task: str | None = None
    translations: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[int, str] = field(default_factory=dict)

    def code(self, status: int, code: str | None) -> str | None:
        """The API's own code."""
        return self.translations.get(code or "", code) or self.words.get(status)

    def envelope_of(self, usual: str) -> str:
        """The envelope for what HiAPI's tasks say in `usual`."""
        return usual if self.envelope == "E-a" else self.envelope

    def refused_answer(self, refused: Refused, request_id: str = "") -> Answer:
        """What the API answers when it says no by itself."""
        code = self.code(refused.status, refused.error_code)
        return refusal_answer(Refusal(refused.status, refused.message, code, self.envelope, request_id), refused.headers)

    def bad_key_answer(self, request: Request, *, as_200: bool) -> Answer:
        """401, or HTTP 200 with the error in the body: clients have met both (HiAPI docs, authentication; guides)."""
        if as_200:
            envelope = "E-b" if self.envelope == "E-a" else self.envelope
            code = self.code(OK_BUT_NOT, "permission_denied")
            return refusal_answer(Refusal(OK_BUT_NOT, "API key is invalid", code, envelope, request.id))
        return refusal_answer(Refusal(401, "API key is missing or invalid", self.words.get(401), self.envelope, request.id))


HIAPI = Dialect("hiapi")
