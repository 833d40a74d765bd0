"""Keep what an upstream said last, for a support ticket."""

from contextlib import suppress

from darkroom.domain.redact import redact
from darkroom.errors import StorageUnavailable
from darkroom.ports import EVIDENCE_CHARACTERS, Evidence, Tasks


def keep_evidence(
    task_id: str,
    raw: bytes,
    *,
    source: str,
    status: int | None,
    request_id: str | None,
    now: float,
    tasks: Tasks,
    kept_as: str | None = None,
) -> None:
    """Replace the task's evidence by the answer `raw`; no task stays open because this could not be written.

    `kept_as`: the key in the bucket under which all of the answer lies.
    """
    body = redact(raw.decode("utf-8", errors="replace"), EVIDENCE_CHARACTERS)
    evidence = Evidence(body=body, at=now, source=source, status=status, request_id=request_id, kept_as=kept_as)
    with suppress(StorageUnavailable):
        tasks.keep_evidence(task_id, evidence)
