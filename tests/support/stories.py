"""Lives of one task that crash and outage tests go through: what happens, and how it may end."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from darkroom.domain.admission import Limits
from darkroom.domain.attempts import Alternative
from darkroom.domain.news import Says
from darkroom.domain.task import Output, Timing
from darkroom.domain.uploads import new_upload_id, stand_in
from darkroom.errors import (
    DownloadInterrupted,
    OutcomeUnknown,
    OutputGone,
    UpstreamRefused,
    UpstreamUnavailable,
)
from darkroom.ports import Promises
from tests.support.boundaries import Surprise
from tests.support.gateway import COLLAPSING, PNG, SILENT, SYNCHRONOUS, Generation
from tests.support.knife import Knife
from tests.support.life import Fate, Life
from tests.support.memory import Page
from tests.support.world import LIMITS, T0, World

LATE = Fate(after=2500, called_back=False)
NOT_CALLED = Fate(called_back=False)
NEVER = Fate(ends=None)
ONE_SLOT = Limits(account="hiapi", in_flight=1)
ONE_A_MINUTE = Limits(account="hiapi", per_minute=1)
SPARSE = Timing(recheck_max_s=4 * 3600)
REFUSED = UpstreamRefused("no", reason="content_rejected")
NO_KEY = UpstreamRefused("who?", reason="upstream_auth")
FAILS = Fate(ends=Says.FAILED)
OTHER = Alternative(upstream="hiapi", model="banana", route="ext", wire_model="Banana", input={"prompt": "a red kite"})
"""Another model, for what the gateway refuses before any work."""

DOWN = UpstreamUnavailable("bad gateway", status=502)
ELSEWHERE = replace(OTHER, model="sunburst", wire_model="Sunburst")
BUSY = UpstreamUnavailable("overloaded", status=503, about_the_request=True)
TOO_MANY = UpstreamUnavailable("too many", status=429, retry_after=90, about_the_request=True)
NO_MODEL = UpstreamRefused("down", reason="model_unavailable", retryable="later")
AT_SECOND = Fate(ends=Says.FAILED, passing=True, then=Fate())
CONTENT = PNG + b"\0"
DEAD = Fate(answers=(OutputGone("404"),))
BROKEN_AT_FIRST = Fate(answers=(*[Page(content=CONTENT, fault=DownloadInterrupted("reset"), chunk=40)] * 3, CONTENT))
CUT_AT_FIRST = Fate(answers=(*[Page(content=CONTENT[:-30], chunk=40)] * 5, CONTENT))
ONE_OF_THREE_BAD = Fate(pictures=3, answers=(Page(content=b"<html>filtered</html>"),))
NAMED_LATER = Fate(named_after=400)
RE_ENCODED = Fate(answers=tuple(CONTENT + bytes([number]) for number in range(9)))
LARGE = PNG + bytes(5000)
IN_PIECES = Fate(content=LARGE, answers=(Page(content=LARGE + b"\0", chunk=1500),))
OF_UNKNOWN_LENGTH = Fate(answers=(Page(content=CONTENT, announced=False, chunk=40),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """`tell` arranges what will happen; `ends` are the last words that are right, also when processes die on the way."""

    name: str
    tell: Callable[[Life], None]
    ends: frozenset[str] = frozenset({"succeeded"})
    fate: Fate = field(default_factory=Fate)
    promises: Promises = COLLAPSING
    timing: Timing = Timing()
    limits: Limits = LIMITS

    def begin(self, knife: Knife | None = None, *, world: type[World] = World) -> Life:
        life = Life(world(promises=self.promises, timing=self.timing, limits=self.limits), fate=self.fate, knife=knife)
        self.tell(life)
        return life


def last_words(life: Life) -> set[str]:
    """How the world's tasks ended: phase, error, and whether there are pictures."""
    return {
        task.phase.value
        + (f" {task.error.code}" if task.error else "")
        + (" with pictures" if task.error and task.images else "")
        for task in life.world.tasks.tasks.values()
    }


def _order(life: Life, **wish: object) -> None:
    life.at(0, lambda: life.order(**wish))  # type: ignore[arg-type]  # create's own keywords


