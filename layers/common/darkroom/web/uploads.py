"""POST /v1/uploads: an address in the bucket for a reference image, and what a task's uploads must be."""

from darkroom.catalogue.choosing import Understood
from darkroom.usecases.check_uploads import check_uploads
from darkroom.usecases.make_upload import Upload, make_upload
from darkroom.web.answers import PRIVATE, Answer, json_answer, rfc3339
from darkroom.web.bodies import read_object
from darkroom.web.call import Call
from darkroom.web.problems import InputFault, Problem
from darkroom.web.requests import UploadRequest, read_body


def create_upload(call: Call) -> Answer:
    """A presigned PUT for one image; nothing is stored until somebody uses it."""
    wanted, faults = read_body(UploadRequest, read_object(call.request))
    if wanted is None:
        raise Problem("invalid_request", "no upload can be made of this", faults=faults)
    services = call.services
    upload = make_upload(
        owner=call.caller.owner,
        content_type=wanted.content_type,
        size=wanted.size,
        now=services.clock(),
        fresh=services.fresh,
        bucket=services.bucket,
    )
    call.facts["upload"] = upload.id
    return json_answer(201, _shown(upload), PRIVATE)


def upload_faults(call: Call, understood: Understood) -> list[InputFault]:
    """What is wrong with the uploads that an input names; raises StorageUnavailable."""
    references = understood.choice.route.references
    if references is None or not understood.uploads:
        return []
    services = call.services
    complaints = check_uploads(
        understood.uploads,
        owner=call.caller.owner,
        largest=references.largest,
        largest_pixels=references.largest_pixels,
        as_data=references.uploads_as_data,
        now=services.clock(),
        bucket=services.bucket,
    )
    return [InputFault("pointer", place, detail) for place, detail in complaints]


def _shown(upload: Upload) -> dict[str, object]:
    return {
        "object": "upload",
        "id": upload.id,
        "content_type": upload.content_type,
        "size": upload.size,
        "method": "PUT",
        "url": upload.url,
        "headers": dict(upload.headers),
        "put_until": rfc3339(upload.put_until),
        "expires_at": rfc3339(upload.expires_at),
    }
