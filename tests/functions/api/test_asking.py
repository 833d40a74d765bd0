"""Who may ask, and what every answer has in common."""

import base64
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from darkroom.errors import ConfigurationError, StorageUnavailable
from darkroom.web.about import OPENAPI
from darkroom.web.endpoints import ENDPOINTS
from tests.functions.api.client import KEY, START, Api, MemoryServices, Reply, allow, poster
from tests.support.tasks import a_task

WITH_KEY = [endpoint for endpoint in ENDPOINTS if endpoint.scope is not None]
SCOPED = [endpoint for endpoint in WITH_KEY if endpoint.scope]


def named(endpoint: Any) -> str:
    return str(endpoint.name)


def path_of(endpoint: Any) -> str:
    ids = {
        "task_id": "task_01KBCDEFGHJKMNPQRSTVWXYZ01",
        "image_id": "img_01KBCDEFGHJKMNPQRSTVWXYZ010100",
        "key_id": "key_1",
        "account_id": "hiapi",
    }
    return str(endpoint.path.format(**ids))


@pytest.mark.parametrize("endpoint", WITH_KEY, ids=named)
@pytest.mark.parametrize(
    "authorization", [None, "Bearer", "Bearer ", "Basic ZGV2OmRldg==", KEY, "Bearer drk_unknown", f"Bearer {KEY} x"]
)
def test_without_a_key_that_is_known_nothing_is_answered(api: Api, endpoint: Any, authorization: str | None) -> None:
    headers = {} if authorization is None else {"authorization": authorization}

    reply = api.call(endpoint.method, path_of(endpoint), key=None, **headers)

    assert reply.status == 401
    assert reply.headers["WWW-Authenticate"].startswith('Bearer realm="darkroom"')
    assert reply.headers["x-should-retry"] == "false"


def test_the_scheme_may_be_written_in_any_case(api: Api) -> None:
    assert api.get("/v1/tasks", authorization=f"bEARER  {KEY}").status == 200


@pytest.mark.parametrize("query", [f"api_key={KEY}", f"key={KEY}", "access_token=x", "Token=y", f"limit=5&q={KEY}"])
def test_a_key_in_the_url_is_refused_even_beside_a_good_header(api: Api, query: str) -> None:
    reply = api.get("/v1/tasks", query=query)

    assert (reply.status, reply.code) == (401, "unauthorized")
    assert "URL" in reply.json["detail"]


def test_a_revoked_key_is_told_so(api: Api, services: MemoryServices) -> None:
    found = allow(services, "drk_to-be-revoked-00000", owner="dev")
    services.api_keys.revoke(found.id, now=START)

    reply = api.get("/v1/tasks", key="drk_to-be-revoked-00000")

    assert (reply.status, reply.json["detail"]) == (401, "this API key was revoked")


@pytest.mark.parametrize("endpoint", SCOPED, ids=named)
def test_every_other_scope_is_not_enough(api: Api, services: MemoryServices, endpoint: Any) -> None:
    others = tuple(scope for scope in ("tasks:write", "tasks:read", "admin") if scope != endpoint.scope)
    allow(services, "drk_all-but-the-right-one", owner="dev", scopes=others)

    reply = api.call(endpoint.method, path_of(endpoint), key="drk_all-but-the-right-one")

    assert reply.status == 403
    assert f'scope="{endpoint.scope}"' in reply.headers["WWW-Authenticate"]
    assert endpoint.method == "HEAD" or reply.code == "scope_missing"


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/tasks/", "/v1/task", "/v1/tasks/a/b", "/v1/images", "/v1/tasks/task_1/cancel/x", "//", ""]
)
def test_a_path_that_is_not_there_is_a_problem_document_too(api: Api, path: str) -> None:
    reply = api.get(path)

    assert (reply.status, reply.code) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/v1/tasks", "GET, POST"),
        ("DELETE", "/v1/tasks/task_1", "GET"),
        ("GET", "/v1/tasks/task_1/cancel", "POST"),
        ("OPTIONS", "/v1/images/img_1", "GET, HEAD"),
        ("PATCH", "/v1/admin/keys", "GET, POST"),
        ("HEAD", "/healthz", "GET"),
        ("GET", "/v1/callbacks/hiapi/task_1/0123abcd.1.00", "POST"),
    ],
)
def test_a_method_that_a_path_does_not_take_is_told_which_it_takes(api: Api, method: str, path: str, allow: str) -> None:
    reply = api.call(method, path)

    assert (reply.status, reply.headers["Allow"]) == (405, allow)


