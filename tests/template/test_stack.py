"""What the deployed resources promise, read from the template: emulators drop half of it without a word."""

import json
from typing import Any

import pytest

from darkroom.adapters.rows import EVIDENCE_KEPT_S
from darkroom.adapters.upstreams.registry import ADAPTERS, accounts, promised_limits
from darkroom.domain import uploads
from darkroom.edge.job_batch import RESERVE_S
from darkroom.settings import Settings
from darkroom.usecases import keep_unread
from darkroom.usecases.look_at_task import ANSWER_GRACE_S
from darkroom.usecases.work_job import KEEP_TRYING_S
from darkroom.wiring import Services
from tests.support.memory import MemoryBucket, MemorySecrets
from tests.support.template import Resource, expanded, references, resources, source

STACK = source()["Resources"]
EXPANDED = expanded()
FUNCTIONS = resources(source(), "AWS::Serverless::Function")
CALLBACK_ROUTE = "POST /v1/callbacks/{upstream}/{task_id}/{token}"


def properties(name: str) -> dict[str, Any]:
    found: dict[str, Any] = STACK[name]["Properties"]
    return found


def test_the_table_is_paid_by_use_recoverable_encrypted_and_forgets() -> None:
    table = properties("Table")

    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["SSESpecification"] == {"SSEEnabled": True}
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}


def test_both_indexes_hold_keys_only() -> None:
    indexes = {one["IndexName"]: one for one in properties("Table")["GlobalSecondaryIndexes"]}

    assert {name: [key["AttributeName"] for key in one["KeySchema"]] for name, one in indexes.items()} == {
        "due": ["due_shard", "next_check_at"],
        "listing": ["owner_day", "listed_as"],
    }
    assert all(one["Projection"] == {"ProjectionType": "KEYS_ONLY"} for one in indexes.values())


def test_the_bucket_is_private_encrypted_and_owned_by_its_account() -> None:
    bucket = properties("Bucket")

    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    assert "AES256" in json.dumps(bucket["BucketEncryption"])


def test_the_bucket_drops_incomplete_uploads_and_old_pictures() -> None:
    incomplete, images, *_ = properties("Bucket")["LifecycleConfiguration"]["Rules"]

    assert incomplete["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    condition, rule, otherwise = images["Fn::If"]
    assert (rule["Prefix"], rule["Status"], rule["ExpirationInDays"]) == (
        "images/",
        "Enabled",
        {"Ref": "ImageRetentionDays"},
    )
    assert otherwise == {"Ref": "AWS::NoValue"}
    assert source()["Conditions"][condition] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "ImageRetentionDays"}, 0]}]}


def test_an_upload_is_kept_until_no_task_can_need_it_and_no_longer() -> None:
    *_, rule, _ = properties("Bucket")["LifecycleConfiguration"]["Rules"]
    waits = int(source()["Globals"]["Function"]["Environment"]["Variables"]["DARKROOM_MAX_WAIT_S"])
    repeated_for = source()["Parameters"]["TaskTimeoutSeconds"]["MaxValue"]

    assert (rule["Prefix"], rule["Status"]) == (uploads.FOLDER, "Enabled")
    assert rule["ExpirationInDays"] * 86_400 == uploads.USABLE_S + waits + repeated_for


def test_an_answer_that_could_not_be_read_is_kept_as_long_as_other_evidence() -> None:
    *_, rule = properties("Bucket")["LifecycleConfiguration"]["Rules"]

    assert (rule["Prefix"], rule["Status"]) == (keep_unread.FOLDER, "Enabled")
    assert rule["ExpirationInDays"] * 86_400 == EVIDENCE_KEPT_S


def test_a_web_page_may_only_put_and_only_where_one_is_named() -> None:
    condition, rules, otherwise = properties("Bucket")["CorsConfiguration"]["Fn::If"]
    (rule,) = rules["CorsRules"]
    sent = MemoryBucket().presign_put("uploads/a/b", content_type="image/png", size=1, expires_s=1).headers

    assert source()["Conditions"][condition] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "UploadOrigin"}, ""]}]}
    assert (rule["AllowedMethods"], rule["AllowedOrigins"]) == (["PUT"], [{"Ref": "UploadOrigin"}])
    # A browser says the length by itself.
    assert {*rule["AllowedHeaders"], "content-length"} == {name.lower() for name in sent}
    assert otherwise == {"Ref": "AWS::NoValue"}


@pytest.mark.parametrize("name", ["Table", "Bucket", "BucketPolicy", "Secret"])
def test_what_cannot_be_made_again_survives_the_stack(name: str) -> None:
    assert (STACK[name]["DeletionPolicy"], STACK[name]["UpdateReplacePolicy"]) == ("Retain", "Retain")