def _plainly(life: Life) -> None:
    _order(life)


def _crowded(life: Life, *, number: int = 3) -> None:
    """More tasks than slots, of two owners."""
    for one in range(number):
        life.at(one, lambda one=one: life.order(f"order-{one}", owner="press" if one == 1 else "shop"))  # type: ignore[misc]  # bound


def _crowded_and_canceled(life: Life) -> None:
    _crowded(life)
    life.at(5, lambda: life.cancel("order-2"))


def _crowded_and_refused(life: Life) -> None:
    life.world.gateway.before_accepting = [UpstreamUnavailable("429", status=429)] * 2
    _crowded(life, number=2)


def _delivered_twice(life: Life) -> None:
    _order(life)
    for delay in (20.5, 21.0, 90.0):
        life.at(delay, lambda: _deliver_all(life))


def _deliver_all(life: Life) -> None:
    for generation in life.world.gateway.generations.values():
        if generation.is_finished:
            life.deliver(generation)


def _before_the_answer(life: Life) -> None:
    """The callback comes while the create's POST is still out."""

    def at_once(generation: object) -> None:
        task_id = life.world.gateway.posts[-1][0].partition(":")[0]
        if not life.world.gateway.of_task(task_id).is_finished:
            life.world.gateway.succeed(task_id)
            life.world.call_back(task_id)

    life.world.gateway.while_accepting = at_once
    _order(life)


def _answer_lost(life: Life) -> None:
    life.world.gateway.after_accepting = [OutcomeUnknown("reset")]
    _order(life)


def _request_lost(life: Life) -> None:
    life.world.gateway.before_accepting = [OutcomeUnknown("time-out"), UpstreamUnavailable("busy", retry_after=400)]
    _order(life)


def _repeat_refused(life: Life) -> None:
    """The generation is made and nobody knows; the repeats of the POST are refused."""
    _answer_lost(life)
    life.at(10, lambda: life.world.gateway.before_accepting.extend([REFUSED] * 9))


def _repeat_refused_for_long(life: Life) -> None:
    _answer_lost(life)
    life.at(10, lambda: life.world.gateway.before_accepting.extend([REFUSED] * 99))


def _key_refused(life: Life) -> None:
    """The generation is made and nobody knows; for a while the gateway does not know our key."""
    gateway = life.world.gateway
    _answer_lost(life)
    life.at(10, lambda: gateway.before_accepting.extend([NO_KEY] * 2 if gateway.billed else []))


def _answers_lost_for_a_day(life: Life) -> None:
    life.world.gateway.after_accepting = [OutcomeUnknown("reset")] * 400
    _order(life, timeout_s=86_400)


def _has_to_wait(life: Life) -> None:
    life.world.gateway.before_accepting = [UpstreamUnavailable("429", status=429, retry_after=90)] * 2
    _order(life)


def _waits_long_and_is_lost(life: Life) -> None:
    """It waits longer than it may take, is accepted then, and the answer is lost."""
    life.world.gateway.before_accepting = [UpstreamUnavailable("429", status=429, retry_after=900)]
    life.at(500, lambda: life.world.gateway.after_accepting.append(OutcomeUnknown("reset")))
    _order(life, timeout_s=600)


def _long_prompt(life: Life) -> None:
    """The request does not fit the state row."""
    _order(life, prompt=" ".join(f"{number * 7919 % 65_521:x}" for number in range(600)))


def _with_upload(life: Life) -> None:
    _order(life, images=[stand_in(new_upload_id(T0, bytes(10)), as_data=False)])


def _with_upload_waiting(life: Life) -> None:
    """It has to wait, and then the answer is lost: the bytes that hold the upload's address stay the same."""
    life.world.gateway.before_accepting = [UpstreamUnavailable("429", status=429, retry_after=90)]
    life.at(50, lambda: life.world.gateway.after_accepting.append(OutcomeUnknown("reset")))
    _with_upload(life)


def _refused(life: Life) -> None:
    life.world.gateway.before_accepting = [REFUSED] * 9
    _order(life)