def test_a_callback_that_lands_here_finds_nothing(api: Api) -> None:
    assert api.post("/v1/callbacks/hiapi/task_1/token", {}).status == 404


def test_a_problem_document_has_all_that_rfc_9457_and_our_contract_want(api: Api) -> None:
    reply = api.get("/v1/tasks/task_1")

    assert reply.headers["Content-Type"] == "application/problem+json"
    assert reply.json == {
        "type": "urn:darkroom:problem:not_found",
        "title": "There is no such thing here",
        "status": 404,
        "detail": "you have no such task",
        "instance": "urn:darkroom:request:req_JKJaXmPLvHcESHA=",
        "code": "not_found",
        "request_id": "req_JKJaXmPLvHcESHA=",
        "retryable": "no",
    }


@pytest.mark.parametrize("endpoint", WITH_KEY, ids=named)
def test_parameters_that_nobody_knows_are_refused(api: Api, endpoint: Any) -> None:
    reply = api.call(endpoint.method, path_of(endpoint), query="frobnicate=1")

    assert reply.status == 400
    assert endpoint.method == "HEAD" or (reply.code, list(reply.faults)) == ("invalid_query", ["frobnicate"])


def test_health_and_the_openapi_document_need_no_key(api: Api) -> None:
    health, described = api.get("/healthz", key=None, query="t=1"), api.get("/openapi.json", key=None)

    assert (health.status, health.json) == (200, {"status": "ok", "stage": "prod"})
    assert (described.status, described.text) == (200, OPENAPI.read_text())


def _away(name: str) -> None:
    raise StorageUnavailable("scripted")


@pytest.mark.parametrize(
    ("method", "path", "headers", "retryable"),
    [
        ("GET", "/v1/tasks", {}, "same"),
        ("GET", "/v1/tasks/task_01KBCDEFGHJKMNPQRSTVWXYZ01", {}, "same"),
        ("POST", "/v1/tasks/task_01KBCDEFGHJKMNPQRSTVWXYZ01/cancel", {}, "same"),
        ("POST", "/v1/tasks", {}, "manual"),
        ("POST", "/v1/tasks", {"idempotency_key": "k"}, "same"),
        ("POST", "/v1/tasks/task_01KBCDEFGHJKMNPQRSTVWXYZ01/retry", {}, "manual"),
    ],
)
def test_a_table_that_is_away_is_503_and_says_what_may_be_sent_again(
    api: Api, services: MemoryServices, method: str, path: str, headers: dict[str, str], retryable: str
) -> None:
    services.tasks.on_call = services.claims.on_call = _away
    body = poster() if path == "/v1/tasks" and method == "POST" else None

    reply = api.call(method, path, body, **headers)

    assert (reply.status, reply.code, reply.json["retryable"]) == (503, "unavailable", retryable)
    assert reply.headers["Retry-After"] == "2"
    assert ("x-should-retry" in reply.headers) is (retryable == "manual")


def test_a_create_can_be_sent_again_when_only_the_key_could_not_be_looked_up(api: Api, services: MemoryServices) -> None:
    class Away:
        def find(self, sha256: str) -> None:
            raise StorageUnavailable("scripted")

    services.api_keys = Away()

    assert api.create().json["retryable"] == "same"


def test_a_task_that_never_stands_still_is_503(api: Api, services: MemoryServices) -> None:
    from darkroom.errors import TaskChanged

    task = a_task(at=START)
    services.tasks.add(task)

    def moved(name: str) -> None:
        if name == "tasks.move":
            raise TaskChanged("scripted")

    services.tasks.on_call = moved

    assert api.post(f"/v1/tasks/{task.id}/cancel").status == 503


@pytest.mark.parametrize("error", [RuntimeError("a detail that is nobody's business"), ConfigurationError("callback_secret")])
def test_an_error_that_nobody_foresaw_is_a_problem_document_without_its_details(
    api: Api, services: MemoryServices, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: str) -> None:
        raise error

    services.tasks.on_call = fail

    reply = api.get("/v1/tasks/task_01KBCDEFGHJKMNPQRSTVWXYZ01")

    assert (reply.status, reply.code) == (500, "internal_error")
    assert str(error) not in reply.text


