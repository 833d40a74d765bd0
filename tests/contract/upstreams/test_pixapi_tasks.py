"""Pixapi's asynchronous API before its simulator: what is documented, and every guess about what is not."""

from collections.abc import Callable

import pytest

from darkroom.adapters.upstreams.hiapi import HiApi
from darkroom.domain.news import Says
from darkroom.domain.pictures import sniff
from darkroom.errors import OutcomeUnknown, UpstreamRefused, UpstreamTaskNotFound, UpstreamUnavailable
from tests.contract.upstreams.gateways import PATIENCE_S, Gateway

Fetch = Callable[[str], bytes]


def test_a_task_is_begun_looked_at_and_ends_with_its_images(pixapi: Gateway, fetch: Fetch) -> None:
    accepted = pixapi.submit(n=2)

    assert accepted.upstream_task_id.startswith("task_")
    assert (accepted.news, accepted.replayed) == (None, False)

    news = pixapi.finish(n=2)

    assert (news.says, news.by, news.attempt, news.word) == (Says.SUCCEEDED, "poll", 3, "completed")
    assert len({fetch(output.url) for output in news.outputs}) == 2


def test_a_fresh_task_is_at_work(pixapi: Gateway) -> None:
    accepted = pixapi.submit("a kite [sim:hang]")

    news = pixapi.look(accepted.upstream_task_id)

    assert (news.says, news.word, news.outputs) == (Says.GENERATING, "processing", ())
    assert news.upstream_task_id == accepted.upstream_task_id


@pytest.mark.parametrize("field", ["id", "task_id", "taskId"])
@pytest.mark.parametrize("wrapped", ["true", "false"])
@pytest.mark.parametrize("number", ["true", "false"])
def test_the_id_is_found_in_every_place_and_form(pixapi: Gateway, field: str, wrapped: str, number: str) -> None:
    marker = f"[sim:answer-id field={field} wrapped={wrapped} number={number}]"

    assert pixapi.finish(f"a kite {marker}").outputs
    assert pixapi.billed == 1


@pytest.mark.parametrize("shape", ["url", "b64", "data-uri", "both"])
@pytest.mark.parametrize("place", ["data", "data-object", "result.data", "output", "images", "url"])
@pytest.mark.parametrize("wrapped", ["", "[sim:answer-wrapped]", "[sim:answer-wrapped code=200]"])
def test_results_are_found_in_every_place_and_form(pixapi: Gateway, place: str, shape: str, wrapped: str, fetch: Fetch) -> None:
    news = pixapi.finish(f"a red kite [sim:answer-place place={place}] [sim:answer-shape shape={shape}] {wrapped}")

    (output,) = news.outputs
    picture = sniff(fetch(output.url))
    assert picture is not None
    assert (picture.width, picture.height) == (64, 64)


@pytest.mark.parametrize("word", ["completed", "succeeded", "SUCCESS", "done", "finished"])
def test_every_word_of_success_is_one(pixapi: Gateway, word: str) -> None:
    news = pixapi.finish(f"a kite [sim:answer-words success={word}]")

    assert (news.says, news.word) == (Says.SUCCEEDED, word)


@pytest.mark.parametrize("word", ["failed", "fail", "Error", "cancelled", "canceled", "expired"])
def test_every_word_of_failure_is_one(pixapi: Gateway, word: str) -> None:
    news = pixapi.finish(f"a kite [sim:fail] [sim:answer-words failed={word}]")

    assert (news.says, news.word, news.outputs) == (Says.FAILED, word, ())


@pytest.mark.parametrize("word", ["cancelled", "expired", "timeout"])
def test_what_ran_out_of_time_may_have_been_charged_and_is_not_tried_again_by_itself(pixapi: Gateway, word: str) -> None:
    error = pixapi.finish(f"a kite [sim:fail] [sim:answer-words failed={word}]").error

    assert error is not None
    assert (error.charged, error.retryable) == ("unknown", "manual")