def _look_answers(life: Life, *answers: Exception | str, **wish: object) -> None:
    life.world.gateway.looking = list(answers)
    _order(life, **wish)


def _looks_are_about_another(life: Life) -> None:
    _look_answers(life, *["tk-other"] * 99, timeout_s=600)


def _one_look_is_about_another(life: Life) -> None:
    _look_answers(life, "tk-other")


def _looks_raise(life: Life) -> None:
    _look_answers(life, *[Surprise("look")] * 9999, timeout_s=600)


def _callbacks_raise(life: Life) -> None:
    life.world.gateway.hearing = [Surprise("hear")] * 9
    _order(life)


def _answer_raises(life: Life) -> None:
    life.world.gateway.after_accepting = [Surprise("submit")]
    _order(life)


def _answers_raise(life: Life) -> None:
    """And so does each answer to a repeat."""
    life.world.gateway.after_accepting = [Surprise("submit")] * 99
    _order(life, timeout_s=600)


def _contradicts_itself(life: Life) -> None:
    """It says success first, and failure when the picture is stored."""
    _order(life)
    life.at(60, lambda: [_told_otherwise(life, one) for one in life.world.gateway.generations.values()])


def _told_otherwise(life: Life, generation: Generation) -> None:
    if generation.is_finished:
        life.world.gateway.fail(generation)
        life.deliver(generation)


def _busy_and_paid(life: Life) -> None:
    """The gateway says that it is too busy and does the work all the same; the next model does it too."""
    life.world.gateway.after_accepting = [BUSY]
    _order(life, alternatives=(OTHER,))


def _canceled_running(life: Life) -> None:
    _order(life)
    life.at(10, life.cancel)


def _canceled_waiting(life: Life) -> None:
    _has_to_wait(life)
    life.at(5, life.cancel)


def _canceled_unknown(life: Life) -> None:
    _answer_lost(life)
    life.at(5, life.cancel)


def _fresh_url(life: Life) -> None:
    """The URL that the callback names is dead; whoever asks again is given another one."""
    gateway = life.world.gateway

    def freshen() -> None:
        for one in gateway.generations.values():
            if one.is_finished:
                one.outputs = (Output(url=f"https://cdn.test/{one.id}/fresh.png"),)
                life.world.downloads.serve(one.outputs[0].url, CONTENT)

    gateway.while_looking = freshen
    life.world.delays = (0.0, 2.0)
    _order(life)


def _unreadable(life: Life) -> None:
    _order(life)
    life.at(5, lambda: [life.hear_nonsense(one) for one in life.world.gateway.generations.values()])


def _expiring_soon(life: Life) -> None:
    _order(life, timeout_s=600)


def _with_another_model(life: Life) -> None:
    life.world.gateway.before_accepting = [TOO_MANY]
    _order(life, alternatives=(OTHER,))


def _through_all_models(life: Life) -> None:
    """Two models are refused, the last one has to wait, and its answer is lost."""
    life.world.gateway.before_accepting = [NO_MODEL, TOO_MANY, TOO_MANY]
    life.at(100, lambda: life.world.gateway.after_accepting.append(OutcomeUnknown("reset")))
    _order(life, alternatives=(OTHER, OTHER))


def _model_down(life: Life) -> None:
    life.world.gateway.before_accepting = [NO_MODEL]
    _order(life)


def _lost_then_refused(life: Life) -> None:
    """The first answer is lost; what refuses the repeats says nothing of the first request."""
    _answer_lost(life)
    life.at(10, lambda: life.world.gateway.before_accepting.extend([TOO_MANY] * 2))


def _answer_of_the_second_lost(life: Life) -> None:
    life.at(19, lambda: life.world.gateway.after_accepting.append(OutcomeUnknown("reset")))
    _order(life)


def _canceled_at_second(life: Life) -> None:
    """Canceled when the first attempt has failed: before, while or after the second one is sent."""
    _order(life)
    life.at(20, life.cancel)


