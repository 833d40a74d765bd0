"""What is left of a stack on an external endpoint after `kill -9`: everything that matters."""

import json
from collections.abc import Iterator

import pytest

from local.parts import STACK
from local.simulator.server import Simulator
from tests.pipeline.running import Up, wait_for
from tests.support.aws import Aws


@pytest.fixture
def upstream() -> Iterator[Simulator]:
    """An upstream that survives the stack."""
    with Simulator(webhook_secret="whsec_of_the_restart_test", latency_s=1.0) as simulator:
        yield simulator


def on(aws: Aws, upstream: Simulator) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": aws.endpoint,
        "HIAPI_WEBHOOK_SECRET": "whsec_of_the_restart_test",
        "DARKROOM_ALLOWED_OUTPUT_ORIGINS": upstream.url,
    }


def secret_of(aws: Aws) -> dict[str, str]:
    found: dict[str, str] = json.loads(aws.clients.secretsmanager.get_secret_value(SecretId=f"{STACK}-secret")["SecretString"])
    return found


@pytest.mark.ministack
def test_the_tasks_of_a_killed_stack_are_finished_by_the_next_one(ministack: Aws, upstream: Simulator) -> None:
    env = on(ministack, upstream)
    with Up("--upstream-url", upstream.url, **env) as first:
        done = first.finish(first.ask("finished before the end"))
        lost = first.ask("its callback is lost [sim:callback-lost]", key="lost")
        late = first.ask("its callback finds nobody [sim:latency seconds=3]")
        secret = secret_of(ministack)
        first.kill()

    with Up("--upstream-url", upstream.url + "/v1", "--port", first.url.rpartition(":")[2], **env) as second:
        after = [second.finish(task) for task in (lost, late)]
        replayed = second.ask("its callback is lost [sim:callback-lost]", key="lost")
        before = second.api.task(done["id"])

    assert [task["status"] for task in after] == ["succeeded", "succeeded"]
    assert replayed["id"] == lost["id"]
    assert before["images"] == done["images"]
    assert secret_of(ministack)["callback_secret"] == secret["callback_secret"]
    assert upstream.admin.totals()["billed"] == 3


@pytest.mark.ministack
def test_values_of_the_secret_change_with_the_environment_and_no_others(ministack: Aws, upstream: Simulator) -> None:
    manager = ministack.clients.secretsmanager
    with Up("--upstream-url", upstream.url, **on(ministack, upstream), HIAPI_API_KEY="sim-key"):
        known = secret_of(ministack)
        kept = known | {"hiapi_webhook_secret_previous": "whsec_kept_by_somebody"}
        manager.put_secret_value(SecretId=f"{STACK}-secret", SecretString=json.dumps(kept))

    with Up("--upstream-url", upstream.url, **on(ministack, upstream), HIAPI_API_KEY="another-key"):
        assert secret_of(ministack) == kept | {"hiapi_api_key": "another-key"}


@pytest.mark.ministack
def test_a_picture_on_an_external_endpoint_is_fetched_without_the_key(ministack: Aws, upstream: Simulator, tmp_path) -> None:
    with Up("--upstream-url", upstream.url, **on(ministack, upstream)) as up:
        task = up.finish(up.ask("kept elsewhere"))

        saved = up.api.save(task["images"][0], tmp_path)

        assert saved.stat().st_size == task["images"][0]["bytes"]


def test_polling_alone_finishes_every_task_when_no_callback_can_arrive(upstream: Simulator) -> None:
    env = {"DARKROOM_ALLOWED_OUTPUT_ORIGINS": upstream.url, "DARKROOM_PUBLIC_URL": "http://127.0.0.1:9"}
    env |= {"DARKROOM_FIRST_CHECK_S": "2", "DARKROOM_RECHECK_MAX_S": "2"}
    with Up("--upstream-url", upstream.url, **env) as up:
        asked = [up.ask(f"number {number} of three that nobody calls about") for number in range(3)]

        ended = [up.finish(task) for task in asked]

    assert [task["status"] for task in ended] == ["succeeded"] * 3
    assert {task["settled_by"] for task in ended} == {"poll"}
    assert upstream.admin.totals()["billed"] == 3


def test_an_unsigned_callback_of_an_upstream_without_a_secret_is_confirmed_before_it_counts() -> None:
    with Simulator(latency_s=0.5) as unsigned:
        with Up("--upstream-url", unsigned.url, DARKROOM_ALLOWED_OUTPUT_ORIGINS=unsigned.url) as up:
            task = up.finish(up.ask("told without a signature"))

            row = wait_for(lambda: unsigned.admin.task(task["upstream_task_id"]), "the ledger's row")

    assert task["status"] == "succeeded"
    assert row["deliveries"][0]["status"] == 200
    assert row["gets"] == 1


def test_an_output_of_an_origin_that_is_not_allowed_is_never_fetched(upstream: Simulator) -> None:
    with Up("--upstream-url", upstream.url, HIAPI_WEBHOOK_SECRET="whsec_of_the_restart_test") as up:
        task = up.finish(up.ask("kept where nobody may look"))

    assert task["status"] == "failed"
    assert task["error"]["code"] in ("storage_failed", "no_output")
    assert upstream.admin.totals()["downloads"] == 0
