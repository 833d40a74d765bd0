"""How faults are armed and matched, by the admin API and by markers, and what the ledger remembers."""

import httpx
import pytest

import local.simulator
from local.simulator.admin import SimulatorAdmin, SimulatorSaidNo, SimulatorUnreachable
from local.simulator.catalogue import FAULTS, MOMENTS


def test_an_unknown_fault_is_refused_with_the_list_of_faults(sim):
    with pytest.raises(SimulatorSaidNo, match=r"unknown fault 'gremlin'; valid: .*create-503.*callback-lost"):
        sim.admin.arm("gremlin")


@pytest.mark.parametrize(
    ("fault", "params", "message"),
    [
        ("callback-late", {"minutes": 3}, "it takes seconds"),
        ("callback-late", {"seconds": -1}, "cannot be -1"),
        ("hang", {"seconds": 1}, "no parameters"),
        ("create-400", {"envelope": "E-z"}, "must be one of E-a"),
        ("create-400", {"status": 42}, "cannot be 42"),
        ("fail", {"message": 7}, "cannot be 7"),
        ("fail", {"times": -1}, "times"),
        ("fail", {"match": {"colour": "red"}}, "match: an object"),
    ],
)
def test_a_wrong_parameter_is_refused_with_what_would_be_right(sim, fault, params, message):
    with pytest.raises(SimulatorSaidNo, match=message):
        sim.admin.arm(fault, **params)

    assert sim.admin.faults() == []


def test_the_page_and_the_package_name_every_fault(sim):
    described = sim.admin.describe()["faults"]

    assert set(described) == set(FAULTS)
    for name, kind in FAULTS.items():
        words = local.simulator.__doc__.replace("*", " ").split()
        assert name in words, f"{name} is missing from the docstring of local.simulator"
        assert (f"{name}*" in local.simulator.__doc__.split()) == kind.lasting
        assert kind.moment in MOMENTS


def test_faults_strike_one_create_each_in_the_order_of_their_arming(api, sim):
    sim.admin.arm("create-503", times=2)
    sim.admin.arm("create-429")

    assert [api.create().status_code for _ in range(4)] == [503, 503, 429, 200]
    assert [(row["fault"], row["struck"], row["left"]) for row in sim.admin.faults()] == [
        ("create-503", 2, 0),
        ("create-429", 1, 0),
    ]


@pytest.mark.parametrize(
    "match",
    [
        {"prompt": "fox"},
        {"model": "z-image"},
        {"idempotency_key": "k-1"},
        {"callback_url": "/token"},
    ],
)
def test_a_fault_strikes_only_what_it_matches(api, sim, match):
    sim.admin.arm("create-503", match=match)
    fox = {"model": "z-image", "input": {"prompt": "a fox"}, "callback": {"url": "https://a.example/token"}}

    other = api.create("a kite", key="k-2", callback={"url": "https://a.example/other"})
    fox_answer = api.create(key="k-1", **fox)

    assert (other.status_code, fox_answer.status_code) == (200, 503)


def test_a_fault_can_be_armed_for_a_task_that_exists(api, sim):
    task_id = api.begin()
    sim.admin.arm("fail", match={"task_id": task_id})

    assert api.make()["status"] == "success"
    assert api.finish(task_id)["status"] == "fail"


def test_zero_times_means_without_end_until_withdrawn(api, sim):
    sim.admin.arm("create-503", times=0)
    struck = [api.create().status_code for _ in range(3)]

    sim.admin.disarm()

    assert struck == [503, 503, 503]
    assert api.create().status_code == 200


def test_a_marker_strikes_once_for_each_key(api):
    prompt = "a kite [sim:create-503]"

    assert [api.create(prompt, key=key).status_code for key in ("k-1", "k-1", "k-2")] == [503, 200, 503]


def test_a_marker_strikes_each_keyless_request_anew(api, sim):
    assert [api.create("[sim:create-503]").status_code for _ in range(2)] == [503, 503]
    assert sim.admin.faults() == []


def test_several_markers_strike_together(api, receiver):
    prompt = "a kite [sim:create-503 times=2] [sim:callback-wrapped] [sim:callback-twofold]"
    answers = [api.create(prompt, key="k-1", callback={"url": receiver.url}) for _ in range(3)]

    api.finish(answers[2].json()["data"]["taskId"])

    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert [b'"data"' in delivery.body for delivery in receiver.wait(2)] == [True, False]


@pytest.mark.parametrize("marker", ["[sim:gremlin]", "[sim:fail colour=red]", "[sim:fail red]", "[sim:fail message=']"])
def test_a_marker_that_cannot_be_understood_is_refused(api, marker):
    answer = api.create(marker)

    assert answer.status_code == 400
    assert "input.prompt" in answer.json()["message"]


def test_the_ledger_knows_everything_about_a_task(api, sim, receiver, eventually):
    sim.admin.arm("create-502-accepted")
    body = {"model": "z-image", "input": {"prompt": "a fox"}, "callback": {"url": receiver.url}}
    api.create(key="k-1", **body)
    task_id = api.begin(key="k-1", **body)
    api.finish(task_id)
    eventually(lambda: sim.admin.task(task_id)["deliveries"])

    row = sim.admin.task(task_id)

    assert (row["idempotency_key"], row["callback_url"], row["model"]) == ("k-1", receiver.url, "z-image")
    assert '"a fox"' in row["body"]
    assert (row["posts"], row["gets"], row["billed"]) == (2, 1, 1)
    assert sim.admin.ledger()["answers"]["POST create_task"] == {"502": 1, "200": 1}


def test_a_reset_forgets_everything(api, sim):
    sim.admin.configure(balance=3, webhook_secret=None)
    sim.admin.arm("create-503", match={"prompt": "never"})
    task_id = api.begin(key="k-1")

    sim.admin.reset()

    assert set(sim.admin.totals().values()) == {0}
    assert sim.admin.faults() == []
    assert sim.admin.settings()["balance"] is None
    assert api.http.get(f"/v1/tasks/{task_id}").status_code == 404
    assert "Idempotent-Replay" not in api.create(key="k-1").headers


@pytest.mark.parametrize(("setting", "message"), [({"colour": "red"}, "unknown setting"), ({"balance": -1}, "whole number")])
def test_a_wrong_setting_is_refused(sim, setting, message):
    with pytest.raises(SimulatorSaidNo, match=message):
        sim.admin.configure(**setting)


def test_the_clock_only_moves_forward(sim):
    with pytest.raises(SimulatorSaidNo, match="0 or more"):
        sim.admin.jump(-1)


def test_an_address_without_a_simulator_is_named(receiver):
    with SimulatorAdmin("http://127.0.0.1:1") as nobody, pytest.raises(SimulatorUnreachable, match="no simulator"):
        nobody.ledger()


def test_an_unknown_path_is_not_found(sim):
    assert httpx.get(f"{sim.url}/v2/tasks", trust_env=False).status_code == 404
