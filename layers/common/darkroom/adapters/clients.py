"""AWS clients with our time-outs, each made once; and the one place where botocore's errors become ours."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.handlers import add_expect_header, add_retry_headers, generate_idempotent_uuid, inject_api_version_header_if_needed

from darkroom import __version__
from darkroom.adapters.trust import amazon_roots
from darkroom.errors import StorageUnavailable

if TYPE_CHECKING:
    import botocore.session
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_secretsmanager.client import SecretsManagerClient
    from mypy_boto3_sqs.client import SQSClient


_USER_AGENT = f"darkroom/{__version__}"


class Session(Protocol):
    """What makes clients: a boto3.Session does."""

    # Each service has a client of its own type, which only stubs know.
    @property
    def client(self) -> Any: ...


class Clients:
    """The AWS clients of one session, made when first asked for; safe to share between threads.

    `endpoint_url` is where another AWS answers (AWS_ENDPOINT_URL); None is the real one. `roots` is a file of certificates
    to believe; None leaves the choice to botocore: AWS_CA_BUNDLE, then all public ones.
    """

    def __init__(self, *, session: Session, endpoint_url: str | None = None, roots: str | None = None) -> None:
        self._session = session
        self._roots = roots
        self._endpoint_url = endpoint_url
        self._lock = threading.Lock()
        self._made: dict[str, Any] = {}

    @property
    def dynamodb(self) -> "DynamoDBClient":
        client: DynamoDBClient = self._client("dynamodb", _config(read_s=3))
        return client

    @property
    def s3(self) -> "S3Client":
        client: S3Client = self._client("s3", self._s3_config())
        return client

    @property
    def sqs(self) -> "SQSClient":
        client: SQSClient = self._client("sqs", _config(read_s=5))
        return client

    @property
    def secretsmanager(self) -> "SecretsManagerClient":
        client: SecretsManagerClient = self._client("secretsmanager", _config(read_s=3))
        return client

    def _s3_config(self) -> Config:
        return _config(
            read_s=10,
            signature_version="s3v4",
            # A checksum trailer cannot be computed for a body that is read once, and the row holds its SHA-256.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={
                # Otherwise a body that cannot be rewound fails over plain http.
                "payload_signing_enabled": False,
                # Nobody answers for a bucket's own host name at another endpoint. "auto" would sign URLs for the global one,
                # which leads a new bucket's callers to its region, where their signature no longer fits.
                "addressing_style": "path" if self._endpoint_url else "virtual",
            },
        )

    def _client(self, service: str, config: Config) -> Any:
        with self._lock:
            if service not in self._made:
                self._made[service] = self._make(service, config)
            return self._made[service]

    def _make(self, service: str, config: Config) -> Any:
        client: Any = self._session.client(service, endpoint_url=self._endpoint_url, verify=self._roots, config=config)
        events = client.meta.events
        if service == "s3":
            # `Expect: 100-continue` costs a round trip for every picture.
            events.unregister("before-call.s3", add_expect_header)
        # Headers that say which try this is: nobody reads them, and every header is handled some five times.
        events.unregister("request-created", add_retry_headers)
        # What no operation of ours has: a token made up for it, and an endpoint that is asked for.
        events.unregister("before-parameter-build", generate_idempotent_uuid)
        events.unregister("before-call", inject_api_version_header_if_needed)
        return client


def clients_of_environment(endpoint_url: str | None) -> Clients:
    """Clients with the credentials and region of this process; one session, because a second one costs 70 ms."""
    from botocore.session import get_session

    session = get_session()
    ours = endpoint_url is None and session.get_config_variable("ca_bundle") is None
    roots = amazon_roots(session.get_config_variable("region")) if ours else None
    return Clients(session=_Plain(session), endpoint_url=endpoint_url, roots=roots)


class _Plain:
    """botocore's session, which boto3's wraps: the clients are the same, and boto3 alone would be 12 ms of a cold start."""

    def __init__(self, session: "botocore.session.Session") -> None:
        self._session = session

    @property
    def client(self) -> Any:
        return self._session.create_client


def _config(*, read_s: float, **more: Any) -> Config:
    return Config(
        connect_timeout=1,
        read_timeout=read_s,
        retries={"mode": "standard", "total_max_attempts": 3},
        # mypy checks the types; 50 µs a call.
        parameter_validation=False,
        # botocore would put its long one together twice for every call: a tenth of what a call costs.
        user_agent=_USER_AGENT,
        max_pool_connections=50,
        tcp_keepalive=True,
        **more,
    )


@contextmanager
def unavailable(service: str) -> Iterator[None]:
    """Turns whatever botocore raises inside into StorageUnavailable, named by service and cause."""
    try:
        yield
    except ClientError as error:
        raise StorageUnavailable(f"{service}: {error.operation_name} gave {code_of(error)}") from error
    except BotoCoreError as error:
        raise StorageUnavailable(f"{service}: {type(error).__name__}") from error


def code_of(error: ClientError) -> str:
    """AWS's word for the error, such as `ConditionalCheckFailedException`."""
    return str(error.response.get("Error", {}).get("Code", "an unnamed error"))
