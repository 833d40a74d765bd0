"""The conformance list for a HiAPI simulator, driven over the wire: creating, looking, keys and errors."""

import threading

import httpx
import pytest

EXT = {"model": "gpt-image-2/text-to-image", "input": {"prompt": "a kite", "quality": "low"}}
DAY_S = 24 * 3600


def error(answer: httpx.Response) -> tuple[int, str | None]:
    return answer.status_code, answer.json().get("error_code")


def test_1_a_create_answers_with_a_task_id_of_35_characters(api):
    answer = api.create()

    assert answer.status_code == 200
    assert (answer.json()["code"], answer.json()["message"]) == (200, "success")
    assert answer.json()["data"]["taskId"].startswith("tk-hiapi-")
    assert len(answer.json()["data"]["taskId"]) == 35
    assert answer.headers["x-request-id"]


def test_2_a_route_is_echoed_and_becomes_part_of_the_model(api):
    task = api.look(api.begin(**EXT, route="ext"))

    assert (task["model"], task["route"]) == ("gpt-image-2/text-to-image@ext", "ext")


def test_2_a_route_may_also_be_a_suffix_of_the_model(api):
    task = api.look(api.begin(model=EXT["model"] + "@ext", input=EXT["input"]))

    assert task["model"] == "gpt-image-2/text-to-image@ext"
    assert "route" not in task


@pytest.mark.parametrize("route", ["", "default"])
def test_3_an_empty_and_a_default_route_are_the_same_as_none(api, route):
    task = api.look(api.begin(route=route))

    assert task["model"] == "gpt-image-2/text-to-image"
    assert "route" not in task


def test_4_an_unknown_route_is_refused_with_the_list_of_routes(api):
    answer = api.create(route="nowhere")

    assert error(answer) == (400, "INVALID_REQUEST")
    assert all(route in answer.json()["message"] for route in ("default", "beta", "ext"))


@pytest.mark.parametrize("inside", [{"callback": {"url": "https://a.example/"}}, {"storage": "temp"}, {"route": "ext"}])
@pytest.mark.parametrize("model", ["gpt-image-2/text-to-image", "z-image"])
def test_5_top_level_fields_are_refused_inside_input(api, inside, model):
    answer = api.create(model=model, input={"prompt": "a kite", **inside})

    assert error(answer) == (400, "INVALID_REQUEST")
    assert next(iter(inside)) in answer.json()["message"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"input": {"prompt": "a kite", "aspect": "1:1"}},
        {"input": {"prompt": "a kite", "aspect_ratio": "7:5"}},
        {"input": {"prompt": "a kite", "resolution": "2K"}},
        {"input": {}},
        {"input": "a kite"},
        {"callback_url": "https://a.example/"},
        {"callback": {"url": "ftp://a.example/"}},
        {"callback": {"url": "https://a.example/", "when": "always"}},
        {"storage": "forever"},
        {"model": "no-such-model"},
        {"model": None},
    ],
)
def test_6_unknown_fields_and_values_outside_their_list_are_refused(api, sim, wrong):
    answer = api.create(**wrong)

    assert error(answer) == (400, "INVALID_REQUEST")
    assert sim.admin.totals()["accepted"] == 0


def test_6_a_retired_model_is_refused(api):
    assert error(api.create(model="gpt-image-2-pro")) == (400, "MODEL_UNAVAILABLE")


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"model":"\xff"}', b""])
def test_6_a_body_that_is_no_json_object_in_utf_8_is_refused(api, body):
    answer = api.http.post("/v1/tasks", content=body, headers={"Content-Type": "application/json"})

    assert error(answer) == (400, "INVALID_REQUEST")


def test_7_another_content_type_is_refused(api):
    answer = api.http.post("/v1/tasks", content=b"{}", headers={"Content-Type": "text/plain"})

    assert answer.status_code == 415


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic sim-key"}])
def test_8_a_bad_key_is_refused_everywhere(sim, header):
    with httpx.Client(base_url=sim.url, headers=header, trust_env=False) as stranger:
        answers = [stranger.get("/v1/tasks"), stranger.get("/v1/models"), stranger.post("/v1/tasks", json={})]

    assert [answer.status_code for answer in answers] == [401, 401, 401]