@pytest.mark.parametrize("word", ["in_progress", "postprocessing", "warte"])
def test_every_other_word_means_ask_again(pixapi: Gateway, word: str) -> None:
    task_id = pixapi.submit(f"a kite [sim:hang] [sim:answer-words running={word}]").upstream_task_id

    news = pixapi.look(task_id)

    assert news.says in (Says.WORKING, Says.GENERATING)
    assert news.word == word


@pytest.mark.parametrize(
    ("code", "ours", "retryable"),
    [
        ("prompt_rejected", "content_rejected", "manual"),
        ("422", "content_rejected", "manual"),
        ("model_unavailable", "model_unavailable", "later"),
        ("model_not_found", "model_unavailable", "manual"),
        ("internal_error", "generation_failed", "later"),
        ("TASK_FAILED", "generation_failed", "manual"),
    ],
)
def test_a_failed_task_says_why_and_costs_nothing(pixapi: Gateway, code: str, ours: str, retryable: str) -> None:
    pixapi.sim.admin.arm("fail", code=code, message="so it is", billed=False)

    news = pixapi.finish()

    assert news.error is not None
    assert (news.error.code, news.error.retryable, news.error.charged) == (ours, retryable, "no")
    assert (news.error.upstream_code, news.error.upstream_message) == (code, "so it is")


def test_a_success_without_an_image_is_said_to_be_one(pixapi: Gateway) -> None:
    for prompt in ("[sim:output-empty]", "[sim:output-missing]", "[sim:output-other-type]"):
        news = pixapi.finish(prompt)

        assert (news.says, news.outputs) == (Says.SUCCEEDED, ())


def test_a_task_that_it_does_not_know_is_not_found(pixapi: Gateway) -> None:
    for unknown in ("task_0000", "../tasks", "a/b?c#d", "%2e", "日本"):
        with pytest.raises(UpstreamTaskNotFound):
            pixapi.look(unknown)


def test_one_apis_task_is_none_of_the_others(pixapi: Gateway) -> None:
    task_id = pixapi.submit().upstream_task_id
    hiapi = HiApi(base_url=pixapi.sim.url, secrets=pixapi.secrets)

    with pytest.raises(UpstreamTaskNotFound):
        hiapi.look(task_id, attempt=1, timeout_s=PATIENCE_S)


@pytest.mark.parametrize("fault", ["detail-429", "detail-500", "detail-502", "detail-503", "detail-dropped", "detail-truncated"])
def test_a_look_that_brings_nothing_is_repeated(pixapi: Gateway, fault: str) -> None:
    task_id = pixapi.submit().upstream_task_id
    pixapi.sim.admin.arm(fault)

    with pytest.raises((UpstreamUnavailable, OutcomeUnknown)):
        pixapi.look(task_id)

    assert pixapi.look(task_id).upstream_task_id == task_id


def test_a_look_with_a_wrong_key_is_refused_and_a_new_one_is_fetched(pixapi: Gateway) -> None:
    task_id = pixapi.submit().upstream_task_id
    pixapi.sim.admin.configure(api_keys={"the-new-key-01234": "main"})

    with pytest.raises(UpstreamRefused) as caught:
        pixapi.look(task_id)
    pixapi.secrets.next_fields = {"pixapi_api_key": "the-new-key-01234"}

    assert caught.value.reason == "upstream_auth"
    assert pixapi.look(task_id).upstream_task_id == task_id


def test_an_undocumented_status_of_a_look_means_ask_again(pixapi: Gateway) -> None:
    task_id = pixapi.submit().upstream_task_id
    pixapi.sim.admin.arm("detail-unknown-status")

    assert pixapi.look(task_id).says is Says.WORKING


def test_an_acceptance_that_names_no_task_is_unknown(pixapi: Gateway) -> None:
    pixapi.sim.admin.arm("create-200-no-id")

    with pytest.raises(OutcomeUnknown, match="no task"):
        pixapi.submit()

    assert (pixapi.posts, pixapi.billed) == (1, 1)