@pytest.mark.parametrize("name", [*resources(source(), "AWS::SQS::Queue"), "Bucket"])
def test_queues_and_bucket_refuse_plain_http(name: str) -> None:
    policies = [
        one["Properties"]["PolicyDocument"]["Statement"]
        for kind in ("AWS::SQS::QueuePolicy", "AWS::S3::BucketPolicy")
        for one in resources(source(), kind).values()
        if name in references(one)
    ]

    (statements,) = policies
    assert [(s["Effect"], s["Principal"], s["Condition"]) for s in statements] == [
        ("Deny", "*", {"Bool": {"aws:SecureTransport": "false"}})
    ]


def dead_letter_queues() -> set[str]:
    queues = resources(source(), "AWS::SQS::Queue").values()
    return {target for one in queues for target in references(one["Properties"].get("RedrivePolicy", {}))}


@pytest.mark.parametrize("name", resources(source(), "AWS::SQS::Queue"))
def test_every_queue_has_a_dead_letter_queue_or_is_one_with_an_alarm(name: str) -> None:
    watched = [
        alarm["Properties"]
        for alarm in resources(source(), "AWS::CloudWatch::Alarm").values()
        if name in references(alarm["Properties"].get("Dimensions"))
    ]

    if name in dead_letter_queues():
        assert [one["MetricName"] for one in watched] == ["ApproximateNumberOfMessagesVisible"]
        assert properties(name)["MessageRetentionPeriod"] == 14 * 86_400
        assert properties(name)["RedriveAllowPolicy"]["redrivePermission"] == "byQueue"
    else:
        assert properties(name)["RedrivePolicy"]["maxReceiveCount"] == 5
    assert properties(name)["SqsManagedSseEnabled"] is True


def test_a_dead_letter_queue_takes_letters_of_its_own_queue_only() -> None:
    (allowed,) = properties("DeadLetterQueue")["RedriveAllowPolicy"]["sourceQueueArns"]

    assert allowed["Fn::Sub"].endswith(":" + properties("TaskQueue")["QueueName"]["Fn::Sub"])


