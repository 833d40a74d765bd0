"""The official client of the package index, driven against the simulator: proof that it speaks the contract."""

import hiapi
import httpx
import pytest

from local.simulator.server import Simulator

MODEL = "gpt-image-2/text-to-image"
KITE = {"prompt": "a red kite", "aspect_ratio": "3:2"}
QUICK = {"poll_interval": 0.01, "timeout": 20}


@pytest.fixture
def client(sim, secret):
    return hiapi.HiAPI(api_key="sim-key", base_url=sim.url, webhook_secret=secret)


@pytest.fixture(scope="module")
def flowing():
    """A simulator whose time flows by itself, a hundred times as fast."""
    with Simulator(time_scale=100, latency_s=20) as simulator:
        yield simulator


@pytest.fixture
def runner(flowing):
    flowing.admin.reset()
    return hiapi.HiAPI(api_key="sim-key", base_url=flowing.url + "/v1")


def test_create_and_retrieve(client, api):
    created = client.tasks.create(model=MODEL, input=KITE | {"quality": "low"}, route="ext")

    task = client.tasks.retrieve(created.task_id)
    done = hiapi.Task.from_dict(api.finish(created.task_id))

    assert (task.task_id, task.status, task.completed_at) == (created.task_id, "queued", None)
    assert (task.model, task.route, task.storage) == (f"{MODEL}@ext", "ext", "temp")
    assert created.idempotent_replay is False
    assert done.succeeded
    assert done.output[0].expire_at == done.completed_at + 604_800


def test_list_pages_newest_first(client):
    ids = [client.tasks.create(model=MODEL, input=KITE).task_id for _ in range(3)]

    page = client.tasks.list(page=1, size=2)

    assert [task.task_id for task in page.items] == [ids[2], ids[1]]
    assert (page.page, page.size, page.total) == (1, 2, 3)


def test_run_gives_a_picture_that_can_be_fetched(runner):
    task = runner.tasks.run(model=MODEL, input=KITE, **QUICK)

    picture = httpx.get(task.output[0].url, trust_env=False)

    assert task.succeeded
    assert picture.content.startswith(b"\x89PNG")


def test_wait_sees_the_walk_in_order(runner):
    seen: list[str] = []
    created = runner.tasks.create(model=MODEL, input=KITE)

    runner.tasks.wait(created.task_id, on_update=lambda task: seen.append(task.status), **QUICK)

    walk = ["queued", "handling", "archiving", "success"]
    assert seen == [status for status in walk if status in seen]
    assert seen[-1] == "success"


def test_run_raises_what_a_failed_task_says(runner):
    with pytest.raises(hiapi.TaskFailed, match="too bold") as caught:
        runner.tasks.run(model=MODEL, input={"prompt": "[sim:fail code=TASK_TIMEOUT message='too bold']"}, **QUICK)

    assert caught.value.code == "TASK_TIMEOUT"


def test_wait_gives_up_on_a_task_that_hangs(runner):
    created = runner.tasks.create(model=MODEL, input={"prompt": "[sim:hang]"})

    with pytest.raises(hiapi.PollTimeout):
        runner.tasks.wait(created.task_id, poll_interval=0.01, timeout=0.1)


def test_a_repeated_create_is_a_replay(client, sim):
    first = client.tasks.create(model=MODEL, input=KITE, idempotency_key="k-1")
    second = client.tasks.create(model=MODEL, input=KITE, idempotency_key="k-1", route="")

    assert (first.idempotent_replay, second.idempotent_replay) == (False, True)
    assert first.task_id == second.task_id
    assert sim.admin.totals()["billed"] == 1


@pytest.mark.parametrize(
    ("fault", "params"),
    [
        ("create-429", {"retry_after": 0}),
        ("create-429", {"retry_after": 1, "retry_after_date": True}),
        ("create-429", {}),
        ("create-503", {}),
        ("create-409-processing", {"retry_after": 0}),
    ],
)
def test_17_18_the_client_tries_again_and_ends_with_one_task(client, sim, fault, params):
    sim.admin.arm(fault, **params)

    created = client.tasks.create(model=MODEL, input=KITE, idempotency_key="k-1")

    assert client.tasks.retrieve(created.task_id).status == "queued"
    assert sim.admin.ledger()["by_key"]["k-1"]["posts"] == 2
    assert sim.admin.totals()["billed"] == 1


def test_18_a_create_without_a_key_is_repeated_after_503_too(client, sim):
    sim.admin.arm("create-503", retry_after=0)

    client.tasks.create(model=MODEL, input=KITE)

    assert (sim.admin.totals()["posts"], sim.admin.totals()["billed"]) == (2, 1)


@pytest.mark.parametrize(("fault", "replayed"), [("create-dropped-accepted", True), ("create-dropped", False)])
def test_19_a_keyed_client_survives_a_dropped_connection_with_one_task(client, sim, fault, replayed):
    sim.admin.arm(fault)

    created = client.tasks.create(model=MODEL, input=KITE, idempotency_key="k-1")

    assert created.idempotent_replay is replayed
    assert sim.admin.ledger()["by_key"]["k-1"]["task_ids"] == [created.task_id]
    assert sim.admin.totals()["billed"] == 1


def test_19_a_keyless_client_cannot_know(client, sim):
    sim.admin.arm("create-dropped-accepted")

    with pytest.raises(hiapi.APIConnectionError):
        client.tasks.create(model=MODEL, input=KITE)

    assert sim.admin.totals()["billed"] == 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("create-400", hiapi.InvalidRequestError),
        ("create-401", hiapi.AuthenticationError),
        ("create-422", hiapi.IdempotencyKeyMismatchError),
        ("create-502-accepted", hiapi.APIError),
        ("create-200-truncated", hiapi.APIError),
    ],
)
def test_the_client_names_the_errors(client, sim, fault, error):
    sim.admin.arm(fault)

    with pytest.raises(error):
        client.tasks.create(model=MODEL, input=KITE, idempotency_key="k-1")


def test_the_client_finds_no_error_where_the_docs_say_so(client, sim):
    """hiapi-python 0.2.1 turns a 200 that holds an error into an empty id, silently."""
    sim.admin.arm("create-200-error")

    assert client.tasks.create(model=MODEL, input=KITE).task_id == ""


def test_an_unknown_task_is_not_found(client):
    with pytest.raises(hiapi.NotFoundError):
        client.tasks.retrieve("tk-hiapi-01HZTQ8BX2N3GM3YFK4Z9D7VQR")


@pytest.mark.parametrize("prompt", ["a red kite", "[sim:fail]"])
def test_20_its_verifier_accepts_what_was_delivered(client, api, receiver, prompt):
    created = client.tasks.create(model=MODEL, input={"prompt": prompt}, callback={"url": receiver.url, "when": "final"})
    api.finish(created.task_id)
    [delivery] = receiver.wait(1)

    task = client.webhooks.verify(delivery.body, delivery.headers)

    assert task == client.tasks.retrieve(created.task_id)


@pytest.mark.parametrize("fault", ["forged", "unsigned", "tampered", "stale", "future"])
def test_20_its_verifier_refuses_what_was_delivered_wrongly(client, api, receiver, fault):
    prompt = f"[sim:callback-{fault}]"
    created = client.tasks.create(model=MODEL, input={"prompt": prompt}, callback={"url": receiver.url})
    api.finish(created.task_id)
    [delivery] = receiver.wait(1)

    with pytest.raises(hiapi.WebhookVerificationError):
        client.webhooks.verify(delivery.body, delivery.headers)
