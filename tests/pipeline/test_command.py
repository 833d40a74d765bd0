"""The `darkroom` command against a running stack: what it prints, its exit statuses, and what it keeps to itself."""

import json
from pathlib import Path

import pytest

from tests.pipeline.running import Up, darkroom


def test_create_and_watch_end_with_0_when_the_task_succeeded(up: Up, tmp_path: Path) -> None:
    done = up.cli("create", "a picture to be saved", "--watch", "--save", str(tmp_path), "--json")

    task = done.found
    assert done.status == 0
    assert task["status"] == "succeeded"
    assert [file.name for file in tmp_path.iterdir()] == [f"{task['images'][0]['id']}.png"]
    assert "succeeded" in done.err


def test_a_failed_task_ends_create_watch_and_show_with_1(up: Up) -> None:
    created = up.cli("create", "cannot be painted [sim:fail]", "--watch", "--json")
    task_id = created.found["id"]

    watched, shown = up.cli("watch", task_id), up.cli("show", task_id)

    assert (created.status, watched.status, shown.status) == (1, 1, 1)
    assert "failed" in shown.out
    assert "charged" in shown.out


def test_create_without_watch_does_not_wait(up: Up) -> None:
    done = up.cli("create", "takes its time [sim:latency seconds=3]", "--json")

    assert done.status == 0
    assert done.found["status"] in ("queued", "running")


def test_input_is_json_where_it_parses_and_text_otherwise(up: Up) -> None:
    done = up.cli(
        "create", "mixed", "--input", "aspect_ratio=9", "--input", "resolution=[true]", "--input", "background=clear", "--json"
    )

    faults = {fault["pointer"]: fault["detail"] for fault in done.found["errors"]}
    assert done.status == 3
    assert set(faults) == {"/input/aspect_ratio", "/input/resolution", "/input/background"}


def test_a_refusal_names_every_field_and_ends_with_3(up: Up) -> None:
    done = up.cli("create", "too wide", "--input", "aspect_ratio=99:1", "--input", "colour=red")

    assert done.status == 3
    assert done.out == ""
    assert "/input/aspect_ratio" in done.err
    assert "/input/colour" in done.err


def test_an_idempotency_key_sent_twice_makes_one_task(up: Up) -> None:
    arguments = ("create", "asked twice", "--idempotency-key", "twice-by-command", "--json")

    first, second = up.cli(*arguments), up.cli(*arguments)

    assert first.found["id"] == second.found["id"]


def test_a_preset_and_metadata_reach_the_task(up: Up) -> None:
    done = up.cli("create", "a poster", "--preset", "poster", "--metadata", "order=8472", "--user", "u_1", "--json")

    assert done.found["preset"] == "poster@1"
    assert done.found["metadata"] == {"order": "8472"}
    assert done.found["user"] == "u_1"


def test_a_task_that_runs_can_be_canceled_and_an_ended_one_retried(up: Up) -> None:
    running = up.cli("create", "not wanted any more [sim:latency seconds=4]", "--json").found
    ended = up.finish(up.ask("wanted once more"))

    canceled = up.cli("cancel", running["id"], "--json")
    retried = up.cli("retry", ended["id"], "--watch", "--json")
    too_late = up.cli("cancel", ended["id"], "--json")

    assert canceled.status == 0
    assert canceled.found["cancel_requested"] is True
    assert (retried.status, retried.found["retry_of"]) == (0, ended["id"])
    assert (too_late.status, too_late.found["code"]) == (3, "already_terminal")


def test_list_shows_the_newest_first_and_fills_its_page(up: Up) -> None:
    newest = [up.ask(f"listed {number}")["id"] for number in range(3)][::-1]

    done, told = up.cli("list", "--limit", "3", "--json"), up.cli("list", "--limit", "3")

    assert [task["id"] for task in done.found["data"]] == newest
    assert [line.split()[0] for line in told.out.splitlines()[1:4]] == newest


def test_a_key_that_is_made_works_until_it_is_revoked(up: Up) -> None:
    made = up.cli("keys", "create", "--owner", "shop", "--scopes", "tasks:write,tasks:read", "--name", "of a test", "--json")
    with_it = {"DARKROOM_API_KEY": made.found["key"]}
    before = up.cli("create", "asked by the shop", "--json", **with_it)
    foreign = up.cli("show", before.found["id"])
    no_admin = up.cli("keys", "list", "--json", **with_it)
    listed = up.cli("keys", "list")

    revoked = up.cli("keys", "revoke", made.found["id"])
    after = up.cli("list", "--json", **with_it)

    assert before.status == 0
    assert foreign.status == 3
    assert (no_admin.status, no_admin.found["code"]) == (3, "scope_missing")
    assert made.found["id"] in listed.out
    assert made.found["key"] not in listed.out
    assert revoked.status == 0
    assert (after.status, after.found["code"]) == (3, "unauthorized")


