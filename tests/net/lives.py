"""Lives of tasks that between them write every log line, every metric and every row that the code can write."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from darkroom.domain.news import Says
from darkroom.domain.task import Output
from darkroom.domain.uploads import upload_key
from darkroom.errors import (
    OutcomeUnknown,
    SignatureRejected,
    StorageUnavailable,
    TaskChanged,
    UpstreamRefused,
    UpstreamUnavailable,
)
from darkroom.ports import Accepted, Evidence, Heard, Job
from tests.functions.api.client import poster
from tests.net.stage import ONE_MODEL, SYNCHRONOUS_MODEL, Life, Seen, Stage, failure, live, progress, success
from tests.support.gateway import PNG
from tests.support.memory import Stored

TOO_MANY = UpstreamUnavailable("too many", status=429, about_the_request=True)
ASK_LATER = UpstreamUnavailable("too many", status=429, retry_after=90)
NO_MODEL = UpstreamRefused("down", reason="model_unavailable", retryable="later")
NO_KEY = UpstreamRefused("who?", reason="upstream_auth", status=401, code="no_key", request_id="req-5")
DOWN = UpstreamUnavailable("bad gateway", status=502)
LOST = OutcomeUnknown("reset", status=200, request_id="req-6", raw=b"{")
LONG = {"preset": "poster", "input": {"prompt": " ".join(f"{number * 7919 % 65_521:x}" for number in range(600))}}
OWN_CATALOGUE = "config/mine.json"


@cache
def seen() -> Seen:
    """Return what all of them wrote."""
    return live(LIVES)


# -- a picture --------------------------------------------------------------------------------------------


def _a_picture(stage: Stage) -> None:
    task = stage.create(poster(user="u_1", metadata={"order": "8472"}), idempotency_key="order-1")
    stage.create(poster(user="u_1", metadata={"order": "8472"}), idempotency_key="order-1")
    stage.ask("POST", "/v1/tasks", poster("another"), idempotency_key="order-1")
    stage.ask("GET", f"/v1/tasks/{task.id}", prefer="wait=2")
    stage.call_back(task, success(task, stage=stage))
    stage.call_back(task, success(task))
    shown = stage.ask("GET", f"/v1/tasks/{task.id}")
    stage.ask("GET", shown["images"][0]["url"])
    stage.ask("GET", "/v1/tasks")
    stage.ask("POST", f"/v1/tasks/{task.id}/cancel")
    again = stage.ask("POST", f"/v1/tasks/{task.id}/retry")
    stage.call_back(stage.task(again["id"]), failure(task, upstream_task_id="up-2"))


def _three_pictures(stage: Stage) -> None:
    task = stage.create(LONG)
    stage.call_back(task, success(task, pictures=3, stage=stage))


def _some_of_the_pictures(stage: Stage) -> None:
    task = stage.create(ONE_MODEL)
    stage.call_back(task, success(task, stage=stage, missing=("output 2 has no address",)))


def _an_upload(stage: Stage) -> None:
    upload = stage.ask("POST", "/v1/uploads", {"content_type": "image/png", "size": len(PNG)})
    key = upload_key("dev", upload["id"])
    stage.services.bucket.objects[key] = Stored(content=PNG, content_type="image/png", filename="")
    wanted = {"prompt": "at night", "quality": "high", "images": [{"upload": upload["id"]}]}
    stage.create({"model": "gpt-image-2/image-to-image", "route": "ext", "input": wanted})


# -- looks ------------------------------------------------------------------------------------------------


def _progress_and_deadline(stage: Stage) -> None:
    """Each word of progress is seen by a look; then the deadline passes, and a late picture comes all the same."""
    task = stage.create(ONE_MODEL)
    for says in (Says.GENERATING, Says.ARCHIVING, Says.QUEUED):
        stage.gateway.looks = [progress(task, says)]
        stage.tick(400)
    stage.gateway.looks = [progress(task, Says.WORKING)]
    stage.tick(2000)
    stage.gateway.looks = [success(task, stage=stage)]
    stage.tick(4000)
    stage.work()


def _never_found_late(stage: Stage) -> None:
    """A late success whose address is dead."""
    task = stage.create(ONE_MODEL)
    stage.tick(2000)
    late = success(task)
    for _ in range(30):
        stage.gateway.looks = [late]
        stage.tick(4000)
        stage.work()


def _a_lost_callback(stage: Stage) -> None:
    task = stage.create(ONE_MODEL)
    stage.gateway.looks = [success(task, stage=stage)]
    stage.tick()
    stage.work()


def _a_lost_failure(stage: Stage) -> None:
    for passing in (False, True):
        task = stage.create(ONE_MODEL)
        stage.gateway.looks = [failure(task, passing=passing)]
        stage.tick()


def _no_answer_to_a_look(stage: Stage) -> None:
    stage.create(ONE_MODEL)
    stage.gateway.looks = [NO_KEY]
    stage.tick()
    stage.gateway.looks = [UpstreamUnavailable("busy", status=503, retry_after=400)]
    stage.tick(500)


def _an_answer_about_another_task(stage: Stage) -> None:
    task = stage.create(ONE_MODEL)
    stage.gateway.looks = [success(task, upstream_task_id="up-99")]
    stage.tick()


def _an_answer_that_is_lost(stage: Stage) -> None:
    """The repeat is accepted, and nothing says that it was collapsed."""
    stage.gateway.submits = [LOST, Accepted(upstream_task_id="up-7", request_id="req-7")]
    stage.create(ONE_MODEL)
    stage.tick()


def _never_answered(stage: Stage) -> None:
    stage.gateway.submits = [LOST] * 99
    stage.create(ONE_MODEL)
    stage.tick(2000)


def _no_request_is_free(stage: Stage) -> None:
    stage.limits(per_minute=1)
    stage.create(ONE_MODEL)
    stage.services.accounts.save(*_with_requests(stage))
    stage.tick()


def _with_requests(stage: Stage) -> Any:
    account = stage.services.accounts.get("hiapi", consistent=True)
    window = account.window.spent(int(stage.services.clock.now) + 60, 9)
    return account, replace(account, version=account.version + 1, window=window)


# -- callbacks --------------------------------------------------------------------------------------------


def _odd_callbacks(stage: Stage) -> None:
    task = stage.create(ONE_MODEL)
    stage.hear(task, Heard(trusted=True, news=None, why="not JSON", raw=b"<html>"))
    stage.hear(task, SignatureRejected("the signature does not fit the bytes"))
    stage.hear(task, Heard(trusted=True, news=None), token="0.1.no")
    stage.hear(task, Heard(trusted=True, news=None), body="x" * (1024 * 1024 + 1))
    stage.call_back(task, success(task), trusted=False)
    stage.call_back(task, success(task, upstream_task_id="up-99"))
    with stage.away():
        stage.call_back(task, success(task))
    with stage.away(error=TaskChanged("scripted")):
        stage.call_back(task, success(task))


def _bytes_that_come_later(stage: Stage) -> None:
    """The callback's run does not get the bytes, the worker does."""
    task = stage.create(ONE_MODEL)
    stage.call_back(task, success(task))
    stage.ask("POST", f"/v1/tasks/{task.id}/cancel")
    success(task, stage=stage)
    stage.services.clock.now += 30
    stage.work()


