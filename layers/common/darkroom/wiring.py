"""What is plugged into what: the one place that knows both the use-cases' ports and the adapters behind them."""

import os
import random
import secrets as entropy
import time
from collections.abc import Callable
from functools import cache, cached_property
from threading import RLock
from typing import TYPE_CHECKING, Any

from darkroom.errors import ConfigurationError, StorageUnavailable
from darkroom.settings import Settings, read_settings

if TYPE_CHECKING:
    import ssl

    from darkroom.adapters.clients import Clients
    from darkroom.adapters.dynamo import Table
    from darkroom.catalogue.live import LiveCatalogue
    from darkroom.domain.admission import Limits
    from darkroom.domain.callback_token import SigningKey
    from darkroom.domain.task import Request, Task
    from darkroom.ports import Accounts, ApiKeys, Bucket, Claims, Downloads, Queue, Secrets, Tasks, Upstream
    from darkroom.usecases.account import Admission
    from darkroom.usecases.allowance import Allowance
    from darkroom.usecases.breaker import Turned
    from darkroom.usecases.store_pictures import Stored


_MAKING = RLock()

if TYPE_CHECKING:
    made_once = cached_property
else:

    class _MadeOnce(cached_property):
        """What is made by one thread, whichever asks first: since Python 3.12 cached_property alone lets each make its own."""

        def __get__(self, services, owner=None):
            with _MAKING:
                return super().__get__(services, owner)

    made_once = _MadeOnce


