"""One neutral input for every model: mapped to its own fields, or refused in the words that the caller used."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from darkroom.catalogue.choosing import Choice, NotOffered, choose_again, choose_model, choose_preset
from darkroom.catalogue.load import load_catalogue

CATALOGUE = load_catalogue()
GPT, EDIT, QWEN = "gpt-image-2/text-to-image", "gpt-image-2/image-to-image", "qwen-image-2.0"
PRO = "gpt-image-2.5-flare@pro"
HERE, THERE = "https://a.example/1.png", "https://a.example/2.png"
DATA = "data:image/png;base64,iVBORw0KGgo="
UPLOAD = "upl_01M7WD7TG000000000000EXAMP"
AT_SENDING, INSIDE = f"upload:url/{UPLOAD}", f"upload:data/{UPLOAD}"


def everything(_: str) -> bool:
    return True


def chosen(name: str, route: str | None = None) -> Choice:
    return choose_model(CATALOGUE, name, route, offered=everything)


def taken(name: str, route: str | None = None, **given: Any) -> dict[str, Any]:
    """What is sent to the model beside the prompt."""
    understood = chosen(name, route).understand({"prompt": "a kite"} | given)
    assert understood.faults == ()
    return {field: value for field, value in understood.input.items() if field != "prompt"}


def refusal(name: str, route: str | None = None, **given: Any) -> dict[str, str]:
    faults = chosen(name, route).understand({"prompt": "a kite"} | given).faults
    return {fault.pointer: fault.detail for fault in faults}


@pytest.mark.parametrize(
    ("name", "route", "given", "own"),
    [
        (GPT, None, {"aspect_ratio": "9:16", "resolution": "2K"}, {"aspect_ratio": "9:16", "resolution": "2K"}),
        (QWEN, None, {"aspect_ratio": "16:9"}, {"size": "2688*1536"}),
        (QWEN, None, {"resolution": "2K"}, {"size": "2048*2048"}),
        (QWEN, None, {"seed": 7, "negative_prompt": "text"}, {"seed": 7, "negative_prompt": "text"}),
        (QWEN, "images", {"aspect_ratio": "16:9"}, {"size": "1792x1024"}),
        (GPT, "beta", {"aspect_ratio": "16:9", "resolution": "4K"}, {"size": "3840x2160"}),
        (GPT, "beta", {"aspect_ratio": "auto"}, {"size": "auto"}),
        (PRO, None, {"aspect_ratio": "16:9"}, {"aspect_ratio": "16:9"}),
        (PRO, None, {"aspect_ratio": "16:9", "resolution": "2K"}, {"aspect_ratio": "2048x1152"}),
        (PRO, None, {"resolution": "2K"}, {"aspect_ratio": "2048x2048"}),
        (PRO, None, {"aspect_ratio": "1536x1024"}, {"aspect_ratio": "1536x1024"}),
        ("pixapi/gpt-image-2", None, {"aspect_ratio": "4:3", "resolution": "2K"}, {"size": "2048x1536"}),
        ("Nano-Banana", None, {"output_format": "jpg"}, {"output_format": "jpeg"}),
        ("Nano-Banana-2", None, {"output_format": "jpeg"}, {"output_format": "jpg"}),
        ("Nano-Banana-2", None, {"output_format": "jpg"}, {"output_format": "jpg"}),
        ("Nano-Banana", "chat", {"aspect_ratio": "1:1", "resolution": "1K"}, {"aspect_ratio": "1:1", "image_size": "1K"}),
        ("seedream-5.0-pro/text-to-image", None, {"aspect_ratio": "1:1", "quality": "low"}, None),
        (EDIT, None, {"images": [{"url": HERE}, {"url": THERE}]}, {"input_urls": [HERE, THERE]}),
        (EDIT, "ext", {"images": [HERE], "quality": "low"}, {"image_urls": [HERE], "quality": "low"}),
        ("Nano-Banana-Pro", None, {"images": []}, {"image_input": []}),
        ("gpt-image-2.5-sunburst/image-to-image", None, {"images": [DATA, {"url": HERE}]}, {"image_urls": [DATA, HERE]}),
        ("grok-imagine-image-2.0/image-to-image", None, {"images": [{"url": HERE}]}, {"image": HERE}),
        ("flux-1.1-pro", None, {"images": [{"url": HERE}]}, {"image_prompt": HERE}),
        ("gpt-image-2.5-flare/image-to-image", None, {"images": [{"url": DATA}]}, {"image_urls": [DATA]}),
        (EDIT, None, {"images": [{"upload": UPLOAD}, {"url": HERE}, UPLOAD]}, {"input_urls": [AT_SENDING, HERE, AT_SENDING]}),
        (EDIT, None, {"input_urls": [HERE, UPLOAD]}, {"input_urls": [HERE, AT_SENDING]}),
        (EDIT, None, {"input_urls": [INSIDE]}, {"input_urls": [AT_SENDING]}),
        ("flux-1.1-pro", None, {"images": [{"upload": UPLOAD}]}, {"image_prompt": AT_SENDING}),
        ("flux-1.1-pro", None, {"image_prompt": UPLOAD}, {"image_prompt": AT_SENDING}),
        ("Nano-Banana-2", None, {"images": [{"upload": UPLOAD}]}, {"image_input": [AT_SENDING]}),
    ],
)
def test_the_neutral_fields_become_the_models_own(
    name: str, route: str | None, given: dict[str, Any], own: dict[str, Any] | None
) -> None:
    assert taken(name, route, **given) == (own or {"aspect_ratio": "1:1", "quality": "basic"})


def test_a_model_without_a_prompt_takes_its_image_alone() -> None:
    understood = chosen("851-labs/background-remover").understand({"images": [{"url": HERE}]})

    assert (understood.input, understood.faults) == ({"image_url": HERE}, ())


def test_the_models_own_names_may_be_used_as_they_are() -> None:
    assert taken(QWEN, size="2688*1536", watermark=False) == {"size": "2688*1536", "watermark": False}
    assert taken(EDIT, input_urls=[HERE]) == {"input_urls": [HERE]}
    assert taken("pixapi/gpt-image-2", size="1040x1040", n=2) == {"size": "1040x1040", "n": 2}


@pytest.mark.parametrize(
    ("name", "route", "given", "pointer", "says"),
    [
        # What it cannot do is said, with what it can.
        (GPT, None, {"seed": 7}, "/input/seed", "takes no seed; it takes prompt, aspect_ratio, resolution, background"),
        (GPT, None, {"images": [HERE]}, "/input/images", f"takes no images; {EDIT} does; it takes"),
        (GPT, "chat", {"aspect_ratio": "1:1"}, "/input/aspect_ratio", "takes no aspect_ratio; it takes prompt"),
        # Nobody documents references for a chat, not even of models whose other route takes them.
        ("Nano-Banana-Pro", "chat", {"images": [HERE]}, "/input/images", "takes no images; it takes prompt"),
        ("Nano-Banana", None, {"images": [HERE]}, "/input/images", "Nano-Banana takes no images; it takes prompt"),
        ("851-labs/background-remover", None, {"images": [HERE]}, "/input/prompt", "takes no prompt; it takes images"),
        # Sizes that it does not come in.
        (QWEN, None, {"aspect_ratio": "3:2"}, "/input/aspect_ratio", "must be one of 1:1, 16:9, 9:16, 4:3, 3:4"),
        (QWEN, None, {"aspect_ratio": ["1:1"]}, "/input/aspect_ratio", "must be one of 1:1"),
        (QWEN, None, {"aspect_ratio": "1:1", "resolution": "1K"}, "/input/resolution", "must be one of 2K"),
        (QWEN, None, {"resolution": 2}, "/input/resolution", "must be one of 2K"),
        (PRO, None, {"aspect_ratio": "9:16", "resolution": "1K"}, "/input/resolution", "2K, 4K; that is what there is in 9:16"),
        (PRO, None, {"aspect_ratio": "auto", "resolution": "1K"}, "/input/aspect_ratio", "must be one of 1:1, 3:2"),
        # One thing said twice.
        (QWEN, None, {"aspect_ratio": "1:1", "size": "2048*2048"}, "/input/size", "says the same as aspect_ratio"),
        (QWEN, None, {"size": "2048*2048", "resolution": "2K"}, "/input/size", "says the same as resolution"),
        (EDIT, None, {"input_urls": [HERE], "images": [HERE]}, "/input/input_urls", "says the same as images"),
        ("Nano-Banana", "chat", {"image_size": "1K", "resolution": "1K"}, "/input/image_size", "says the same as resolution"),
        # Values.
        ("Nano-Banana-2", None, {"output_format": "webp"}, "/input/output_format", "must be one of png, jpg, jpeg"),
        ("Nano-Banana", "chat", {"resolution": "4K"}, "/input/resolution", "must be one of 1K"),
        (
            "seedream-5.0-pro/text-to-image",
            None,
            {"aspect_ratio": "1:1", "quality": "medium"},
            "/input/quality",
            "must be one of basic, high, low",
        ),
        # Reference images.
        (EDIT, None, {}, "/input/images", "is required"),
        (EDIT, None, {"images": HERE}, "/input/images", "must be a list of"),
        (EDIT, None, {"images": []}, "/input/images", "must have at least 1 entries; it has 0"),
        (EDIT, None, {"images": [HERE] * 6}, "/input/images", "must have at most 5 entries; it has 6"),
        (EDIT, None, {"images": [7]}, "/input/images/0", 'must be {"url": …}'),
        (EDIT, None, {"images": [{"uri": HERE}]}, "/input/images/0", 'must be {"url": …}'),
        (EDIT, None, {"images": [{"url": HERE}, {"url": "ftp://a.example/1"}]}, "/input/images/1/url", "an https address"),
        (EDIT, None, {"images": ["https://user:pass@a.example/1"]}, "/input/images/0", "without credentials"),
        (EDIT, None, {"images": ["https://[half"]}, "/input/images/0", "an https address"),
        (EDIT, None, {"images": ["http://a.example/1.png"]}, "/input/images/0", "an https address"),
        (EDIT, None, {"images": ["https://169.254.169.254/latest/meta-data/"]}, "/input/images/0", "of a public host"),
        (EDIT, None, {"images": [{"url": "https://localhost/1.png"}]}, "/input/images/0/url", "of a public host"),
        (EDIT, None, {"images": ["https://2130706433/1.png"]}, "/input/images/0", "of a public host"),
        (EDIT, None, {"images": ["https://"]}, "/input/images/0", "of a public host"),
        (EDIT, None, {"input_urls": [HERE, "https://10.0.0.7/1.png"]}, "/input/input_urls/1", "of a public host"),
        ("flux-1.1-pro", None, {"image_prompt": "https://printer.local/1"}, "/input/image_prompt", "of a public host"),
        (EDIT, None, {"images": [{"upload": "upl_no"}]}, "/input/images/0/upload", "must be the id of an upload"),
        (EDIT, None, {"images": [{"upload": HERE}]}, "/input/images/0/upload", "must be the id of an upload"),
        (EDIT, None, {"images": [{"upload": UPLOAD, "url": HERE}]}, "/input/images/0", '{"upload": …}'),
        (GPT, None, {"images": [{"upload": UPLOAD}]}, "/input/images", f"takes no images; {EDIT} does"),
        (GPT, None, {"prompt": AT_SENDING}, "/input/prompt", "cannot be a text that stands for an upload"),
        (EDIT, None, {"images": ["https://a.example/\n"]}, "/input/images/0", "an https address"),
        (EDIT, None, {"images": [DATA]}, "/input/images/0", "must be an https address"),
        ("gpt-image-2.5-flare/image-to-image", None, {"images": ["x"]}, "/input/images/0", "or a data: URI"),
        ("flux-1.1-pro", None, {"images": [HERE, THERE]}, "/input/images", "must have at most 1 entries; it has 2"),
        ("flux-1.1-pro", None, {"images": []}, "/input/images", "must have at least 1 entries"),
        (EDIT, None, {"input_urls": [7]}, "/input/input_urls/0", "must be a text"),
    ],
)
def test_a_refusal_speaks_of_what_the_caller_wrote(
    name: str, route: str | None, given: dict[str, Any], pointer: str, says: str
) -> None:
    told = refusal(name, route, **given)

    assert list(told) == [pointer]
    assert says in told[pointer]


ADDRESSES = st.lists(st.sampled_from([HERE, {"url": THERE}, {"upload": UPLOAD}, UPLOAD]), max_size=7)
SAMPLES: dict[str, Any] = {
    "prompt": st.sampled_from(["a red kite", "", 7]),
    "aspect_ratio": st.sampled_from(["1:1", "16:9", "9:16", "2:3", "auto", "1024x1024", "7:5", 7]),
    "resolution": st.sampled_from(["1K", "2K", "4K", "8K", 2]),
    "images": ADDRESSES,
    "seed": st.sampled_from([0, -1, 1.5]),
    "output_format": st.sampled_from(["png", "jpg", "jpeg", "webp", "bmp"]),
    "quality": st.sampled_from(["low", "medium", "high", "basic", "auto"]),
    "size": st.sampled_from(["2048*2048", "1024x1024", "auto", "big"]),
    "n": st.sampled_from([1, 0, 11]),
}
OWN = dict.fromkeys(("input_urls", "image_urls", "image_input"), ADDRESSES)


@settings(deadline=None, max_examples=400)
@given(st.data())
def test_an_input_is_refused_exactly_if_its_described_schema_refuses_it(data: st.DataObject) -> None:
    models = sorted(CATALOGUE.models)
    model = CATALOGUE.models[data.draw(st.sampled_from(models))]
    route = model.routes[data.draw(st.sampled_from(sorted(model.routes)))]
    known = {name: sample for name, sample in (SAMPLES | OWN).items() if name in route.takes}
    given_input = data.draw(st.fixed_dictionaries({}, optional=known))

    faults = Choice(model=model, route=route).understand(given_input).faults

    assert Draft202012Validator(route.input_schema).is_valid(given_input) is not bool(faults), faults


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_what_was_made_of_an_input_means_the_same_once_more(data: st.DataObject) -> None:
    model = CATALOGUE.models[data.draw(st.sampled_from(sorted(CATALOGUE.models)))]
    route = model.routes[data.draw(st.sampled_from(sorted(model.routes)))]
    known = {name: sample for name, sample in SAMPLES.items() if name in route.takes}
    choice = Choice(model=model, route=route)
    first = choice.understand(data.draw(st.fixed_dictionaries({}, optional=known)))

    again = choice.understand(first.input)

    assert first.faults or (again.input == first.input and again.faults == ())


# -- uploads ----------------------------------------------------------------------------------------


def test_an_upload_is_told_by_where_the_caller_named_it() -> None:
    beside = chosen(EDIT).understand({"prompt": "a kite", "images": [HERE, {"upload": UPLOAD}]})
    own = chosen(EDIT).understand({"prompt": "a kite", "input_urls": [UPLOAD]})

    assert beside.uploads == {"/input/images/1": UPLOAD}
    assert own.uploads == {"/input/input_urls/0": UPLOAD}


def test_an_upload_travels_inside_the_request_only_where_no_address_is_taken() -> None:
    route = CATALOGUE.models[EDIT].routes["default"]
    assert route.references is not None
    inline = replace(route, references=replace(route.references, takes=("data",)))

    understood = Choice(model=CATALOGUE.models[EDIT], route=inline).understand({"prompt": "a kite", "images": [UPLOAD, DATA]})

    assert understood.input["input_urls"] == [INSIDE, DATA]
    assert understood.faults == ()


@pytest.mark.parametrize("value", [[AT_SENDING], {"google": {"note": AT_SENDING}}])
def test_nothing_but_a_reference_can_stand_for_an_upload(value: Any) -> None:
    faults = chosen("Nano-Banana-Pro").understand({"prompt": "a kite", "output_format": value}).faults

    assert "cannot be a text that stands for an upload" in faults[0].detail


# -- presets ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "own"),
    [
        ({}, {"size": "2048*2048"}),
        ({"aspect_ratio": "9:16"}, {"size": "1536*2688"}),
        ({"size": "2688*1536"}, {"size": "2688*1536"}),
    ],
)
def test_a_presets_default_gives_way_to_the_caller_by_whatever_name(given: dict[str, Any], own: dict[str, Any]) -> None:
    choice = choose_preset(CATALOGUE, "cjk-text", offered=everything)

    understood = choice.understand({"prompt": "新品"} | given)

    assert understood.faults == ()
    assert understood.input == {"prompt": "新品", "watermark": False} | own


def test_a_fallback_that_would_have_to_leave_something_out_is_none() -> None:
    choice = choose_preset(CATALOGUE, "cjk-text", offered=everything)

    (plain,) = choice.fallbacks({"prompt": "新品", "aspect_ratio": "9:16"}, offered=everything)
    with_seed = choice.fallbacks({"prompt": "新品", "seed": 7}, offered=everything)

    assert plain.choice.model.id == GPT
    assert plain.choice.preset is choice.preset
    assert plain.input == {"prompt": "新品", "aspect_ratio": "9:16", "resolution": "1K"}
    assert with_seed == ()


def test_a_fallback_at_an_upstream_that_is_not_there_is_none() -> None:
    choice = choose_preset(CATALOGUE, "cjk-text", offered=everything)

    assert choice.fallbacks({"prompt": "新品"}, offered=lambda name: name != "hiapi") == ()


# -- what is not offered ----------------------------------------------------------------------------


def away(name: str) -> bool:
    return not name.startswith("pixapi")


@pytest.mark.parametrize(
    ("choose", "pointer", "says"),
    [
        (lambda: choose_model(CATALOGUE, "pixapi/gpt-image-2", None, offered=away), "/model", "has no upstream pixapi"),
        (
            lambda: choose_model(CATALOGUE, "pixapi/gpt-image-2", "sync", offered=lambda name: name != "pixapi_images"),
            "/route",
            "no key for it in its secret (`darkroom secrets set`); its route default can be used",
        ),
        (lambda: choose_preset(CATALOGUE, "poster", offered=lambda _: False), "/preset", "has no upstream hiapi"),
        (lambda: choose_again(CATALOGUE, "gpt-image-2-pro", None, "hiapi", offered=everything), "/model", "is retired; use"),
        (lambda: choose_again(CATALOGUE, GPT, "pro", "hiapi", offered=everything), "/route", "no longer has the route pro"),
        (
            lambda: choose_again(CATALOGUE, GPT, None, "pixapi", offered=everything),
            "/route",
            "no longer has that route at pixapi",
        ),
        (lambda: chosen("gpt-image-3"), "/model", f"did you mean {GPT}, "),
        (lambda: chosen("zzz"), "/model", f"no such model; there are {GPT}"),
    ],
)
def test_what_is_not_offered_is_said_with_what_is(choose: Any, pointer: str, says: str) -> None:
    with pytest.raises(NotOffered) as caught:
        choose()

    assert caught.value.fault.pointer == pointer
    assert says in caught.value.fault.detail


def test_an_earlier_task_finds_its_way_again_by_what_was_sent_and_where() -> None:
    routes = {route.name: route for route in CATALOGUE.models[GPT].routes.values()}

    for name, route in routes.items():
        again = choose_again(CATALOGUE, GPT, route.wire_route, route.upstream, offered=everything)
        assert again.route is routes[name]