def _bytes_that_never_come(stage: Stage) -> None:
    task = stage.create(ONE_MODEL)
    url = Output(url="https://cdn.test/" + "x" * 700)
    stage.call_back(task, replace(success(task), outputs=(url,)))
    for _ in range(40):
        stage.tick(3000)
        stage.gateway.looks = [success(task)]
        stage.work()


# -- attempts ---------------------------------------------------------------------------------------------


def _the_next_model(stage: Stage) -> None:
    """The preset's model is busy; the next one is sent by the worker, fails for nothing, and is tried again.

    What failed for nothing has a picture after all.
    """
    stage.gateway.submits = [TOO_MANY]
    task = stage.create(poster(user="u_1"))
    stage.tick(6)
    stage.work()
    task = over = stage.now(task)
    stage.call_back(task, failure(task, passing=True))
    stage.tick(6)
    stage.work()
    stage.call_back(over, success(over, stage=stage))
    task = stage.now(task)
    stage.call_back(task, success(task, stage=stage))


def _a_model_that_is_down(stage: Stage) -> None:
    stage.gateway.submits = [NO_MODEL]
    task = stage.create(ONE_MODEL | {"route": "beta"})
    stage.gateway.submits = [NO_MODEL]
    stage.tick()
    stage.work()
    stage.tick()
    assert stage.now(task).is_terminal


def _an_answer_that_is_the_end(stage: Stage) -> None:
    task = stage.create(SYNCHRONOUS_MODEL)
    end = success(task, stage=stage)
    stage.synchronous.submits = [Accepted(upstream_task_id="", request_id="req-8", news=replace(end, by="create"))]
    stage.work()


