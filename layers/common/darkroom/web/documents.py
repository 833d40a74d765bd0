"""What the API answers with, as pydantic models: read by the OpenAPI document only, so that no function pays for them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from darkroom.web.problems import KINDS

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"}, description="RFC 3339, UTC, milliseconds.")]
Charged = Annotated[Literal["yes", "no", "unknown"], Field(description="Whether the upstream bills it.")]
Count = Annotated[int, Field(ge=0)]
Size = Annotated[int, Field(ge=1)]


class Document(BaseModel):
    """Base of what is documented."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class UpstreamError(Document):
    """What the upstream said, for a support ticket."""

    code: str | None
    message: str | None
    request_id: str | None
    last_body: str | None
    """Its last answer, capped and without URL queries; null in lists."""


class TaskError(Document):
    """Why there is no (complete) picture."""

    code: str
    """upstream_auth, upstream_quota, upstream_rate_limited, upstream_unavailable, model_unavailable, content_rejected,
    generation_failed, no_output, storage_failed, output_expired, output_incomplete, deadline_exceeded, submission_outcome_unknown
    or canceled."""
    message: str
    retryable: str
    """no, later or manual: whether a new try makes sense."""
    charged: Charged
    upstream: UpstreamError | None


class Image(Document):
    """A picture in the bucket."""

    object: Literal["image"]
    id: str
    task: str
    index: Count
    url: str
    """Redirects to the bytes."""
    content_type: Literal["image/png", "image/jpeg", "image/webp", "image/avif", "image/gif"]
    bytes: Size
    width: Size | None
    """In pixels, as is `height`; null: the file does not tell it."""
    height: Size | None
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    late: bool
    """It came after the task had expired."""
    created_at: Time


class Upload(Document):
    """A place for one reference image: PUT its bytes to `url`, with exactly these `headers`."""

    object: Literal["upload"]
    id: str
    """For `input.images` of a task: `[{"upload": "upl_…"}]`."""
    content_type: Literal["image/png", "image/jpeg", "image/webp"]
    size: Annotated[int, Field(ge=1)]
    method: Literal["PUT"]
    url: str
    """Takes the bytes once, from anybody who knows it: no key goes along."""
    headers: dict[str, str]
    put_until: Time
    """Until then the bytes have to be there."""
    expires_at: Time
    """Until then it may be named in a new task."""


class Attempt(Document):
    """One submission to an upstream, under a key of its own."""

    attempt: Annotated[int, Field(ge=1)]
    kind: Literal["first", "automatic_retry", "fallback"]
    """automatic_retry: the one before failed, which cost nothing; fallback: it was refused before any work, and the preset's next
    model serves instead."""
    upstream: str
    model: str
    route: str | None
    sent_at: Time | None
    ended_at: Time | None
    outcome: str | None
    """succeeded, or the code of its error; null while it is open."""
    charged: Charged | None
    """Null while it is open."""


class Links(Document):
    """What can be done next; a link is there while it can."""

    self: str
    cancel: str | None = None
    retry: str | None = None


class Task(Document):
    """One picture being made, or made."""

    object: Literal["task"]
    id: str
    status: Literal["queued", "running", "succeeded", "failed", "canceled", "expired"]
    phase: str
    """Where exactly it is, for people; more may be added."""
    version: Annotated[int, Field(ge=1)]
    kind: Literal["first", "user_rerun"]
    preset: str | None
    """With its version, such as `poster@1`."""
    upstream: str
    model: str
    route: str | None
    """What the upstream was told of a route; null: nothing."""
    upstream_task_id: str | None
    """The present attempt's, as are upstream, model and route."""
    user: str | None
    metadata: dict[str, str]
    attempt: Annotated[int, Field(ge=1)]
    attempts: Annotated[list[Attempt], Field(min_length=1)]
    """Oldest first; the last one is the present one. At most one of them is charged, unless the upstream breaks its word."""
    max_auto_retries: Count
    """How often a failure that cost nothing is tried again by itself."""
    cancel_requested: bool
    retry_of: str | None
    settled_by: Literal["callback", "poll", "create", "deadline", "cancel"] | None
    """Who brought the news that decided it."""
    images: list[Image]
    outputs_missing: list[str]
    """Why further outputs of the same success are not among `images`, in a few words each; empty: all are there."""
    error: TaskError | None
    timeout_s: int
    created_at: Time
    submitted_at: Time | None
    terminal_at: Time | None
    deadline_at: Time | None
    """Null until the upstream has accepted it."""
    links: Links


class _Page(Document):
    has_more: bool
    next_cursor: str | None


class TaskList(_Page):
    """Newest first; a page may be short, or empty, and still have more."""

    data: list[Task]


class ReferenceImages(Document):
    """How a route takes reference images."""

    field: str
    """The model's own field; `images` serves every model that takes any."""
    most: Annotated[int, Field(ge=1)]
    takes: list[Literal["url", "data"]]
    """Addresses, `data:` URIs, or both. Uploads can be named everywhere."""
    largest_bytes: int | None
    """Of one image; null: nobody says."""
    largest_pixels: int | None
    """Width times height of one image; null: nobody says."""


