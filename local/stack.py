"""The deployable stack on one machine: its stores, its functions, what calls them, and an upstream to talk to."""

import json
import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from darkroom.errors import ConfigurationError
from darkroom.settings import read_settings
from darkroom.wiring import Services
from local.children import Child
from local.dev_key import store_development_key
from local.environments import Environments
from local.gateway import Gateway
from local.intrinsics import Intrinsics
from local.logs import Logs
from local.parts import REGION, Function
from local.payload import Response
from local.plan import BadChoice, Plan, function_settings
from local.provision import Stores
from local.pump import QueuePump, Ticker
from local.simulator.server import Simulator
from local.swagger import PAGES
from local.template import Template, read_template

DRAIN_S = 2.0
"""So long (seconds) calls that have begun may go on when the stack ends."""


class CannotListen(Exception):
    """The gateway's address is taken, or not ours."""


class LocalStack:
    """One run: `start` returns once the API answers, `stop` ends everything that was started."""

    def __init__(self, plan: Plan, logs: Logs, env: Mapping[str, str]) -> None:
        self._plan = plan
        self._logs = logs
        self._env = dict(env)
        self._end = ExitStack()
        self._template: Template = read_template()
        self.url = ""
        self.simulator_url: str | None = None
        self.store_url = ""

    def start(self) -> None:
        """Raises BadChoice, CannotListen, ChildFailed, CannotFork, and botocore's errors for an endpoint that does not answer.

        Once only in a process: the functions' settings go into its environment.
        """
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it all, the newest first; calls that have begun get a moment."""
        self._end.close()

    def _start(self) -> None:
        aws = None if self._plan.aws_endpoint_url else self._child("local.aws")
        gateway = self._bind()
        settings = self._settings()
        _use_credentials(is_ours=aws is not None)
        self.store_url = os.environ["AWS_ENDPOINT_URL"] = self._plan.aws_endpoint_url or (aws.url() if aws else "")
        stores = self._make_stores()
        environments = self._environments(stores, settings)
        self._pump(stores, environments, is_ours=aws is not None)
        self._end.callback(gateway.stop)
        gateway.start(environments.invoke)

    def _child(self, module: str) -> Child:
        child = Child(module, log=self._logs.line)
        self._end.callback(child.stop)
        return child

    def _bind(self) -> Gateway:
        """The API's address is needed before anything that can answer there is ready: requests wait."""
        address = (self._plan.host, self._plan.port)
        pages = PAGES | {"/_local": self._about}
        try:
            gateway = Gateway(address, routes=self._template.routes, fault=self._logs.error, pages=pages)
        except OSError as error:
            raise CannotListen(f"cannot listen on {address[0]}:{address[1]}: {error.strerror or error}") from error
        self._end.callback(gateway.server_close)
        host = "127.0.0.1" if self._plan.host in ("0.0.0.0", "::", "localhost") else self._plan.host  # noqa: S104  (compared)
        self.url = f"http://{host}:{gateway.server_address[1]}"
        return gateway

    def _about(self) -> Response:
        """Where the simulator is, for `darkroom simulate`."""
        about = {"simulator_url": self.simulator_url, "store_url": self.store_url}
        return Response(status=200, headers=[("content-type", "application/json")], body=json.dumps(about).encode())

    def _settings(self) -> dict[str, str]:
        """What all functions are told besides where the stores are."""
        written = {
            name: value for one in self._template.functions.values() for name, value in self._template.settings(one).items()
        }
        settings = function_settings(written, self._env)
        origins = settings["DARKROOM_ALLOWED_OUTPUT_ORIGINS"]
        if self._plan.upstream_url is None:
            self.simulator_url = self._start_simulator()
            origins = ",".join(filter(None, (origins, self.simulator_url)))
        local_address = self.url if self._plan.calls_back_locally else ""
        settings |= {
            "HIAPI_BASE_URL": self._plan.upstream_url or self.simulator_url or "",
            **self._simulated_pixapi(),
            "DARKROOM_PUBLIC_URL": self._plan.public_url or local_address,
            "DARKROOM_ALLOWED_OUTPUT_ORIGINS": origins,
        }
        self._check(settings)
        return settings

    def _simulated_pixapi(self) -> dict[str, str]:
        """Pixapi is the simulator's too, unless the environment says otherwise; a given upstream is HiAPI's alone."""
        if self.simulator_url is None or self._plan.pixapi_url is not None:
            return {}
        return {"PIXAPI_BASE_URL": f"{self.simulator_url}/pixapi"}

    def _check(self, settings: Mapping[str, str]) -> None:
        """Complain before anything is made; where the stores will be does not matter for that."""
        stores = {name: "later" for one in self._template.functions.values() for name in one.environment}
        try:
            read_settings(stores | dict(settings))
        except ConfigurationError as error:
            raise BadChoice(str(error)) from error

    def _start_simulator(self) -> str:
        simulator = Simulator(
            api_key=self._plan.hiapi_api_key,
            webhook_secret=self._plan.webhook_secret,
            latency_s=self._plan.simulator_latency_s,
        )
        told = logging.getLogger("local.simulator")
        told.handlers, told.propagate = [_ToLogs(self._logs)], False
        told.setLevel(logging.INFO)
        simulator.start()
        self._end.callback(simulator.stop)
        return simulator.url

    def _make_stores(self) -> Stores:
        secret = {
            "hiapi_api_key": self._plan.hiapi_api_key,
            "hiapi_webhook_secret": self._plan.webhook_secret,
            "pixapi_api_key": self._plan.pixapi_api_key,
        }
        stores = Stores(self._template, endpoint_url=self.store_url, secret=secret)
        stores.make_all()
        return stores

    def _environments(self, stores: Stores, settings: Mapping[str, str]) -> Environments:
        functions = list(self._template.functions.values())
        whole = shared_environment(functions, stores.intrinsics) | dict(settings)
        os.environ.update(whole)
        store_development_key(self._plan.api_key, Services(read_settings(os.environ)))
        environments = Environments(functions, log=self._logs.line)
        self._end.callback(environments.stop, patience_s=DRAIN_S)
        environments.warm_up()
        return environments

    def _pump(self, stores: Stores, environments: Environments, *, is_ours: bool) -> None:
        calling: dict[str, Any] = {"invoke": environments.invoke, "fault": self._logs.error}
        for source in self._template.queue_sources:
            queue = stores.resource(source.queue)
            pump = QueuePump(
                source,
                sqs=stores.client("sqs"),
                queue_url=queue.ref,
                queue_arn=queue.attributes["Arn"],
                # The embedded store does one thing at a time: a receive that waits would hold up all others.
                long_poll_s=0 if is_ours else 2,
                **calling,
            )
            self._end.callback(pump.stop)
            pump.start()
        for schedule in self._template.schedules:
            ticker = Ticker(schedule, every_s=self._plan.reconcile_every_s, **calling)
            self._end.callback(ticker.stop)
            ticker.start()