def _answers_that_are_no(stage: Stage) -> None:
    """Refused for now and tried again, refused for good, lost, and failed in the answer itself."""
    for answer in (NO_MODEL, UpstreamRefused("not that", reason="content_rejected"), NO_KEY, LOST):
        stage.synchronous.submits = [answer]
        stage.create(SYNCHRONOUS_MODEL)
        stage.work()
        stage.tick()
    for passing in (True, False):
        task = stage.create(SYNCHRONOUS_MODEL)
        ended = replace(failure(task, passing=passing), by="create", upstream_task_id=None)
        stage.synchronous.submits = [Accepted(upstream_task_id="", news=ended)]
        stage.work()


def _an_answer_that_is_kept_whole(stage: Stage) -> None:
    """No use case keeps more of an answer yet than its evidence; the row can name where it is."""
    task = stage.create(ONE_MODEL)
    kept = Evidence(body="{", at=stage.services.clock(), source="create", kept_as=f"answers/{task.id}/1")
    stage.services.tasks.keep_evidence(task.id, kept)


def _refused(stage: Stage) -> None:
    stage.gateway.submits = [UpstreamRefused("no", reason="content_rejected", code="POLICY", request_id="req-4")]
    stage.create()


# -- accounts ---------------------------------------------------------------------------------------------


def _a_full_account(stage: Stage) -> None:
    stage.limits(in_flight=1)
    first, second, third = (stage.create(ONE_MODEL) for _ in range(3))
    stage.tick()
    stage.ask("GET", "/v1/admin/upstreams")
    stage.ask("POST", f"/v1/tasks/{third.id}/cancel")
    stage.ask("POST", f"/v1/tasks/{first.id}/cancel")
    stage.call_back(first, failure(first))
    stage.work()
    stage.call_back(stage.now(second), success(stage.now(second), stage=stage))


def _waiting_too_long(stage: Stage) -> None:
    stage.limits(in_flight=1)
    stage.create(ONE_MODEL)
    stage.create(ONE_MODEL)
    stage.tick(90_000)


def _too_many_requests(stage: Stage) -> None:
    """A 429 teaches the account's limits; the task waits and is sent again."""
    stage.gateway.submits = [ASK_LATER, TOO_MANY]
    stage.create(ONE_MODEL)
    stage.tick(30)
    stage.tick()
    stage.work()
    stage.tick(30)
    stage.work()


def _a_slot_that_leaks(stage: Stage) -> None:
    account = stage.services.accounts.get("hiapi", consistent=True)
    task = stage.create(ONE_MODEL)
    stage.call_back(task, failure(task))
    account = stage.services.accounts.get("hiapi", consistent=True)
    held = replace(account, version=account.version + 1, holders={task.submission_key: task.created_at})
    stage.services.accounts.save(account, held)
    stage.tick(200)


def _a_model_that_is_shut(stage: Stage) -> None:
    """It has failed two owners four times in this minute, and does so once more; then a probe finds it well."""
    _fail_a_fifth_time(stage, "studio", "dev")


def _a_model_that_is_shut_for_one_owner(stage: Stage) -> None:
    """It has failed this owner alone."""
    _fail_a_fifth_time(stage, "dev", "dev")


def _fail_a_fifth_time(stage: Stage, *owners: str) -> None:
    for number, owner in enumerate(owners * 2):
        stage.services.admission.memory.failed("hiapi/gpt-image-2/text-to-image", owner, f"{number}", stage.services.clock())
    stage.gateway.submits = [DOWN]
    for body in (ONE_MODEL, ONE_MODEL, poster()):
        stage.create(body)
    for _ in range(4):
        stage.tick(40)
        stage.work()


def _an_account_that_is_paused(stage: Stage) -> None:
    """The account's key is refused; an operator has seen to it."""
    stage.gateway.submits = [NO_KEY] * 2
    for _ in range(2):
        stage.create(ONE_MODEL)
    stage.tick()
    stage.ask("POST", "/v1/admin/upstreams/hiapi/resume")


# -- our own services -------------------------------------------------------------------------------------