def _shut(life: Life, **wish: object) -> None:
    """The model failed four times in this minute, and then once more: its tasks wait for a probe."""
    for number in range(4):
        life.world.admission.memory.failed("hiapi/gpt-image-2/text-to-image", f"owner-{number}", f"request-{number}", T0)
    life.world.gateway.before_accepting = [DOWN]
    for number in range(3):
        life.at(number, lambda number=number: life.order(f"order-{number}", **wish))  # type: ignore[misc]  # bound


def _shut_with_another_model(life: Life) -> None:
    _shut(life, alternatives=(ELSEWHERE,))


def _shut_and_canceled(life: Life) -> None:
    _shut(life)
    life.at(5, lambda: life.cancel("order-2"))


def _shut_again(life: Life) -> None:
    """The first probe's answer is lost."""
    _shut(life)
    life.at(20, lambda: life.world.gateway.after_accepting.append(OutcomeUnknown("reset")))


def _paused(life: Life) -> None:
    """The account is refused, its first probe too."""
    life.world.gateway.before_accepting = [NO_KEY] * 2
    for number in range(3):
        life.at(number, lambda number=number: life.order(f"order-{number}"))  # type: ignore[misc]  # bound


SUBMISSION_UNKNOWN = "expired submission_outcome_unknown"
_EXPIRED = "expired deadline_exceeded"
_LATE = frozenset({f"{_EXPIRED} with pictures"})
_STORED = frozenset({"succeeded"})
_UNSURE = frozenset({SUBMISSION_UNKNOWN})
_DEAD = frozenset({"failed output_expired"})
_FAILED = frozenset({"failed generation_failed"})
_REFUSED = frozenset({"failed content_rejected"})
_CANCELED = frozenset({"canceled canceled"})
_LOST = frozenset({SUBMISSION_UNKNOWN})
_UNPAID = frozenset({"failed upstream_auth"})
_EXPIRES = frozenset({_EXPIRED})
_LOST_AND_FOUND = frozenset({f"{SUBMISSION_UNKNOWN} with pictures", f"{_EXPIRED} with pictures"})
_DOUBT = frozenset({"succeeded", SUBMISSION_UNKNOWN})
"""Where a POST cannot be repeated, dying beside it leaves a doubt that only a person can end."""

_ANSWERED = _DOUBT | {"failed output_expired"}
"""Where the answer holds the picture, dying after it loses what was paid for, and says so."""

INSIDE = Fate(inside=True, pictures=3)

