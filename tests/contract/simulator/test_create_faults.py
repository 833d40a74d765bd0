"""Scenarios 17 to 19 and 24 of the conformance list: what a create and a look can come back with."""

import json
from email.utils import parsedate_to_datetime

import httpx
import pytest

REFUSED = ["400", "401", "402", "403", "404", "409", "409-processing", "413", "415", "422", "429", "500", "502", "503"]
ACCEPTED = ["500-accepted", "502-accepted", "503-accepted", "504-accepted"]


@pytest.mark.parametrize("fault", [*REFUSED, "504"])
def test_a_refused_create_makes_no_task_and_the_next_one_works(api, sim, fault):
    sim.admin.arm(f"create-{fault}")

    refused, fine = api.create(), api.create()

    assert (refused.status_code, fine.status_code) == (int(fault[:3]), 200)
    assert sim.admin.totals()["billed"] == 1


@pytest.mark.parametrize("fault", ACCEPTED)
def test_an_error_after_acceptance_hides_a_billed_task_that_its_key_finds(api, sim, fault):
    sim.admin.arm(f"create-{fault}")

    hidden, replay = api.create(key="k-1"), api.create(key="k-1")

    assert hidden.status_code == int(fault[:3])
    assert "taskId" not in hidden.text
    assert replay.headers["Idempotent-Replay"] == "true"
    assert sim.admin.totals()["billed"] == 1


@pytest.mark.parametrize(("fault", "billed"), [("create-dropped", 0), ("create-dropped-accepted", 1)])
def test_19_a_connection_drops_before_or_after_the_task_was_made(api, sim, fault, billed):
    sim.admin.arm(fault)

    with pytest.raises(httpx.TransportError):
        api.create(key="k-1")

    assert sim.admin.totals()["billed"] == billed
    assert api.create(key="k-1").status_code == 200
    assert sim.admin.totals()["billed"] == 1


def test_http_200_can_hold_an_error(api, sim):
    answer = api.create("[sim:create-200-error]")

    assert answer.status_code == 200
    assert answer.json()["error"]["code"] == "permission_denied"
    assert sim.admin.totals()["billed"] == 0


def test_http_200_can_lack_the_task_id(api, sim):
    answer = api.create("[sim:create-200-no-id]")

    assert (answer.status_code, answer.json()["data"]) == (200, {})
    assert sim.admin.totals()["billed"] == 1


def test_http_200_can_hold_half_a_body(api, sim):
    answer = api.create("[sim:create-200-truncated]")

    with pytest.raises(json.JSONDecodeError):
        answer.json()
    assert sim.admin.totals()["billed"] == 1


def test_17_retry_after_is_a_number_a_date_or_absent(api, sim):
    sim.admin.arm("create-429", retry_after=7)
    sim.admin.arm("create-429", retry_after=60, retry_after_date=True)
    sim.admin.arm("create-429")

    number, date, absent = api.create(), api.create(), api.create()

    assert number.headers["Retry-After"] == "7"
    assert parsedate_to_datetime(date.headers["Retry-After"])
    assert "Retry-After" not in absent.headers


@pytest.mark.parametrize(
    ("envelope", "code", "message"),
    [
        ("E-a", ["error_code"], ["message"]),
        ("E-b", ["error", "code"], ["error", "message"]),
        ("E-c", ["error", "code"], ["error", "message"]),
        ("E-d", ["error", "code"], ["error", "message"]),
        ("E-e", ["data", "error", "code"], ["data", "error", "message"]),
    ],
)
def test_24_an_error_comes_in_each_envelope(api, sim, envelope, code, message):
    def at(path):
        found = body
        for name in path:
            found = found[name]
        return found

    sim.admin.arm("create-400", envelope=envelope, error_code="BAD", message="no")

    body = api.create().json()

    assert (at(code), at(message)) == ("BAD", "no")


@pytest.mark.parametrize(("text", "start"), [("html", "<html>"), ("plain", "400 simulated"), ("empty", "")])
def test_24_an_edge_proxy_does_not_speak_json(api, sim, text, start):
    sim.admin.arm("create-400", envelope="E-f", text=text)

    answer = api.create()

    assert answer.status_code == 400
    assert answer.text.startswith(start)
    assert bool(answer.text) == bool(start)


@pytest.mark.parametrize(("envelope", "place"), [("E-b", "error"), ("E-a", "field"), ("E-a", "message")])
def test_24_the_request_id_is_in_each_place(api, sim, envelope, place):
    task_id = api.begin()
    sim.admin.arm("detail-500", envelope=envelope, request_id_in=place)

    answer = api.http.get(f"/v1/tasks/{task_id}")
    found = {
        "error": lambda body: body["error"]["request_id"],
        "field": lambda body: body["request_id"],
        "message": lambda body: body["message"].split("request id: ")[1],
    }[place](answer.json())

    assert found.startswith("req_")
    assert "x-request-id" not in answer.headers


def test_24_the_request_id_is_usually_a_header(api, sim):
    sim.admin.arm("create-400")

    assert api.create().headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize("status", [404, 429, 500, 502, 503])
def test_a_look_can_fail_so_many_times(api, sim, status):
    task_id = api.begin()
    sim.admin.arm(f"detail-{status}", times=2, match={"task_id": task_id})

    seen = [api.http.get(f"/v1/tasks/{task_id}").status_code for _ in range(3)]

    assert seen == [status, status, 200]


def test_a_look_can_show_an_unknown_status(api):
    task_id = api.begin("[sim:detail-unknown-status status=polishing]")

    assert [api.look(task_id)["status"] for _ in range(2)] == ["polishing", "queued"]


def test_a_look_can_be_slow_dropped_or_cut(api, sim):
    task_id = api.begin()
    sim.admin.arm("detail-slow", seconds=0.2)
    sim.admin.arm("detail-dropped")
    sim.admin.arm("detail-truncated")

    slow = api.http.get(f"/v1/tasks/{task_id}")
    with pytest.raises(httpx.TransportError):
        api.http.get(f"/v1/tasks/{task_id}")
    cut = api.http.get(f"/v1/tasks/{task_id}")

    assert slow.elapsed.total_seconds() >= 0.2
    with pytest.raises(json.JSONDecodeError):
        cut.json()


def test_a_create_answer_can_be_slower_than_its_caller_waits(api, sim):
    sim.admin.arm("create-slow", seconds=1)

    with pytest.raises(httpx.ReadTimeout):
        api.http.post("/v1/tasks", json={"model": "z-image", "input": {"prompt": "a kite"}}, timeout=0.2)

    assert sim.admin.totals()["billed"] == 1


def test_a_hanging_task_never_ends(api, sim):
    task_id = api.begin("[sim:hang]")

    sim.admin.jump(30 * 24 * 3600)

    assert api.look(task_id)["status"] == "handling"


def test_latency_can_be_set_for_one_task(api, sim):
    task_id = api.begin("[sim:latency seconds=3600]")

    sim.admin.jump(3599)

    assert api.look(task_id)["status"] == "archiving"


def test_an_uninformative_failure_may_be_free_of_charge(api, sim):
    sim.admin.arm("fail-uninformative", billed=False)

    task = api.make()

    assert task["error"] == {"code": "TASK_FAILED", "message": "task failed"}
    assert sim.admin.totals()["billed"] == 0
