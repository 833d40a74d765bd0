"""OpenAI's own client before the simulator's Images and Chat endpoints: what it can read, the adapters read alike."""

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest

from darkroom.adapters.upstreams.images import find_images
from darkroom.domain.pictures import sniff
from tests.contract.hiapi.gateways import API_KEY
from tests.contract.upstreams.gateways import PATIENCE_S, before

Fetch = Callable[[str], bytes]
IMAGES = ("hiapi_images", "pixapi_images")
MODEL = {"hiapi_images": "qwen-image-2.0", "pixapi_images": "gpt-image-2"}


def client_of(base_url: str, key: str = API_KEY, *, max_retries: int = 0) -> openai.OpenAI:
    direct = openai.DefaultHttpxClient(trust_env=False)
    return openai.OpenAI(api_key=key, base_url=base_url, max_retries=max_retries, timeout=PATIENCE_S, http_client=direct)


@pytest.fixture
def connect(sim) -> Iterator[Callable[[str], openai.OpenAI]]:
    made: list[openai.OpenAI] = []

    def client(name: str, key: str = API_KEY) -> openai.OpenAI:
        base_url = (sim.pixapi_url if name.startswith("pixapi") else sim.url) + "/v1"
        made.append(client_of(base_url, key))
        return made[-1]

    yield client
    for one in made:
        one.close()


def sent(sim) -> list[Any]:
    return [json.loads(task["body"]) for task in sim.admin.ledger()["tasks"].values()]


@pytest.mark.parametrize("name", IMAGES)
def test_images_come_as_urls(sim, connect, name: str, fetch: Fetch) -> None:
    response = connect(name).images.generate(model=MODEL[name], prompt="a red kite", size="1024x1024", n=2)

    assert response.data is not None
    assert [sniff(fetch(str(image.url))).content_type for image in response.data] == ["image/png"] * 2


@pytest.mark.parametrize("name", IMAGES)
def test_images_come_as_base64(sim, connect, name: str, fetch: Fetch) -> None:
    wanted = {"model": MODEL[name], "response_format": "b64_json", "size": "512x512"}
    response = connect(name).images.generate(prompt="a red kite", **wanted)
    ours = before(sim, name).end("a red kite", **wanted)

    assert response.data is not None
    assert base64.b64decode(str(response.data[0].b64_json)) == fetch(ours.outputs[0].url)


@pytest.mark.parametrize("name", IMAGES)
def test_our_bytes_are_the_clients_request(sim, connect, name: str) -> None:
    connect(name).images.generate(model=MODEL[name], prompt="a kite", size="1024x1024", n=1, extra_body={"seed": 7})
    before(sim, name, merge_extra_body=True).submit("a kite", model=MODEL[name], size="1024x1024", n=1, extra_body={"seed": 7})

    theirs, ours = sent(sim)
    assert theirs == ours


@pytest.mark.parametrize("shape", ["markdown-data", "markdown-url"])
def test_a_chat_draws_in_its_words(connect, shape: str, fetch: Fetch) -> None:
    completion = connect("hiapi_chat").chat.completions.create(
        model="Nano-Banana",
        messages=[{"role": "user", "content": f"a red kite [sim:answer-shape shape={shape}]"}],
        extra_body={"google": {"image_config": {"aspect_ratio": "3:2", "image_size": "1K"}}},
    )

    (output,) = find_images({"content": completion.choices[0].message.content}).outputs
    picture = sniff(fetch(output.url))
    assert picture is not None
    assert (picture.content_type, picture.width, picture.height) == ("image/jpeg", 1024, 683)


def test_our_chat_is_the_clients_chat(sim, connect) -> None:
    parts = [
        {"type": "text", "text": "make it blue"},
        {"type": "image_url", "image_url": {"url": "https://cdn.example/kite.png"}},
    ]
    google = {"google": {"image_config": {"aspect_ratio": "1:1", "image_size": "1K"}}}
    connect("hiapi_chat").chat.completions.create(
        model="Nano-Banana", stream=False, messages=[{"role": "user", "content": parts}], extra_body=google
    )
    before(sim, "hiapi_chat", merge_extra_body=True).submit(
        "make it blue", images=["https://cdn.example/kite.png"], aspect_ratio="1:1", image_size="1K"
    )

    theirs, ours = sent(sim)
    assert theirs == ours


@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        ("create-400", openai.BadRequestError, "invalid_request"),
        ("create-401", openai.AuthenticationError, "unauthorized"),
        ("create-403", openai.PermissionDeniedError, "permission_denied"),
        ("create-404", openai.NotFoundError, "model_not_found"),
        ("create-422", openai.UnprocessableEntityError, "content_policy_violation"),
        ("create-429", openai.RateLimitError, "rate_limit_exceeded"),
        ("create-500", openai.InternalServerError, "internal_error"),
    ],
)
@pytest.mark.parametrize("name", ["hiapi_images", "hiapi_chat"])
def test_the_client_names_the_errors(sim, connect, name: str, fault: str, error: type[openai.APIStatusError], code: str) -> None:
    sim.admin.arm(fault)

    with pytest.raises(error) as caught:
        ask(connect(name), name)

    assert caught.value.code == code


@pytest.mark.parametrize("name", ["hiapi_images", "hiapi_chat"])
def test_a_client_that_repeats_pays_twice_where_we_do_not(sim, name: str) -> None:
    """The official client repeats a 500 by itself: the reason why ours posts once."""
    sim.admin.arm("create-500-accepted")
    with client_of(sim.url + "/v1", max_retries=1) as eager:
        ask(eager, name)

    assert sim.admin.totals()["billed"] == 2


def ask(client: openai.OpenAI, name: str) -> Any:
    if name == "hiapi_chat":
        return client.chat.completions.create(model="Nano-Banana", messages=[{"role": "user", "content": "a kite"}])
    return client.images.generate(model=MODEL[name], prompt="a kite", size="256x256")