class ModelRoute(Document):
    """One way to a model."""

    name: str
    default: bool
    upstream: str
    available: bool
    """Whether this deployment has the upstream."""
    size_form: str
    """How the upstream is told the size: `aspect_ratio + resolution`, one of them, `WxH`, `W*H` or `none`."""
    images: ReferenceImages | None
    neutral: dict[str, str]
    """The neutral fields that it can serve, and the model's own field that each becomes."""
    input_schema: dict[str, Any]
    """The JSON Schema (2020-12) of `input`, in neutral fields and in the model's own."""


class Model(Document):
    """A model that may be asked for."""

    object: Literal["model"]
    id: str
    upstream: str
    """The default route's."""
    kind: str
    status: Literal["current", "legacy"]
    confidence: Literal["high", "medium", "low"]
    """How well its facts are known."""
    replaced_by: str | None
    aliases: list[str]
    available: bool
    """Whether this deployment can reach it by any of its routes."""
    routes: list[ModelRoute]


class RetiredModel(Document):
    """A model that may no longer be asked for."""

    id: str
    replaced_by: str
    """What to ask for instead."""


class ModelList(_Page):
    """All models that are not retired, and what replaces those that are."""

    data: list[Model]
    retired: list[RetiredModel]


class PresetFallback(Document):
    """What may serve a preset instead, with defaults of its own."""

    model: str
    route: str
    defaults: dict[str, Any]


class Preset(Document):
    """A purpose, and what serves it now."""

    object: Literal["preset"]
    id: str
    name: str
    version: Annotated[int, Field(ge=1)]
    newest: bool
    """Whether the bare name means this version."""
    summary: str
    model: str
    route: str
    available: bool
    """Whether this deployment has its upstream."""
    defaults: dict[str, Any]
    overrides: list[str]
    """The fields of `input` that a request may set."""
    fallbacks: list[PresetFallback]
    """What may serve it instead, in this order."""
    timeout_s: int
    """Holds where a request names none: the preset's own, otherwise the deployment's."""
    input_schema: dict[str, Any]


class PresetList(_Page):
    """All presets that the key may ask for, in each version that is kept."""

    data: list[Preset]


class Key(Document):
    """What is kept of an API key."""

    object: Literal["key"]
    id: str
    owner: str
    scopes: list[Literal["tasks:write", "tasks:read", "admin"]]
    presets: list[str] | None
    """All that it may ask for, by name or id; null: everything."""
    name: str | None
    hint: str
    """Its last four characters."""
    created_at: Time
    revoked_at: Time | None


class NewKey(Key):
    """A key, shown this once."""

    key: str


class KeyList(_Page):
    """All keys, oldest first."""

    data: list[Key]


class ShutOff(Document):
    """A model, or a whole account, that is left alone because it was in trouble."""

    model: str | None
    """As upstream/model; null: the whole account is paused, because the upstream refuses its key or credit."""
    owner: str | None
    """For whom alone it is left alone, since it failed only for them; null: for everybody."""
    since: Time
    why: str
    """As a task's error code says it, or no_clear_answer."""
    probe_at: Time
    """From then on one task tries whether it is back."""


class UpstreamAccount(Document):
    """An account at an upstream, as it is just now."""

    object: Literal["upstream_account"]
    id: str
    in_flight: Count
    """Tasks that hold a slot."""
    in_flight_limit: Count
    """How many may, now."""
    in_flight_configured: Count
    waiting: Count
    """Tasks that wait for a slot; of very many, 500 are counted."""
    requests: Count
    """Of the last minute."""
    requests_limit: Count
    """How many may be made in any minute, now."""
    requests_configured: Count
    not_before: Time | None
    """The upstream asked not to be asked before; null: it may be asked."""
    shut: list[ShutOff]
    """What is left alone just now; its tasks wait."""


class UpstreamAccountList(_Page):
    """All accounts that tasks can be made for."""

    data: list[UpstreamAccount]


class Reconciled(Document):
    """What one sweep did."""

    looked_at: Count
    moved: Count


class Redriven(Document):
    """How many dead letters went back to the queue."""

    moved: Count


class Health(Document):
    """The function runs."""

    status: Literal["ok"]
    stage: str


class CallbackAnswer(Document):
    """What became of a delivery."""

    received: bool | None = None
    duplicate: bool | None = None
    ignored: str | None = None
    hint: str | None = None


class CallbackProblem(Document):
    """Why a delivery was not taken."""

    code: str
    status: int
    detail: str


class CallbackRetry(Document):
    """Deliver it again: our storage was away."""

    retry: Literal[True]


class GatewayMessage(Document):
    """Said by the gateway in front of the API, which has a notation of its own."""

    message: str


class Fault(Document):
    """One fault of a request: in the body, the query or a header."""

    pointer: str | None = None
    """JSON pointer (RFC 6901) into the body."""
    parameter: str | None = None
    header: str | None = None
    detail: str


class Problem(Document):
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: Annotated[str, Field(json_schema_extra={"enum": sorted(KINDS)})]
    request_id: str
    retryable: Literal["no", "same", "later", "manual"]
    """same: send it again as it is; later: again when something has changed; manual: look first."""
    errors: list[Fault] | None = None
    """Every fault that was found."""
