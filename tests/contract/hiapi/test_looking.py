"""Looking at a task at HiAPI: news from the first to the last status, or what to do without."""

import pytest

from darkroom.domain.news import Says
from darkroom.errors import OutcomeUnknown, UpstreamError, UpstreamRefused, UpstreamTaskNotFound, UpstreamUnavailable
from tests.contract.hiapi.conftest import Gateway


def test_a_task_walks_from_queued_to_success(gateway: Gateway) -> None:
    task_id = gateway.begin()

    seen = [gateway.look(task_id).says]
    for _ in range(20):
        gateway.sim.admin.jump(0.5)
        seen.append(gateway.look(task_id).says)
    gateway.finish(task_id)
    news = gateway.look(task_id)

    walked = list(dict.fromkeys([*seen, news.says]))
    assert walked == [Says.QUEUED, Says.GENERATING, Says.ARCHIVING, Says.SUCCEEDED]
    (output,) = news.outputs
    assert output.url.startswith(gateway.sim.url)
    assert output.expires_at is not None
    assert news.upstream_task_id == task_id


def test_a_failed_task_says_why(gateway: Gateway) -> None:
    task_id = gateway.begin("a kite [sim:fail code=MODEL_UNAVAILABLE message=down]")
    gateway.finish(task_id)

    error = gateway.look(task_id).error

    assert error is not None
    assert (error.code, error.retryable, error.charged) == ("model_unavailable", "later", "unknown")
    assert (error.upstream_code, error.upstream_message) == ("MODEL_UNAVAILABLE", "down")


def test_a_task_that_fails_without_a_reason_is_a_failed_generation(gateway: Gateway) -> None:
    task_id = gateway.begin("a kite [sim:fail-uninformative]")
    gateway.finish(task_id)

    error = gateway.look(task_id).error

    assert error is not None
    assert error.code == "generation_failed"


def test_an_unknown_status_means_ask_again(gateway: Gateway) -> None:
    gateway.sim.admin.arm("detail-unknown-status", status="postprocessing")

    news = gateway.look(gateway.begin())

    assert (news.says, news.word) == (Says.WORKING, "postprocessing")


@pytest.mark.parametrize(
    ("marker", "images"),
    [
        ("output-several n=3", 3),
        ("output-extra type=thumbnail", 1),
        ("output-other-type type=video", 0),
        ("output-empty", 0),
        ("output-missing", 0),
        ("output-data-uri", 1),
        ("output-url url=http://169.254.169.254/latest/", 1),
    ],
)
def test_outputs_are_the_images_that_can_be_fetched(gateway: Gateway, marker: str, images: int) -> None:
    task_id = gateway.begin(f"a kite [sim:{marker}]")
    gateway.finish(task_id)

    news = gateway.look(task_id)

    assert news.says is Says.SUCCEEDED
    assert len(news.outputs) == images


@pytest.mark.parametrize("form", ["ms", "iso", "absent"])
def test_an_expiry_in_any_form_is_the_same_moment(gateway: Gateway, form: str) -> None:
    plain, odd = gateway.begin(key="task_A:1"), gateway.begin(f"a kite [sim:output-expiry form={form}]", key="task_B:1")
    gateway.finish(plain)
    gateway.finish(odd)

    expected, found = gateway.look(plain).outputs[0].expires_at, gateway.look(odd).outputs[0].expires_at

    assert found == (None if form == "absent" else pytest.approx(expected, abs=60))


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("detail-404", UpstreamTaskNotFound),
        ("detail-429", UpstreamUnavailable),
        ("detail-500", UpstreamUnavailable),
        ("detail-502", UpstreamUnavailable),
        ("detail-503", UpstreamUnavailable),
        ("detail-dropped", UpstreamUnavailable),
        ("detail-truncated", OutcomeUnknown),
    ],
)
def test_a_look_that_fails_says_what_to_do_and_the_next_one_works(
    gateway: Gateway, fault: str, error: type[UpstreamError]
) -> None:
    task_id = gateway.begin()
    gateway.sim.admin.arm(fault)

    with pytest.raises(error) as caught:
        gateway.look(task_id)

    assert type(caught.value) is error
    assert gateway.look(task_id).says is Says.QUEUED


def test_a_slow_look_ends_in_time(gateway: Gateway) -> None:
    task_id = gateway.begin()
    gateway.sim.admin.arm("detail-slow", seconds=20.0)

    with pytest.raises(UpstreamUnavailable):
        gateway.look(task_id, timeout_s=1)


def test_a_foreign_or_unknown_task_is_not_found(gateway: Gateway) -> None:
    with pytest.raises(UpstreamTaskNotFound):
        gateway.look("tk-hiapi-01HZTQ8BX2N3GM3YFK4Z9D7VQR")


@pytest.mark.parametrize("as_200", [False, True])
def test_a_wrong_key_is_told_from_a_missing_task(gateway: Gateway, as_200: bool) -> None:
    task_id = gateway.begin()
    gateway.sim.admin.configure(bad_key_as_200=as_200)
    gateway.secrets.fields["hiapi_api_key"] = "hi-sk-a-wrong-key-0"

    with pytest.raises(UpstreamRefused) as caught:
        gateway.look(task_id)

    assert caught.value.reason == "upstream_auth"
