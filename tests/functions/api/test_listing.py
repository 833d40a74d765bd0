"""GET /v1/tasks: filters, pages and their cursors."""

from dataclasses import replace

import pytest

from darkroom.domain.task import Task
from tests.functions.api.client import START, STRANGER, Api, MemoryServices
from tests.support.tasks import a_task, submitted


@pytest.fixture
def tasks(services: MemoryServices) -> list[Task]:
    """Five tasks of dev, a minute apart, oldest first, and one of somebody else."""
    found = [
        a_task(0, at=START, preset="poster@1", user="ann"),
        submitted(a_task(1, at=START + 60, preset="poster@2", user="ann")),
        a_task(2, at=START + 120, preset="draft@1"),
        submitted(a_task(3, at=START + 180)),
        a_task(4, at=START + 240, user="ben, ann"),
    ]
    for task in found:
        services.tasks.add(task)
    services.tasks.add(a_task(5, at=START, owner="somebody-else"))
    services.clock.now = START + 300
    return found


def ids(reply: object) -> list[str]:
    return [task["id"] for task in reply.json["data"]]


def test_a_list_holds_ones_own_tasks_newest_first(api: Api, tasks: list[Task]) -> None:
    reply = api.get("/v1/tasks")

    assert reply.status == 200
    assert ids(reply) == [task.id for task in reversed(tasks)]
    assert (reply.json["has_more"], reply.json["next_cursor"]) == (False, None)
    assert reply.headers["Cache-Control"] == "private, no-store"


def test_following_the_cursors_gives_every_task_once(api: Api, tasks: list[Task]) -> None:
    seen: list[str] = []
    reply = api.get("/v1/tasks", query="limit=2")
    while True:
        seen += ids(reply)
        if not reply.json["has_more"]:
            break
        reply = api.get("/v1/tasks", query=f"limit=2&cursor={reply.json['next_cursor']}")

    assert seen == [task.id for task in reversed(tasks)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status=running", [3, 1]),
        ("status=queued&user=ann", [0]),
        ("status=succeeded", []),
        ("user=ben%2C+ann", [4]),
        ("preset=poster", [1, 0]),
        ("preset=poster@1", [0]),
        ("preset=nope", []),
        ("created_after=2025-11-20T00:55:20.250Z", [4, 3, 2]),
        ("created_after=2025-11-20T01:55:20.250%2B01:00&created_before=2025-11-20t00:57:00z", [3, 2]),
        ("created_before=0001-01-01T00:00:00Z", []),
        ("created_after=1000-01-01T00:00:00Z&created_before=9999-12-31T23:59:59Z", [4, 3, 2, 1, 0]),
        ("limit=100", [4, 3, 2, 1, 0]),
    ],
)
def test_filters_leave_what_fits(api: Api, tasks: list[Task], query: str, expected: list[int]) -> None:
    assert ids(api.get("/v1/tasks", query=query)) == [tasks[index].id for index in expected]


def test_a_filtered_page_may_be_short_and_still_have_more(api: Api, tasks: list[Task]) -> None:
    reply = api.get("/v1/tasks", query="status=running&limit=1")

    assert (ids(reply), reply.json["has_more"]) == ([], True)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("limit=0", {"limit"}),
        ("limit=101", {"limit"}),
        ("limit=ten&status=done", {"limit", "status"}),
        ("limit=%D9%A3", {"limit"}),
        ("stauts=failed&page=2", {"stauts", "page"}),
        ("limit=5&limit=6", {"limit"}),
        ("user=", {"user"}),
        ("preset=", {"preset"}),
        ("created_after=yesterday", {"created_after"}),
        ("created_after=2026-01-31", {"created_after"}),
        ("created_after=2026-01-31T12:00:00", {"created_after"}),
        ("created_before=2026-02-30T12:00:00Z", {"created_before"}),
        ("created_before=2026-01-31T12:00:00+01:00", {"created_before"}),
        ("cursor=", {"cursor"}),
        ("cursor=abc", {"cursor"}),
        ("cursor=%F0%9F%98%80", {"cursor"}),
    ],
)
def test_what_cannot_be_used_is_named(api: Api, query: str, names: set[str]) -> None:
    reply = api.get("/v1/tasks", query=query)

    assert (reply.status, reply.code) == (400, "invalid_query")
    assert set(reply.faults) == names


def test_a_query_that_is_not_utf8_is_refused(api: Api) -> None:
    assert api.get("/v1/tasks", query="user=%FF").code == "invalid_query"


def test_a_cursor_is_good_for_its_owner_only_and_unchanged_only(api: Api, tasks: list[Task]) -> None:
    cursor = api.get("/v1/tasks", query="limit=2").json["next_cursor"]

    foreign = api.get("/v1/tasks", query=f"cursor={cursor}", key=STRANGER)
    changed = api.get("/v1/tasks", query=f"cursor={cursor[:-3]}AAA")

    assert (foreign.code, changed.code) == ("invalid_query", "invalid_query")


def test_a_cursor_outlives_the_rotation_of_the_signing_secret(api: Api, services: MemoryServices, tasks: list[Task]) -> None:
    cursor = api.get("/v1/tasks", query="limit=4").json["next_cursor"]

    old = services.secrets.values["callback_secret"]
    services.secrets.values |= {
        "callback_secret": "another-stack-secret-of-some-length",
        "callback_secret_previous": old,
        "callback_secret_rotated_at": str(int(services.clock())),
    }
    services.secrets.refresh()

    assert ids(api.get("/v1/tasks", query=f"cursor={cursor}")) == [tasks[0].id]


def test_a_list_leaves_the_upstreams_last_body_to_the_single_task(api: Api, services: MemoryServices) -> None:
    from darkroom.domain.task import TaskError

    error = TaskError(code="generation_failed", message="no", upstream_code="X")
    task = replace(submitted(a_task(at=START))).failed(START + 5, error, by="poll")
    services.tasks.add(task)
    services.upstream_says(task.id, "{}")

    listed, single = api.get("/v1/tasks").json["data"][0], api.get(f"/v1/tasks/{task.id}").json

    assert listed["error"]["upstream"]["last_body"] is None
    assert single["error"]["upstream"]["last_body"] == "{}"