def shared_environment(functions: Sequence[Function], intrinsics: Intrinsics) -> dict[str, str]:
    """The variables of all functions together: one process starts them all, so they must not contradict each other."""
    whole: dict[str, str] = {}
    for function in functions:
        for name, value in function.environment.items():
            text = str(intrinsics.resolve(value))
            if whole.setdefault(name, text) != text:
                raise ValueError(f"{name} differs between functions: the local run needs settings in Globals")
    return whole


class _ToLogs(logging.Handler):
    """Lets the simulator's lines appear beside the functions'."""

    def __init__(self, logs: Logs) -> None:
        super().__init__()
        self._logs = logs

    def emit(self, record: logging.LogRecord) -> None:
        self._logs.line("simulator", record.getMessage())


def _use_credentials(*, is_ours: bool) -> None:
    """Credentials and region for an endpoint on this machine, where none are set; real ones have no business in our emulator."""
    dummies = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    if is_ours:
        for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN"):
            os.environ.pop(name, None)
        os.environ.update(dummies)
    elif "AWS_PROFILE" not in os.environ and "AWS_ACCESS_KEY_ID" not in os.environ:
        os.environ.update(dummies)
    # A proxy knows no way to this machine.
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), "127.0.0.1,localhost")))
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or REGION
    os.environ.update(AWS_REGION=region, AWS_DEFAULT_REGION=region, AWS_EC2_METADATA_DISABLED="true")