def test_reconcile_and_redrive_say_what_they_did(up: Up) -> None:
    looked, moved = up.cli("reconcile", "--json"), up.cli("redrive", "--json")

    assert set(looked.found) == {"looked_at", "moved"}
    assert moved.found == {"moved": 0}


def test_the_accounts_at_the_upstreams_are_shown(up: Up) -> None:
    seen, told = up.cli("upstreams", "--json"), up.cli("upstreams")

    (account,) = (one for one in seen.found["data"] if one["id"] == "hiapi")
    assert (account["in_flight_limit"], account["requests_limit"]) == (10, 60)
    assert "waiting" in told.out
    assert "hiapi" in told.out


def test_an_account_is_resumed_by_command(up: Up) -> None:
    resumed = up.cli("upstreams", "resume", "hiapi", "--json")

    assert (resumed.found["id"], resumed.found["shut"]) == ("hiapi", [])


def test_a_fault_is_armed_told_and_withdrawn_by_command(up: Up) -> None:
    armed = up.cli("simulate", "add", "callback-repeated", "n=2", "--times", "3", "--match", "prompt=nobody asks this", "--json")
    listed = up.cli("simulate", "list", "--armed")
    known = up.cli("simulate", "list")
    wrong = up.cli("simulate", "add", "callback-lots")

    up.cli("simulate", "clear")
    cleared = up.cli("simulate", "list", "--armed", "--json")

    assert (armed.found["fault"], armed.found["n"], armed.found["left"]) == ("callback-repeated", 2, 3)
    assert "callback-repeated" in listed.out
    assert "create-429" in known.out
    assert wrong.status == 2
    assert cleared.found == {"faults": []}


def test_the_ledger_tells_what_was_billed(up: Up) -> None:
    task = up.finish(up.ask("counted"))

    found = up.cli("simulate", "ledger", "--json").found

    assert found["tasks"][task["upstream_task_id"]]["billed"] == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("create",),
        ("create", "x", "--preset", "poster", "--model", "gpt-image-2"),
        ("create", "x", "--input", "no-equals-sign"),
        ("create", "x", "--input", "prompt=twice"),
        ("list", "--limit", "0"),
        ("keys", "create", "--owner", "shop"),
        ("keys", "create", "--owner", "shop", "--scopes", "everything"),
        ("show", "task_x", "--url", "somewhere"),
        ("no-such-verb",),
    ],
)
def test_wrong_usage_ends_with_2_before_anybody_is_asked(arguments: tuple[str, ...]) -> None:
    done = darkroom(*arguments, DARKROOM_API_KEY="a-key-that-nobody-knows", DARKROOM_URL="http://127.0.0.1:9")

    assert done.status == 2
    assert done.out == ""


def test_no_key_is_wrong_usage() -> None:
    done = darkroom("list")

    assert done.status == 2
    assert "DARKROOM_API_KEY" in done.err


def test_an_api_that_does_not_answer_ends_with_3_and_a_hint() -> None:
    done = darkroom("list", "--url", "http://127.0.0.1:9", "--api-key", "a-key-that-nobody-knows")

    assert done.status == 3
    assert "darkroom up" in done.err
    assert "Traceback" not in done.err


def test_the_key_is_never_shown(up: Up) -> None:
    secret = "drk_this-key-must-not-be-printed-anywhere"

    done = up.cli("list", DARKROOM_API_KEY=secret)

    assert done.status == 3
    assert secret not in done.out + done.err


@pytest.mark.parametrize(
    "verb", ["demo", "up", "create", "show", "list", "watch", "cancel", "retry", "upstreams", "reconcile", "redrive"]
)
def test_every_verb_explains_itself(verb: str) -> None:
    done = darkroom(verb, "--help")

    assert done.status == 0
    assert len(done.out.splitlines()) >= 6


def test_help_lists_every_verb_of_the_interface() -> None:
    told = darkroom("--help").out

    about_tasks = ("create", "show", "list", "watch", "cancel", "retry")
    verbs = ("demo", "up", *about_tasks, "upstreams", "reconcile", "redrive", "keys", "secrets", "simulate")
    assert [verb for verb in verbs if f"\n  {verb} " not in told] == []


def test_json_output_is_one_object_even_when_the_api_says_no(up: Up) -> None:
    done = up.cli("show", "task_00000000000000000000000000", "--json")

    assert done.status == 3
    assert json.loads(done.out)["code"] == "not_found"
