"""The running stack, with processes, sockets and AWS's own client: no canary in anything that it prints or logs."""

from pathlib import Path

import pytest

from local.client import Api, ApiRefused
from tests.pipeline.running import Up
from tests.security.listening import found, told

KEY = "canary-of-the-caller-5d0c2a"
PROMPT = "canary-of-the-prompt-7d1fe0"
CANARIES = {
    "the caller's key": KEY,
    "the webhook secret": "canary-of-the-webhooks-3c84f0",
    "the prompt": PROMPT,
    "metadata": "canary-of-the-metadata-0aa9f3",
}
# Each ends by itself within seconds: by a callback, by polling, or by a refusal. The last one pauses the account.
STORIES = """
    latency create-400 create-422 create-500-accepted create-200-no-id create-dropped-accepted fail output-missing
    callback-lost callback-concurrent callback-forged callback-unsigned callback-tampered create-402
""".split()  # noqa: SIM905  (a list to be read as one)


@pytest.mark.slow
def test_a_running_stack_keeps_its_secrets_to_itself(tmp_path: Path) -> None:
    log = tmp_path / "up.log"
    secrets = {"DARKROOM_API_KEY": KEY, "HIAPI_WEBHOOK_SECRET": CANARIES["the webhook secret"]}

    with Up("--log", str(log), "--verbose", **secrets) as up:
        up.api = Api(up.url, KEY)
        with pytest.raises(ApiRefused):
            Api(up.url, "drk_nobody-knows-this-key").tasks({})
        with pytest.raises(ApiRefused):
            up.ask(PROMPT, aspect_ratio=PROMPT)
        made = up.api.call("POST", "/v1/admin/keys", body={"owner": "shop", "scopes": ["admin"]})
        tasks = [up.ask(f"a heron, {PROMPT} [sim:{story}]") for story in STORIES]
        # A success that names no picture is asked about until its deadline.
        ended = [up.finish(task) for task, story in zip(tasks, STORIES, strict=True) if story != "output-missing"]
        pictures = [up.api.save(image, tmp_path) for task in ended for image in task["images"]]
    written = log.read_text()

    assert len(pictures) >= 8
    assert {task["status"] for task in ended} >= {"succeeded", "failed"}
    assert all(task["id"] in written for task in tasks)
    assert told(CANARIES | {"a new key": made["key"]}, written) == {}
    # The terminal is greeted with the development key, on purpose, and with nothing else.
    assert found({name: value for name, value in CANARIES.items() if value != KEY}, "\n".join([*up.out, *up.err])) == {}
