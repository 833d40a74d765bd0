"""The bodies that callers send, as pydantic models, and their faults in our own words."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from darkroom.catalogue.faults import pointer
from darkroom.domain.uploads import LARGEST
from darkroom.settings import MOST_AUTO_RETRIES
from darkroom.usecases.make_key import MOST_PRESETS, NAME_LENGTH, OWNER, PRESET
from darkroom.web.problems import InputFault

MAX_PAIRS = 16

Name = Annotated[str, Field(max_length=40)]
Value = Annotated[str, Field(max_length=500)]
Scope = Literal["tasks:write", "tasks:read", "admin"]
PresetName = Annotated[str, Field(pattern=PRESET.replace(r"(?!\n)", ""))]


def _few_pairs(given: Any) -> Any:
    """Refuse too many pairs before any of them is read."""
    if isinstance(given, dict) and len(given) > MAX_PAIRS:
        raise PydanticCustomError("too_long", "too many pairs", {"max_length": MAX_PAIRS, "actual_length": len(given)})
    return given


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class TaskRequest(_Body):
    """One picture to be made: `input` for a `preset`, or for a `model` with or without its `route`."""

    preset: Annotated[str, Field(description="A purpose, such as `poster` or `poster@1`.")] | None = None
    model: Annotated[str, Field(description="A model by its id or a documented alias.")] | None = None
    route: Annotated[str, Field(description="One of the model's routes; without it the default one.")] | None = None
    input: dict[str, Any]
    user: Annotated[str, Field(max_length=128, description="Your own user, for your own lists.")] | None = None
    metadata: Annotated[dict[Name, Value], Field(max_length=MAX_PAIRS), BeforeValidator(_few_pairs)] | None = None
    timeout_s: Annotated[int, Field(ge=60, le=86_400, description="Seconds from submission until it expires.")] | None = None
    max_auto_retries: (
        Annotated[
            int,
            Field(
                ge=0,
                le=MOST_AUTO_RETRIES,
                description="How often a failure that cost nothing is tried again by itself; without it the deployment's number.",
            ),
        ]
        | None
    ) = None


class KeyRequest(_Body):
    """A key to be made for an owner."""

    owner: Annotated[str, Field(pattern=OWNER.replace(r"(?!\n)", ""), description="The application or tenant that will use it.")]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=3, strict=True)]
    name: Annotated[str, Field(min_length=1, max_length=NAME_LENGTH, description="For people.")] | None = None
    presets: (
        Annotated[
            list[PresetName],
            Field(
                min_length=1,
                max_length=MOST_PRESETS,
                description="All that it may ask for, by name (every version) or by id (that one); without it everything.",
            ),
        ]
        | None
    ) = None


class UploadRequest(_Body):
    """A reference image that is about to be uploaded."""

    content_type: Annotated[Literal["image/png", "image/jpeg", "image/webp"], Field(description="What the bytes really are.")]
    size: Annotated[int, Field(ge=1, le=LARGEST, description="Exactly so many bytes.")]


B = TypeVar("B", bound=_Body)


def read_body(kind: type[B], content: Mapping[str, Any]) -> tuple[B | None, list[InputFault]]:
    """The body as `kind`, or None and every fault of it."""
    try:
        return kind.model_validate(content), []
    except ValidationError as error:
        known = ", ".join(kind.model_fields)
        return None, [_fault(one, known) for one in error.errors(include_url=False, include_input=False)]


def _fault(error: Mapping[str, Any], known: str) -> InputFault:
    # pydantic marks a fault of a name, not of its value, with a step of its own.
    path = [step for step in error["loc"] if step != "[key]"]
    return InputFault("pointer", pointer(*path), _say(error, known))


def _say(error: Mapping[str, Any], known: str) -> str:
    facts = error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            return f"unknown field; this takes {known}"
        case "missing":
            return "is required"
        case "string_type":
            return "must be a text"
        case "int_type":
            return "must be a whole number"
        case "dict_type":
            return "must be an object"
        case "list_type":
            return "must be a list"
        case "literal_error":
            return f"must be one of {str(facts['expected']).replace(' or ', ', ')}"
        case "string_too_long" if error["loc"][-1] == "[key]":
            return f"a name has at most {facts['max_length']} characters"
        case "string_too_long":
            return f"must have at most {facts['max_length']} characters"
        case "string_too_short":
            return f"must have at least {facts['min_length']} characters"
        case "too_long":
            return f"must have at most {facts['max_length']} entries; it has {facts['actual_length']}"
        case "too_short":
            return f"must have at least {facts['min_length']} entries"
        case "greater_than_equal":
            return f"must be at least {facts['ge']}"
        case "less_than_equal":
            return f"must be at most {facts['le']}"
        case "string_pattern_mismatch" if "presets" in error["loc"]:
            return "must name a preset, such as poster or poster@1"
        case "string_pattern_mismatch":
            return "must have 1 to 64 letters, digits, dots, dashes or underscores, the first one a letter or digit"
        case _:
            return str(error["msg"])