def test_8_a_bad_key_can_be_answered_with_http_200(sim):
    sim.admin.configure(bad_key_as_200=True)

    answer = httpx.post(f"{sim.url}/v1/tasks", json={}, trust_env=False)

    assert answer.status_code == 200
    assert answer.json()["error"]["code"] == "permission_denied"
    assert answer.json()["error"]["type"] == "hiapi_error"


def test_9_a_low_balance_makes_no_task(api, sim):
    sim.admin.configure(balance=1)

    first, second = api.create(), api.create()

    assert (first.status_code, second.status_code) == (200, 402)
    assert sim.admin.totals()["billed"] == 1


def test_10_a_task_walks_through_its_statuses_and_completes_once_it_ends(api, sim, eventually):
    task_id = api.begin()
    seen = [api.look(task_id)]
    for seconds in (2, 7):
        sim.admin.jump(seconds)
        seen.append(api.look(task_id))

    final = api.finish(task_id)

    assert [task["status"] for task in seen] == ["queued", "handling", "archiving"]
    assert [task["completed"] for task in seen] == [0, 0, 0]
    assert not any("output" in task or "error" in task for task in seen)
    assert final["status"] == "success"
    assert final["completed"] >= final["created"]
    assert final["output"][0]["type"] == "image"
    assert final["output"][0]["expireAt"] == final["completed"] + 7 * DAY_S
    assert "error" not in final


def test_10_a_failed_generation_is_http_200_with_a_reason(api):
    task = api.make("[sim:fail code=TASK_TIMEOUT message='too slow']")

    assert (task["status"], task["error"]) == ("fail", {"code": "TASK_TIMEOUT", "message": "too slow"})
    assert "output" not in task


def test_11_the_list_is_paged_newest_first_without_input(api):
    ids = [api.begin(f"kite {number}") for number in range(12)]

    first = api.http.get("/v1/tasks").json()["data"]
    second = api.http.get("/v1/tasks", params={"page": 2, "size": 5}).json()["data"]

    assert (first["page"], first["size"], first["total"]) == (1, 10, 12)
    assert [task["taskId"] for task in first["tasks"]] == ids[:1:-1]
    assert [task["taskId"] for task in second["tasks"]] == ids[6:1:-1]
    assert not any("input" in task for task in first["tasks"])


@pytest.mark.parametrize("size", ["0", "101", "-1", "many"])
def test_11_a_size_out_of_range_falls_back_to_the_default(api, size):
    answer = api.http.get("/v1/tasks", params={"page": "0", "size": size}).json()

    assert (answer["data"]["page"], answer["data"]["size"]) == (1, 10)


def test_12_an_unknown_and_a_foreign_task_cannot_be_told_apart(api, sim):
    sim.admin.configure(api_keys={"sim-key": "main", "other-key": "other"})
    theirs = api.begin()
    other = {"Authorization": "Bearer other-key"}

    foreign = api.http.get(f"/v1/tasks/{theirs}", headers=other)
    unknown = api.http.get("/v1/tasks/tk-hiapi-01HZTQ8BX2N3GM3YFK4Z9D7VQR", headers=other)

    assert (foreign.status_code, foreign.json()) == (404, unknown.json())
    assert api.http.get("/v1/tasks", headers=other).json()["data"]["total"] == 0


def test_13_the_same_key_and_bytes_give_the_same_answer_once_billed(api, sim):
    first, second = api.create(key="k-1"), api.create(key="k-1")

    assert (second.status_code, second.content) == (200, first.content)
    assert second.headers["Idempotent-Replay"] == "true"
    assert "Idempotent-Replay" not in first.headers
    assert sim.admin.ledger()["by_key"]["k-1"] == {
        "posts": 2,
        "accepted": 1,
        "billed": 1,
        "replays": 1,
        "task_ids": [first.json()["data"]["taskId"]],
    }