def test_the_request_is_logged_without_its_path_key_or_prompt(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    reply = api.create("a very private prompt", idempotency_key="k")

    api.get("/v1/secret-path")
    lines = [vars(record) for record in caplog.records if record.msg == "request"]
    assert lines[0]["route"] == "/v1/tasks"
    assert (lines[0]["method"], lines[0]["status"], lines[0]["owner"]) == ("POST", 202, "dev")
    assert lines[0]["task_id"] == reply.json["id"]
    assert lines[0]["request_id"] == reply.headers["X-Request-Id"]
    assert not any(secret in str(lines) for secret in ("private prompt", KEY, "secret-path"))


@pytest.mark.parametrize(
    ("send", "metric"),
    [
        (lambda api: api.create(), "TasksCreated"),
        (lambda api: (api.create(idempotency_key="k"), api.create(idempotency_key="k")), "TasksReplayed"),
        (lambda api: api.post("/v1/tasks", {}), "ValidationErrors"),
        (lambda api: api.post("/v1/tasks", raw="{"), "ValidationErrors"),
    ],
)
def test_what_happens_is_counted(api: Api, capsys: pytest.CaptureFixture[str], send: Any, metric: str) -> None:
    send(api)

    assert f'"{metric}":[1.0]' in capsys.readouterr().out


def test_a_refusal_of_our_account_is_counted_for_the_alarm(
    api: Api, services: MemoryServices, capsys: pytest.CaptureFixture[str]
) -> None:
    from darkroom.errors import UpstreamRefused

    services.gateway.submits.append(UpstreamRefused("no", reason="upstream_auth"))

    api.create()

    out = capsys.readouterr().out
    assert '"UpstreamRefusedUs":[1.0]' in out
    assert '"TasksFailed":[1.0]' in out


def test_a_probe_of_a_paused_account_that_is_refused_again_is_counted_and_its_task_waits(
    api: Api, services: MemoryServices, capsys: pytest.CaptureFixture[str]
) -> None:
    from darkroom.errors import UpstreamRefused

    services.gateway.submits.extend(UpstreamRefused("no", reason="upstream_auth") for _ in range(2))
    api.create()
    services.clock.now += 61
    capsys.readouterr()

    probe = api.create()

    out = capsys.readouterr().out
    assert probe.json["status"] == "queued"
    assert '"UpstreamRefusedUs":[1.0]' in out
    assert "TasksFailed" not in out


@pytest.mark.parametrize(
    "broken",
    [
        {"requestContext": {"http": {"method": "GET", "path": "/v1/tasks"}, "stage": "$default"}, "rawPath": "/v1/tasks"},
        {
            "requestContext": {"http": {"method": "get"}, "stage": "$default", "requestId": "a b\n"},
            "rawPath": "/healthz",
            "headers": None,
        },
    ],
)
def test_an_event_that_lacks_half_of_its_fields_is_still_answered(api: Api, broken: dict[str, Any]) -> None:
    import functions.api.app as app
    from tests.functions.api.client import Context

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        answer = app.handler(broken, Context())

    assert answer["statusCode"] in (200, 401, 404)
    assert answer["headers"]["X-Request-Id"].startswith("req_")


def test_bytes_in_a_header_that_are_no_ascii_do_no_harm(api: Api) -> None:
    assert api.get("/v1/tasks", authorization="Bearer dr\udcffk_é").status == 401


def test_a_get_with_a_body_is_answered_as_one_without(api: Api) -> None:
    raw = base64.b64encode(b"\xff").decode()

    assert api.get("/v1/tasks", raw=raw, base64=True).status == 200


def test_replies_to_other_methods_on_images_have_no_body(api: Api) -> None:
    reply: Reply = api.call("HEAD", "/v1/images/x")

    assert (reply.status, reply.text) == (404, "")


def test_requests_that_are_answered_side_by_side_do_not_see_each_other(api: Api, services: MemoryServices) -> None:
    owners = [f"owner-{number}" for number in range(8)]
    for owner in owners:
        allow(services, f"drk_key-of-{owner}-0000", owner=owner)

    def work(owner: str) -> set[str]:
        key = f"drk_key-of-{owner}-0000"
        for number in range(12):
            made = api.create(f"{owner} {number}", key=key).json["id"]
            assert api.get(f"/v1/tasks/{made}", key=key).json["id"] == made
            assert api.get(f"/v1/nowhere-{owner}", key=key).status == 404
        return {services.tasks.tasks[task["id"]].owner for task in api.get("/v1/tasks", key=key).json["data"]}

    with ThreadPoolExecutor(len(owners)) as pool:
        assert list(pool.map(work, owners)) == [{owner} for owner in owners]