class Services:
    """The adapters of one environment, each made when it is first asked for: a function pays for what it uses."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    clock: Callable[[], float] = staticmethod(time.time)
    jitter: Callable[[], float] = staticmethod(random.random)
    fresh: Callable[[int], bytes] = staticmethod(entropy.token_bytes)
    sleep: Callable[[float], None] = staticmethod(time.sleep)

    @staticmethod
    def new_lease() -> str:
        return entropy.token_hex(8)

    @made_once
    def _clients(self) -> "Clients":
        from darkroom.adapters.clients import clients_of_environment

        return clients_of_environment(self.settings.endpoint_url)

    @made_once
    def _table(self) -> "Table":
        from darkroom.adapters.dynamo import Table

        return Table(client=self._clients.dynamodb, name=self.settings.table)

    @made_once
    def ssl_context(self) -> "ssl.SSLContext":
        """The one for every upstream and download."""
        from darkroom.adapters.trust import ssl_context

        return ssl_context()

    @made_once
    def tasks(self) -> "Tasks":
        from darkroom.adapters.table import DynamoTasks

        return DynamoTasks(table=self._table, clock=self.clock, retention_days=self.settings.image_retention_days)

    @made_once
    def accounts(self) -> "Accounts":
        from darkroom.adapters.accounts import DynamoAccounts

        return DynamoAccounts(table=self._table)

    @made_once
    def admission(self) -> "Admission":
        """Slots and requests at the upstreams, and the queue before them."""
        from darkroom.usecases.account import Admission
        from darkroom.usecases.breaker import Memory

        return Admission(
            accounts=self.accounts,
            limits_of=self.limits_of,
            queue=self.queue,
            clock=self.clock,
            sleep=self.sleep,
            jitter=self.jitter,
            memory=Memory(tell=_tell_turned),
        )

    def allowance(self) -> "Allowance":
        """Requests beside the POSTs of new tasks, for one invocation."""
        from darkroom.usecases.allowance import Allowance

        return Allowance(self.admission)

    def limits_of(self, upstream: str) -> "Limits":
        """What the account allows that the upstream of that name is asked with."""
        from darkroom.adapters.upstreams.registry import account_of

        return self._limits(account_of(upstream))

    def limits(self) -> "list[Limits]":
        """What each account allows that tasks may be made for."""
        from darkroom.adapters.upstreams.registry import accounts

        return [self._limits(account) for account in accounts()]

    def _limits(self, account: str) -> "Limits":
        """As the deployment says; where it says nothing, as the adapters promise."""
        from darkroom.adapters.upstreams.registry import promised_limits

        return self.settings.limits.get(account) or promised_limits(account)

    @made_once
    def claims(self) -> "Claims":
        from darkroom.adapters.claims import DynamoClaims

        return DynamoClaims(table=self._table)

    @made_once
    def api_keys(self) -> "ApiKeys":
        from darkroom.adapters.claims import DynamoApiKeys

        return DynamoApiKeys(table=self._table, clock=self.clock, cache_s=self.settings.key_cache_s)

    @staticmethod
    def key_id(sha256: str) -> str:
        """The id of the caller's key with this hash."""
        from darkroom.adapters.claims import api_key_id

        return api_key_id(sha256)

    @made_once
    def bucket(self) -> "Bucket":
        from darkroom.adapters.bucket import S3Bucket

        return S3Bucket(client=self._clients.s3, name=self.settings.bucket)

    @made_once
    def queue(self) -> "Queue":
        from darkroom.adapters.queue import SqsQueue

        settings = self.settings
        # Most environments never send a message, so they need no client.
        client: Any = _Later(lambda: self._clients.sqs)
        return SqsQueue(client=client, url=settings.queue_url, dead_letter_url=settings.dead_letter_queue_url)

    @made_once
    def secrets(self) -> "Secrets":
        from darkroom.adapters.secrets import SecretsManager

        client, settings = self._clients.secretsmanager, self.settings
        return SecretsManager(client=client, secret_id=settings.secret_id, cache_s=settings.secret_cache_s, clock=self.clock)

    @made_once
    def downloads(self) -> "Downloads":
        from darkroom.adapters.downloads import GuardedDownloads

        return GuardedDownloads(ssl_context=self.ssl_context, allowed_origins=self.settings.allowed_output_origins)

    @made_once
    def _upstreams(self) -> "dict[str, Upstream]":
        return {}

    def upstream(self, name: str) -> "Upstream":
        """The adapter of an upstream; raises ConfigurationError for a name this deployment does not have."""
        from darkroom.adapters.upstreams.registry import build_upstream

        if name not in self._upstreams:
            self._upstreams[name] = build_upstream(name, settings=self.settings, secrets=self.secrets)
        return self._upstreams[name]

    def has_upstream(self, name: str) -> bool:
        """Whether there is an upstream of that name."""
        from darkroom.adapters.upstreams.registry import ADAPTERS

        return name in ADAPTERS

    def offers(self, name: str) -> bool:
        """Whether tasks may be made for the upstream of that name: there is one, and a key for it."""
        from darkroom.adapters.upstreams.registry import ADAPTERS

        if name not in ADAPTERS:
            return False
        try:
            return bool(self.secrets.get(ADAPTERS[name].key_field))
        except (StorageUnavailable, ConfigurationError):
            # Nobody can tell just now; a task that is sent will say what is wrong.
            return True

    @made_once
    def catalogue(self) -> "LiveCatalogue":
        """What may be asked for; raises ConfigurationError that names the entry of the shipped one that is wrong."""
        from darkroom.adapters.upstreams.registry import routed
        from darkroom.catalogue.live import LiveCatalogue, OwnObject
        from darkroom.catalogue.load import shipped

        bucket: Any = _Later(lambda: self.bucket)
        own = OwnObject(bucket, self.settings.catalogue_key) if self.settings.catalogue_key else None
        cache_s = self.settings.catalogue_cache_s
        return LiveCatalogue(shipped(), own=own, routed=routed(), clock=self.clock, cache_s=cache_s)

    def signing_keys(self) -> "tuple[SigningKey, ...]":
        """The stack secrets that sign callback URLs and cursors; the first one signs."""
        from darkroom.adapters.secrets import signing_keys

        return signing_keys(self.secrets)

    def prepare(self, task: "Task", request: "Request") -> "Request":
        """A task's request as it is to be sent, now or again."""
        from darkroom.usecases.prepare_request import prepare_request

        # Hardly any request needs the bucket.
        bucket: Any = _Later(lambda: self.bucket)
        return prepare_request(
            task, request, tasks=self.tasks, bucket=bucket, upstream_of=self.upstream, callback_url=self.callback_url
        )

    def callback_url(self, origin: str, *, upstream: str, task_id: str, attempt: int) -> str:
        """The address for an attempt's callback."""
        from darkroom.domain.callback_token import callback_url

        key, now = self.signing_keys()[0], self.clock()
        return callback_url(key, origin, upstream=upstream, task_id=task_id, attempt=attempt, now=now)

    def keep(self, task: "Task", *, until: float) -> "Stored":
        """Put a task's outputs into the bucket, at the latest until the Unix time `until`; the task stays as it is."""
        from darkroom.usecases.store_pictures import keep_pictures

        return keep_pictures(
            task,
            resume=False,
            until=until,
            delays=self.settings.store_retry_s,
            max_bytes=self.settings.max_image_bytes,
            clock=self.clock,
            sleep=time.sleep,
            bucket=self.bucket,
            downloads=self.downloads,
        )

    def keep_unread(self, task: "Task", body: bytes) -> str | None:
        """Keep an answer that could not be read, and tell where."""
        from darkroom.usecases.keep_unread import keep_unread

        return keep_unread(task, body, bucket=self.bucket)

    def store(self, task: "Task", *, resume: bool, until: float) -> "Stored":
        """Bring a task's bytes home, at the latest until the Unix time `until`."""
        from darkroom.usecases.store_pictures import store_pictures

        return store_pictures(
            task,
            resume=resume,
            until=until,
            delays=self.settings.store_retry_s,
            max_bytes=self.settings.max_image_bytes,
            clock=self.clock,
            sleep=time.sleep,
            tasks=self.tasks,
            bucket=self.bucket,
            downloads=self.downloads,
        )


def _tell_turned(turned: "Turned") -> None:
    from darkroom.domain.breaker import parts_of
    from darkroom.observe import say

    model, owner = parts_of(turned.name)
    what = "account" if turned.is_pause else "model"
    say(
        f"{what} shut" if turned.shut else f"{what} open again",
        level="warning" if turned.shut else "info",
        account=turned.account,
        model=model,
        owner=owner,
        why=turned.why,
    )


class _Later:
    """Something that is made when it is first used."""

    def __init__(self, make: Callable[[], object]) -> None:
        self._make = make

    def __getattr__(self, name: str) -> Any:
        return getattr(self._make(), name)


@cache
def services() -> Services:
    """This environment's services; raises ConfigurationError naming what is missing."""
    return Services(read_settings(os.environ))


def start(*needed: str) -> None:
    """Build `needed` services while Lambda initialises, on unthrottled CPU; elsewhere nothing happens on import.

    Nothing is asked yet: a process that is forked from this one must not share its connections.
    """
    if "AWS_LAMBDA_INITIALIZATION_TYPE" not in os.environ:
        return
    ready = services()
    for name in needed:
        getattr(ready, name)