def test_14_the_same_key_with_other_bytes_is_a_mismatch(api):
    api.create("a kite", key="k-1")

    assert error(api.create("a  kite", key="k-1")) == (422, "IDEMPOTENCY_KEY_MISMATCH")


def test_14_a_refused_create_leaves_its_key_free(api):
    refused = api.create(key="k-1", storage="forever")

    assert refused.status_code == 400
    assert api.create(key="k-1").status_code == 200


def test_15_a_key_whose_first_request_is_running_is_busy(api, sim, eventually):
    sim.admin.arm("create-slow", seconds=2)
    first: list[httpx.Response] = []
    running = threading.Thread(target=lambda: first.append(api.create(key="k-1")))
    running.start()
    eventually(lambda: sim.admin.totals()["accepted"] == 1)

    busy = api.create(key="k-1")
    running.join()

    assert error(busy) == (409, "IDEMPOTENCY_KEY_PROCESSING")
    assert busy.headers["Retry-After"] == "5"
    assert api.create(key="k-1").content == first[0].content
    assert sim.admin.totals()["billed"] == 1


def test_16_a_key_is_forgotten_after_24_hours(api, sim):
    first = api.begin(key="k-1")
    sim.admin.jump(DAY_S - 1)
    still = api.begin(key="k-1")
    sim.admin.jump(1)

    later = api.begin(key="k-1")

    assert still == first
    assert later != first
    assert sim.admin.ledger()["by_key"]["k-1"]["billed"] == 2


def test_16_a_key_can_be_aged_on_command(api, sim):
    first = api.begin(key="k-1")
    sim.admin.arm("key-aged", match={"idempotency_key": "k-1"})

    assert api.begin(key="k-1") != first


def test_16_the_clock_can_jump_at_a_create(api):
    first = api.begin(key="k-1")

    api.begin("[sim:clock-jump seconds=90000]")

    assert api.begin(key="k-1") != first


@pytest.mark.parametrize("length", [255, 256])
def test_a_key_has_at_most_255_bytes(api, length):
    assert api.create(key="k" * length).status_code == (200 if length == 255 else 400)


def test_a_request_limit_is_announced_and_enforced_over_posts_and_gets(api, sim):
    sim.admin.configure(requests_per_minute=2)
    created = api.create()
    looked = api.http.get("/v1/tasks")

    refused = api.create()
    sim.admin.jump(60)

    assert [answer.headers["X-RateLimit-Remaining"] for answer in (created, looked)] == ["1", "0"]
    assert error(refused) == (429, "rate_limit_exceeded")
    assert refused.headers["X-RateLimit-Limit"] == "2"
    assert api.create().status_code == 200


def test_a_limit_of_tasks_in_flight_is_enforced(api, sim):
    sim.admin.configure(concurrent_tasks=1)
    running = api.begin()

    refused = api.create()
    api.finish(running)

    assert error(refused) == (429, "rate_limit_exceeded")
    assert api.create().status_code == 200


def test_the_models_are_listed_and_their_schemas_are_public(api, sim):
    ids = [row["id"] for row in api.http.get("/v1/models").json()["data"]]

    answer = httpx.get(f"{sim.url}/api/models/content", params={"name": "gpt-image-2@ext"}, trust_env=False)
    schema = answer.json()["data"]["input_schema"]
    listed = httpx.get(f"{sim.url}/docs/models.json", trust_env=False).json()["models"]

    assert "Nano-Banana-2" in ids
    assert [(row["id"], row["category"]) for row in listed] == [(name, "image") for name in ids]
    assert "gpt-image-2-pro" not in ids
    assert schema["required"] == ["model", "prompt", "quality"]
    assert schema["properties"]["model"]["const"] == "gpt-image-2/text-to-image@ext"
    assert schema["additionalProperties"] is False


def test_a_body_over_ten_mebibytes_is_refused(api):
    answer = api.create("x" * 11 * 1024 * 1024)

    assert answer.status_code == 413