def test_a_message_stays_hidden_six_times_as_long_as_its_worker_may_run() -> None:
    worker, mapping = FUNCTIONS["WorkTasksFunction"]["Properties"], EXPANDED["Resources"]["WorkTasksFunctionTasks"]

    assert properties("TaskQueue")["VisibilityTimeout"] == 6 * worker["Timeout"]
    assert mapping["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["Properties"]["BatchSize"] == 5


DISK_BY_DEFAULT_MIB = 512
"""What a function has below /tmp without saying anything (AWS Lambda Developer Guide, ephemeral storage)."""

RESERVE_ON_DISK_MIB = 64


@pytest.mark.parametrize("function", ["ReceiveCallbackFunction", "WorkTasksFunction"])
def test_the_disk_holds_all_outputs_that_may_be_spooled_at_once(function: str) -> None:
    facts = FUNCTIONS[function]["Properties"]
    # A callback's environment has one event at a time, a worker's has one thread for each message; and each of them spools one
    # output at a time (tests/unit/usecases/test_store_pictures.py).
    at_once = max((event["Properties"].get("BatchSize", 1) for event in facts["Events"].values()), default=1)
    disk = facts.get("EphemeralStorage", {"Size": DISK_BY_DEFAULT_MIB})["Size"]

    largest = source()["Parameters"]["MaxImageBytes"]["MaxValue"]

    assert at_once * largest <= (disk - RESERVE_ON_DISK_MIB) * 1024**2


def test_the_worker_may_call_the_next_task_that_calls_the_next_one() -> None:
    """Lambda takes a chain of 16 invocations through one queue for a loop without end, and drops the message."""
    sends = {name for name in FUNCTIONS if "sqs:SendMessage" in str(properties(name.removesuffix("Function") + "Role"))}
    taken = {
        name for name in FUNCTIONS for event in FUNCTIONS[name]["Properties"].get("Events", {}).values() if event["Type"] == "SQS"
    }

    loops = {name for name in FUNCTIONS if FUNCTIONS[name]["Properties"].get("RecursiveLoop") == "Allow"}

    assert loops == sends & taken == {"WorkTasksFunction"}
    assert EXPANDED["Resources"]["WorkTasksFunction"]["Properties"]["RecursiveLoop"] == "Allow"


def test_a_synchronous_upstreams_answer_and_its_pictures_fit_into_one_run_of_the_worker() -> None:
    worker = FUNCTIONS["WorkTasksFunction"]["Properties"]
    settings = Settings(table="t", bucket="b", queue_url="q", dead_letter_queue_url="d", secret_id="s")
    services = Services(settings)
    services.secrets = MemorySecrets()
    longest = max(services.upstream(name).promises.answers_within_s for name in ADAPTERS)

    lease = settings.timing.queued_lease_s
    assert longest >= 600
    assert worker["Timeout"] >= longest + lease + RESERVE_S
    assert worker["Timeout"] <= 900, "Lambda allows no more"
    # The last of several chances at our own services still begins while the lease is alive.
    assert sum(KEEP_TRYING_S) < lease - RESERVE_S
    # Whoever takes a silent worker for dead waits until its answer cannot come any more.
    assert sum(KEEP_TRYING_S) <= ANSWER_GRACE_S


@pytest.mark.parametrize("account", accounts())
def test_a_parameter_allows_what_the_adapters_promise_unless_a_deployer_says_otherwise(account: str) -> None:
    given, promised = source()["Parameters"], promised_limits(account)
    prefix = account.capitalize()

    assert given[f"{prefix}InFlight"]["Default"] == promised.in_flight
    assert given[f"{prefix}RequestsPerMinute"]["Default"] == promised.per_minute


def test_the_schedule_ticks_once_a_minute_and_never_repeats_a_tick() -> None:
    (schedule,) = resources(EXPANDED, "AWS::Scheduler::Schedule").values()
    (invoking,) = resources(EXPANDED, "AWS::Lambda::EventInvokeConfig").values()

    assert schedule["Properties"]["ScheduleExpression"] == "rate(1 minute)"
    assert schedule["Properties"]["Target"]["RetryPolicy"]["MaximumRetryAttempts"] == 0
    assert invoking["Properties"]["MaximumRetryAttempts"] == 0
    assert FUNCTIONS["ReconcileTasksFunction"]["Properties"]["Timeout"] < 60


def test_two_stacks_in_one_account_do_not_share_a_name() -> None:
    named = [
        one["Properties"][key]
        for one in EXPANDED["Resources"].values()
        for key in ("QueueName", "LogGroupName", "FunctionName", "TableName", "BucketName", "RoleName", "TopicName")
        if key in one["Properties"]
    ]
    named += [one["Properties"]["Name"] for one in resources(EXPANDED, "AWS::Scheduler::Schedule").values()]

    assert named
    assert all(references(name) for name in named), "a fixed name exists once per account"


def test_the_api_has_two_routes_and_throttles_both() -> None:
    paths = EXPANDED["Resources"]["Api"]["Properties"]["Body"]["paths"]
    stage = EXPANDED["Resources"]["ApiApiGatewayDefaultStage"]["Properties"]

    assert set(paths) == {CALLBACK_ROUTE.removeprefix("POST "), "$default"}
    assert stage["StageName"] == "$default"
    assert stage["DefaultRouteSettings"]["ThrottlingRateLimit"] > 0
    assert stage["RouteSettings"][CALLBACK_ROUTE]["ThrottlingRateLimit"] > 0


def test_the_access_log_never_holds_the_path() -> None:
    # A callback's path holds its token. `$context.path` is the gateway's name for it; rawPath and the rest are not variables.
    written = properties("Api")["AccessLogSettings"]["Format"]

    assert set(json.loads(written)) >= {"requestId", "route", "status", "latency_ms", "ip"}
    assert "path" not in written.lower()
    assert "routeKey" in written


def test_the_secret_starts_with_a_generated_callback_secret_and_empty_upstream_keys() -> None:
    made = properties("Secret")["GenerateSecretString"]

    assert json.loads(made["SecretStringTemplate"]) == dict.fromkeys(
        ("hiapi_api_key", "hiapi_webhook_secret", "hiapi_webhook_secret_previous"), ""
    )
    assert (made["GenerateStringKey"], made["PasswordLength"], made["ExcludePunctuation"]) == (
        "callback_secret",
        64,
        True,
    )


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_has_a_log_group_of_its_own_that_forgets(name: str) -> None:
    group = FUNCTIONS[name]["Properties"]["LoggingConfig"]["LogGroup"]["Ref"]

    assert group == name.removesuffix("Function") + "Logs"
    assert properties(group)["RetentionInDays"] == {"Ref": "LogRetentionDays"}


def test_every_log_group_forgets() -> None:
    assert all("RetentionInDays" in one["Properties"] for one in resources(EXPANDED, "AWS::Logs::LogGroup").values())


def test_nothing_is_reserved_unless_asked_for() -> None:
    assert source()["Parameters"]["ReservedConcurrency"]["Default"] == 0
    for function in FUNCTIONS.values():
        reserved = function["Properties"].get("ReservedConcurrentExecutions")
        assert reserved is None or reserved["Fn::If"][2] == {"Ref": "AWS::NoValue"}


def needed_by(resource: Resource) -> set[str]:
    explicit = resource.get("DependsOn", [])
    return (references(resource["Properties"]) | {*([explicit] if isinstance(explicit, str) else explicit)}) & set(
        EXPANDED["Resources"]
    )


def test_no_resource_waits_for_itself() -> None:
    # A function variable that refers to the API is the circle that is easily made.
    waiting = {name: needed_by(one) for name, one in EXPANDED["Resources"].items()}

    while ready := {name for name, needs in waiting.items() if not needs & set(waiting)}:
        waiting = {name: needs for name, needs in waiting.items() if name not in ready}

    assert waiting == {}


@pytest.mark.parametrize("output", ["ApiUrl", "TableName", "BucketName", "QueueUrl", "DeadLetterQueueUrl", "SecretArn"])
def test_the_stack_says_where_its_parts_are(output: str) -> None:
    assert references(source()["Outputs"][output]["Value"])