STORIES = (
    Story(name="created, called back, stored", tell=_plainly),
    Story(name="three pictures", tell=_plainly, fate=Fate(pictures=3)),
    Story(name="the callback comes again and again", tell=_delivered_twice),
    Story(name="the callback comes before the answer", tell=_before_the_answer, fate=Fate(called_back=False)),
    Story(name="an unsigned callback is confirmed", tell=_plainly, fate=Fate(trusted=False)),
    Story(name="an unreadable callback, then the true one", tell=_unreadable),
    Story(name="a failure is called back", tell=_plainly, fate=FAILS, ends=_FAILED),
    Story(name="a tick finds the success", tell=_plainly, fate=NOT_CALLED),
    Story(
        name="a tick finds the failure",
        tell=_plainly,
        fate=Fate(ends=Says.FAILED, called_back=False),
        ends=_FAILED,
    ),
    Story(name="a tick finds nothing, ever", tell=_plainly, fate=NEVER, timing=SPARSE, ends=frozenset({_EXPIRED})),
    Story(name="the answer to the POST is lost", tell=_answer_lost),
    Story(name="the POST is lost, then refused for now", tell=_request_lost),
    Story(name="the answer is lost, the repeat is refused", tell=_repeat_refused, fate=NEVER, ends=_LOST | _EXPIRES),
    Story(name="the answer is lost, the repeat is refused, the picture comes", tell=_repeat_refused, ends=_DOUBT),
    Story(
        name="the answer is lost, the repeat is refused, the picture comes late",
        tell=_repeat_refused_for_long,
        fate=Fate(after=2500),
        ends=_LOST_AND_FOUND | _LOST,
    ),
    Story(name="the answer is lost, then the key is", tell=_key_refused, fate=NOT_CALLED),
    Story(
        name="every answer is lost for a day",
        tell=_answers_lost_for_a_day,
        fate=NEVER,
        timing=SPARSE,
        ends=frozenset({SUBMISSION_UNKNOWN}),
    ),
    Story(name="it has to wait before it is accepted", tell=_has_to_wait),
    Story(name="it waits longer than it may take, then the answer is lost", tell=_waits_long_and_is_lost, ends=_DOUBT),
    Story(name="two wait for the third", tell=_crowded, limits=ONE_SLOT),
    Story(name="two wait, the upstream fails", tell=_crowded, limits=ONE_SLOT, fate=FAILS, ends=_FAILED),
    Story(name="two wait, one is canceled", tell=_crowded_and_canceled, limits=ONE_SLOT, ends=_CANCELED | _STORED),
    Story(name="one waits, both are refused at first", tell=_crowded_and_refused, limits=ONE_SLOT),
    Story(name="three in three minutes", tell=_crowded, limits=ONE_A_MINUTE),
    Story(name="silent upstream: two wait for the third", tell=_crowded, limits=ONE_SLOT, promises=SILENT, ends=_DOUBT),
    Story(name="a long prompt, kept apart from the row", tell=_long_prompt),
    Story(name="an upload is handed on, after a wait and a lost answer", tell=_with_upload_waiting),
    Story(name="it is refused", tell=_refused, ends=_REFUSED | _UNSURE),
    Story(name="both models are paid, though the first one was busy", tell=_busy_and_paid),
    Story(name="a failure that cost nothing, and then a success", tell=_plainly, fate=AT_SECOND),
    Story(
        name="a tick finds the failure that cost nothing",
        tell=_plainly,
        fate=Fate(ends=Says.FAILED, passing=True, called_back=False, then=NOT_CALLED),
    ),
    Story(name="a failure that cost nothing, twice", tell=_plainly, fate=Fate(ends=Says.FAILED, passing=True), ends=_FAILED),
    Story(name="the answer to the second attempt is lost", tell=_answer_of_the_second_lost, fate=AT_SECOND),
    Story(name="canceled between two attempts", tell=_canceled_at_second, fate=AT_SECOND, ends=_CANCELED | _STORED),
    Story(name="the model is down for a while", tell=_model_down, ends=_STORED | {"failed model_unavailable"}),
    Story(name="refused for now: the next model serves", tell=_with_another_model),
    Story(
        name="every model is refused, and the last one's answer lost",
        tell=_through_all_models,
        ends=_STORED | {"failed model_unavailable"},
    ),
    Story(name="a shut model is tried again", tell=_shut),
    Story(name="a shut model: its probe's answer is lost", tell=_shut_again),
    Story(name="a shut model: the preset's next one serves", tell=_shut_with_another_model),
    Story(name="a shut model: one of those who wait is canceled", tell=_shut_and_canceled, ends=_CANCELED | _STORED),
    Story(name="silent upstream: a shut model is tried again", tell=_shut, promises=SILENT, ends=_DOUBT),
    Story(name="a paused account: the rest waits for a probe that goes well", tell=_paused, ends=_STORED | _UNPAID),
    Story(name="the answer is lost, the repeat is refused for now", tell=_lost_then_refused),
    Story(name="every look is about another task", tell=_looks_are_about_another, fate=NOT_CALLED, ends=_EXPIRES | _LATE),
    Story(name="one look is about another task", tell=_one_look_is_about_another, fate=NOT_CALLED),
    Story(name="every look raises what no code expects", tell=_looks_raise, fate=NOT_CALLED, ends=_EXPIRES | _LATE),
    Story(name="no callback can be read", tell=_callbacks_raise),
    Story(name="the answer to the POST cannot be read", tell=_answer_raises),
    Story(name="no answer to the POST can be read", tell=_answers_raise, fate=NEVER, ends=_LOST | _EXPIRES),
    Story(name="a success, and then a failure", tell=_contradicts_itself, ends=_STORED | _FAILED),
    Story(name="silent upstream: the answer cannot be read", tell=_answer_raises, promises=SILENT, ends=_LOST),
    Story(name="synchronous upstream: the answer cannot be read", tell=_answer_raises, promises=SYNCHRONOUS, ends=_UNSURE),
    Story(name="canceled while it runs", tell=_canceled_running, ends=_CANCELED | _STORED),
    Story(name="canceled while it waits", tell=_canceled_waiting, ends=_CANCELED),
    Story(name="canceled while its outcome is unknown", tell=_canceled_unknown, ends=_CANCELED | _STORED),
    Story(name="the first URL is dead", tell=_fresh_url, fate=DEAD),
    Story(name="the download breaks in the middle", tell=_plainly, fate=BROKEN_AT_FIRST),
    Story(name="the picture ends early at first", tell=_plainly, fate=CUT_AT_FIRST),
    Story(name="one of three outputs is no picture", tell=_plainly, fate=ONE_OF_THREE_BAD),
    Story(name="a success that names its output later", tell=_plainly, fate=NAMED_LATER),
    Story(name="other bytes each time they are fetched", tell=_plainly, fate=RE_ENCODED),
    Story(name="a picture that comes in many pieces", tell=_plainly, fate=IN_PIECES),
    Story(name="an output of unknown length", tell=_plainly, fate=OF_UNKNOWN_LENGTH),
    Story(name="a success after the deadline is called back", tell=_expiring_soon, fate=Fate(after=900), ends=_LATE | _STORED),
    Story(name="a tick finds a success after the deadline", tell=_plainly, fate=LATE, ends=_LATE),
    Story(name="silent upstream", tell=_plainly, promises=SILENT, ends=_DOUBT),
    Story(name="silent upstream: a long prompt", tell=_long_prompt, promises=SILENT, ends=_DOUBT),
    Story(name="silent upstream: an upload is handed on", tell=_with_upload, promises=SILENT, ends=_DOUBT),
    Story(name="silent upstream: the answer is lost", tell=_answer_lost, promises=SILENT, ends=_LOST),
    Story(name="silent upstream: it has to wait", tell=_has_to_wait, promises=SILENT, ends=_DOUBT),
    Story(name="silent upstream: the next model serves", tell=_with_another_model, promises=SILENT, ends=_DOUBT),
    Story(name="silent upstream: canceled", tell=_canceled_running, promises=SILENT, ends=_CANCELED | _STORED),
    Story(name="synchronous upstream", tell=_plainly, promises=SYNCHRONOUS, ends=_DOUBT),
    Story(name="synchronous upstream: three pictures inside", tell=_plainly, fate=INSIDE, promises=SYNCHRONOUS, ends=_ANSWERED),
    Story(name="synchronous upstream: it fails", tell=_plainly, fate=FAILS, promises=SYNCHRONOUS, ends=_FAILED | _UNSURE),
    Story(
        name="synchronous upstream: it fails for nothing, then succeeds",
        tell=_plainly,
        fate=AT_SECOND,
        promises=SYNCHRONOUS,
        ends=_DOUBT,
    ),
    Story(name="synchronous upstream: the next model serves", tell=_with_another_model, promises=SYNCHRONOUS, ends=_DOUBT),
    Story(name="synchronous upstream: no answer in time", tell=_plainly, fate=LATE, promises=SYNCHRONOUS, ends=_UNSURE),
    Story(name="synchronous upstream: the answer is lost", tell=_answer_lost, promises=SYNCHRONOUS, ends=_UNSURE),
    Story(name="synchronous upstream: it has to wait", tell=_has_to_wait, promises=SYNCHRONOUS, ends=_DOUBT),
    Story(name="synchronous upstream: refused", tell=_refused, promises=SYNCHRONOUS, ends=_REFUSED | _UNSURE),
    Story(name="synchronous upstream: the URL is dead", tell=_plainly, fate=DEAD, promises=SYNCHRONOUS, ends=_DEAD | _UNSURE),
    Story(name="synchronous upstream: canceled", tell=_canceled_running, promises=SYNCHRONOUS, ends=_CANCELED | _DOUBT),
)
