"""What upstreams have in common that never call back."""

from collections.abc import Mapping
from typing import ClassVar

from darkroom.errors import SignatureRejected
from darkroom.ports import Heard


class NeverCallsBack:
    """The part of `Upstream` that hears nothing."""

    name: ClassVar[str]

    def hear(self, headers: Mapping[str, str], raw: bytes, *, attempt: int, now: float) -> Heard:  # noqa: ARG002  (the port's)
        """Raises SignatureRejected: whoever calls back, it is not this upstream."""
        raise SignatureRejected(f"the upstream {self.name} never calls back")
