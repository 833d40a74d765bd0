"""Callbacks as the simulator really delivers them, honest and twisted, before the adapter that hears them."""

import time

import pytest

from darkroom.domain.news import Says
from darkroom.errors import SignatureRejected
from darkroom.ports import Heard
from tests.contract.hiapi.conftest import SECRET, Gateway, Letterbox


def delivered(gateway: Gateway, letterbox: Letterbox, marker: str = "") -> tuple[str, dict[str, str], bytes]:
    """The id of a finished task, and its first callback."""
    prompt = f"a red kite [sim:{marker}]" if marker else "a red kite"
    task_id = gateway.begin(prompt, url=letterbox.url)
    gateway.finish(task_id)
    headers, body = letterbox.wait()[0]
    return task_id, headers, body


def heard(gateway: Gateway, headers: dict[str, str], body: bytes) -> Heard:
    return gateway.hiapi.hear(headers, body, attempt=1, now=time.time())


def test_a_delivered_success_is_trusted_and_says_the_same_as_a_look(gateway: Gateway, letterbox: Letterbox) -> None:
    task_id, headers, body = delivered(gateway, letterbox)

    found, looked = heard(gateway, headers, body), gateway.look(task_id)

    assert found.trusted
    assert found.news is not None
    assert (found.news.says, found.news.upstream_task_id) == (Says.SUCCEEDED, task_id)
    assert found.news.outputs == looked.outputs


def test_a_delivered_failure_is_trusted_with_its_reason(gateway: Gateway, letterbox: Letterbox) -> None:
    _, headers, body = delivered(gateway, letterbox, "fail code=TASK_TIMEOUT message=late")

    found = heard(gateway, headers, body)

    assert found.trusted
    assert found.news is not None
    assert found.news.error is not None
    assert (found.news.error.code, found.news.error.retryable) == ("generation_failed", "later")


@pytest.mark.parametrize("marker", ["callback-wrapped", "callback-no-storage", "callback-upper-case"])
def test_other_shapes_of_the_truth_are_trusted_too(gateway: Gateway, letterbox: Letterbox, marker: str) -> None:
    task_id, headers, body = delivered(gateway, letterbox, marker)

    found = heard(gateway, headers, body)

    assert found.trusted
    assert found.news is not None
    assert found.news.upstream_task_id == task_id


@pytest.mark.parametrize("marker", ["callback-forged", "callback-unsigned", "callback-tampered"])
def test_a_callback_that_somebody_else_wrote_is_rejected(gateway: Gateway, letterbox: Letterbox, marker: str) -> None:
    _, headers, body = delivered(gateway, letterbox, marker)

    with pytest.raises(SignatureRejected):
        heard(gateway, headers, body)


@pytest.mark.parametrize("marker", ["callback-stale", "callback-future"])
def test_an_old_or_early_stamp_makes_a_hint(gateway: Gateway, letterbox: Letterbox, marker: str) -> None:
    task_id, headers, body = delivered(gateway, letterbox, marker)

    found = heard(gateway, headers, body)

    assert (found.trusted, found.why) == (False, "stale")
    assert found.news is not None
    assert found.news.upstream_task_id == task_id


@pytest.mark.parametrize(
    ("marker", "why"),
    [
        ("callback-not-json", "not JSON"),
        ("callback-array", "not a JSON object"),
        ("callback-not-final status=handling", "not terminal"),
    ],
)
def test_a_signed_callback_without_an_end_brings_no_news(gateway: Gateway, letterbox: Letterbox, marker: str, why: str) -> None:
    _, headers, body = delivered(gateway, letterbox, marker)

    found = heard(gateway, headers, body)

    assert (found.trusted, found.news, found.why) == (True, None, why)


def test_a_signed_callback_about_another_task_names_it(gateway: Gateway, letterbox: Letterbox) -> None:
    task_id, headers, body = delivered(gateway, letterbox, "callback-wrong-id")

    found = heard(gateway, headers, body)

    assert found.news is not None
    assert found.news.upstream_task_id not in (None, task_id)


def test_during_a_rotation_callbacks_under_both_secrets_are_trusted(gateway: Gateway, letterbox: Letterbox) -> None:
    _, headers, body = delivered(gateway, letterbox)
    gateway.secrets.fields |= {"hiapi_webhook_secret": "whsec_the-new-one-0000", "hiapi_webhook_secret_previous": SECRET}

    assert heard(gateway, headers, body).trusted


def test_with_signing_off_every_callback_is_a_hint(gateway: Gateway, letterbox: Letterbox) -> None:
    gateway.sim.admin.configure(webhook_secret=None)
    gateway.secrets.fields["hiapi_webhook_secret"] = ""
    _, headers, body = delivered(gateway, letterbox)

    found = heard(gateway, headers, body)

    assert (found.trusted, found.why) == (False, "unsigned")
    assert found.news is not None
