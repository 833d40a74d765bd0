"""The three synchronous APIs: the POST's answer is the end, with its pictures in every form that has been seen."""

from collections.abc import Callable

import pytest

from darkroom.domain.news import Says
from darkroom.domain.pictures import sniff
from darkroom.errors import OutcomeUnknown, UpstreamRefused, UpstreamTaskNotFound
from tests.contract.upstreams.gateways import Gateway, before

Fetch = Callable[[str], bytes]
IMAGES = ("pixapi_images", "hiapi_images")


def kind_of(body: bytes) -> str:
    picture = sniff(body)
    assert picture is not None
    return picture.content_type


def test_the_end_comes_with_the_answer(now: Gateway, fetch: Fetch) -> None:
    accepted = now.submit()

    assert accepted.news is not None
    assert (accepted.news.says, accepted.news.by, accepted.news.attempt) == (Says.SUCCEEDED, "create", 0)
    assert accepted.request_id == accepted.news.request_id
    (output,) = accepted.news.outputs
    assert kind_of(fetch(output.url)) == ("image/jpeg" if now.name == "hiapi_chat" else "image/png")
    assert now.billed == 1


def test_a_chats_answer_names_itself_and_an_images_answer_does_not(now: Gateway) -> None:
    accepted = now.submit()

    assert accepted.news is not None
    assert accepted.upstream_task_id.startswith("chatcmpl-") == (now.name == "hiapi_chat")
    assert accepted.news.upstream_task_id == (accepted.upstream_task_id or None)


def test_several_images_come_in_order(now: Gateway, fetch: Fetch) -> None:
    outputs = now.end(n=3).outputs

    assert len({fetch(output.url) for output in outputs}) == len(outputs) == 3


@pytest.mark.parametrize("shape", ["url", "b64", "data-uri", "both"])
@pytest.mark.parametrize("name", IMAGES)
def test_an_image_comes_as_a_url_or_as_a_file(sim, name: str, shape: str, fetch: Fetch) -> None:
    gateway = before(sim, name)

    (as_asked,) = gateway.end().outputs
    (output,) = gateway.end(f"a red kite [sim:answer-shape shape={shape}]").outputs

    assert output.url.startswith("data:") == (shape in ("b64", "data-uri"))
    assert fetch(output.url) == fetch(as_asked.url)


@pytest.mark.parametrize("place", ["data", "data-object", "result.data", "output", "images", "url"])
@pytest.mark.parametrize("name", IMAGES)
def test_an_image_is_found_wherever_it_is_put(sim, name: str, place: str) -> None:
    (output,) = before(sim, name).end(f"a red kite [sim:answer-place place={place}]").outputs

    assert output.url.startswith(sim.url)


@pytest.mark.parametrize("name", IMAGES)
def test_base64_is_had_by_asking_for_it(sim, name: str, fetch: Fetch) -> None:
    (output,) = before(sim, name).end(response_format="b64_json").outputs

    assert kind_of(fetch(output.url)) == "image/png"


def test_a_model_that_always_answers_in_base64_is_read_all_the_same(sim, fetch: Fetch) -> None:
    (output,) = before(sim, "hiapi_images").end(model="gpt-image-2-beta").outputs

    assert kind_of(fetch(output.url)) == "image/png"


@pytest.mark.parametrize(
    ("shape", "inline"),
    [("markdown-data", True), ("markdown-url", False), ("message-images", True), ("parts", True), ("address", False)],
)
@pytest.mark.parametrize("n", [1, 2])
def test_a_chat_says_its_images_in_many_ways(sim, shape: str, inline: bool, n: int, fetch: Fetch) -> None:
    outputs = before(sim, "hiapi_chat").end(f"a red kite [sim:answer-shape shape={shape}]", n=n).outputs

    assert len(outputs) == n
    assert {kind_of(fetch(output.url)) for output in outputs} == {"image/jpeg"}
    assert {output.url.startswith("data:") for output in outputs} == {inline}


# -- no image ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", IMAGES)
def test_a_success_without_an_image_is_said_to_be_one(sim, name: str) -> None:
    news = before(sim, name).end("[sim:output-empty]")

    assert (news.says, news.outputs) == (Says.SUCCEEDED, ())


@pytest.mark.parametrize("prompt", ["[sim:output-empty]", "[sim:answer-shape shape=words]"])
def test_a_chat_that_only_talks_failed_and_its_words_are_kept(sim, prompt: str) -> None:
    news = before(sim, "hiapi_chat").end(prompt)

    assert news.says is Says.FAILED
    assert news.error is not None
    assert (news.error.code, news.error.charged, news.error.upstream_code) == ("no_output", "yes", "stop")
    assert "in words" in str(news.error.upstream_message)


@pytest.mark.parametrize("reason", ["content_filter", "stop"])
def test_a_chat_that_refuses_is_a_refusal_of_the_content(sim, reason: str) -> None:
    news = before(sim, "hiapi_chat").end(f"[sim:answer-refusal reason={reason} message='Not that.']")

    assert news.error is not None
    assert (news.error.code, news.error.charged, news.error.upstream_message) == ("content_rejected", "unknown", "Not that.")


@pytest.mark.parametrize("name", ["hiapi_chat", "pixapi_images", "hiapi_images"])
def test_a_generation_that_fails_behind_an_error_status_is_unknown(sim, name: str) -> None:
    gateway = before(sim, name)

    with pytest.raises(OutcomeUnknown):
        gateway.end("[sim:fail]")

    assert gateway.posts == 1


def test_a_prompt_that_is_rejected_while_generating_is_a_refusal_of_the_content(now: Gateway) -> None:
    code = "prompt_rejected" if now.name == "pixapi_images" else "content_policy_violation"

    with pytest.raises(UpstreamRefused) as caught:
        now.end(f"[sim:fail code={code}]")

    assert (caught.value.reason, caught.value.charged) == ("content_rejected", "no")


def test_an_answer_cannot_be_asked_for_afterwards(now: Gateway) -> None:
    task_id = now.submit().upstream_task_id or "img_1"

    with pytest.raises(UpstreamTaskNotFound):
        now.look(task_id)


def test_a_slow_answer_is_waited_for(now: Gateway) -> None:
    assert now.end("a kite [sim:create-slow seconds=1.0]").outputs


# -- extra_body, both ways -----------------------------------------------------------------------------


@pytest.mark.parametrize("merged", [False, True])
def test_a_chats_picture_follows_ratio_and_size_whichever_way_they_are_sent(sim, merged: bool, fetch: Fetch) -> None:
    gateway = before(sim, "hiapi_chat", merge_extra_body=merged)

    (output,) = gateway.end(aspect_ratio="16:9", image_size="1K").outputs

    picture = sniff(fetch(output.url))
    assert picture is not None
    assert (picture.width, picture.height) == (1024, 576)
    assert (b'"extra_body"' in gateway.freeze(aspect_ratio="16:9")) is not merged


@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize("name", IMAGES)
def test_the_images_api_takes_an_extra_body_both_ways_too(sim, name: str, merged: bool, fetch: Fetch) -> None:
    gateway = before(sim, name, merge_extra_body=merged)

    (output,) = gateway.end(extra_body={"output_format": "webp"}).outputs

    assert kind_of(fetch(output.url)) == "image/webp"