def _services_that_are_away(stage: Stage) -> None:
    task = stage.create(ONE_MODEL)
    for error in (None, RuntimeError("scripted")):
        with stage.away(error=error, accounts=True):
            stage.tick()
    with stage.away():
        stage.tick()
        stage.work('{"do": "store", "task_id": "' + task.id + '", "attempt": 1}')
        stage.ask("GET", f"/v1/tasks/{task.id}")
    with stage.away(error=RuntimeError("scripted")):
        stage.ask("GET", f"/v1/tasks/{task.id}")
        stage.call_back(task, success(task))
        stage.tick(600)
        stage.work('{"do": "store", "task_id": "' + task.id + '", "attempt": 1}')
    stage.work("no JSON")


def _an_upstream_that_is_gone(stage: Stage) -> None:
    stage.create(ONE_MODEL)
    task = stage.create(ONE_MODEL)
    stage.services.tasks.move(task, replace(task, version=task.version + 1, upstream="elsewhere"))
    stage.tick()


def _an_own_catalogue(stage: Stage) -> None:
    objects = stage.services.bucket.objects
    objects[OWN_CATALOGUE] = Stored(content=b"{}", content_type="application/json", filename="")

    def fail(called: str) -> None:
        if called == "bucket.replace":
            raise StorageUnavailable("scripted: away")

    stage.services.bucket.on_call = fail
    stage.ask("GET", "/v1/presets")
    stage.services.clock.now += 99
    objects[OWN_CATALOGUE] = Stored(content=b"{", content_type="application/json", filename="")
    stage.ask("GET", "/v1/presets")


# -- operators, and requests that are refused -----------------------------------------------------------------


def _operators(stage: Stage) -> None:
    wish = {"owner": "shop", "scopes": ["tasks:write"], "name": "web shop", "presets": ["poster"]}
    made = stage.ask("POST", "/v1/admin/keys", wish)
    stage.create(poster())
    stage.ask("DELETE", f"/v1/admin/keys/{made['id']}")
    stage.queue.dead = [Job(do="store", task_id="task_1", attempt=1, lease="lease-1")]
    stage.ask("POST", "/v1/admin/redrive")
    stage.work()
    task = stage.create(ONE_MODEL)
    stage.gateway.looks = [failure(task, passing=True)]
    stage.services.clock.now += 90
    stage.ask("POST", "/v1/admin/reconcile")


def _refused_requests(stage: Stage) -> None:
    stage.ask("GET", "/v2")
    stage.ask("GET", "/v1/tasks", key="drk_nobody")
    stage.ask("POST", "/v1/tasks", {})


LIVES: Mapping[str, tuple[Life, Mapping[str, Any]]] = {
    "a picture": (_a_picture, {}),
    "three pictures of a long prompt": (_three_pictures, {}),
    "some of the pictures": (_some_of_the_pictures, {}),
    "an upload": (_an_upload, {}),
    "progress, a deadline and a late picture": (_progress_and_deadline, {}),
    "a late success that cannot be fetched": (_never_found_late, {}),
    "a lost callback": (_a_lost_callback, {}),
    "a lost callback of a failure": (_a_lost_failure, {}),
    "no answer to a look": (_no_answer_to_a_look, {}),
    "an answer about another task": (_an_answer_about_another_task, {}),
    "an answer that is lost": (_an_answer_that_is_lost, {}),
    "never answered": (_never_answered, {}),
    "no request is free": (_no_request_is_free, {}),
    "odd callbacks": (_odd_callbacks, {}),
    "bytes that come later": (_bytes_that_come_later, {}),
    "bytes that never come": (_bytes_that_never_come, {}),
    "the next model": (_the_next_model, {}),
    "a model that is down": (_a_model_that_is_down, {}),
    "an answer that is the end": (_an_answer_that_is_the_end, {}),
    "answers that are no": (_answers_that_are_no, {}),
    "an answer that is kept whole": (_an_answer_that_is_kept_whole, {}),
    "refused": (_refused, {}),
    "a full account": (_a_full_account, {}),
    "waiting too long": (_waiting_too_long, {}),
    "too many requests": (_too_many_requests, {}),
    "a slot that leaks": (_a_slot_that_leaks, {}),
    "a model that is shut": (_a_model_that_is_shut, {}),
    "a model that is shut for one owner": (_a_model_that_is_shut_for_one_owner, {}),
    "an account that is paused": (_an_account_that_is_paused, {}),
    "services that are away": (_services_that_are_away, {}),
    "an upstream that is gone": (_an_upstream_that_is_gone, {}),
    "a catalogue of one's own": (_an_own_catalogue, {"catalogue_key": OWN_CATALOGUE}),
    "operators": (_operators, {}),
    "refused requests": (_refused_requests, {}),
}
