"""What `darkroom up` is asked to do: its flags and the environment, checked and put together before anything starts."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from local.addresses import is_loopback

LEAST_KEY = 16
SIM_KEY = "sim-key"

# Of a local run, where waiting costs nothing and a change should be seen at once.
LOCAL_SETTINGS = {"DARKROOM_WAIT_CAP_S": "25", "DARKROOM_KEY_CACHE_S": "0", "DARKROOM_SECRET_CACHE_S": "2"}


class BadChoice(ValueError):
    """A flag or variable that is wrong, missing or contradicts another; the message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One run of the stack. `upstream_url` None is the built-in simulator; `aws_endpoint_url` None the embedded store.

    `pixapi_url` None is the simulator's where there is one, otherwise the template's; without `pixapi_api_key` none of Pixapi's
    models is available. `webhook_secret` empty means unsigned callbacks. `reconcile_every_s` is in seconds.
    """

    host: str
    port: int
    reconcile_every_s: float
    api_key: str = field(repr=False)
    upstream_url: str | None
    hiapi_api_key: str = field(repr=False)
    pixapi_api_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    pixapi_url: str | None
    public_url: str
    aws_endpoint_url: str | None
    verbose: bool = False
    simulator_latency_s: float = 2.0

    @property
    def uses_simulator(self) -> bool:
        """Whether the built-in simulator is the upstream."""
        return self.upstream_url is None

    @property
    def calls_back_locally(self) -> bool:
        """Whether the upstream can reach a loopback address, because it is on one itself."""
        return self.upstream_url is None or is_loopback(self.upstream_url)


def make_plan(
    env: Mapping[str, str],
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    upstream_url: str | None = None,
    simulator: bool = True,
    reconcile_every_s: float = 2.0,
    api_key: str | None = None,
    verbose: bool = False,
    simulator_latency_s: float = 2.0,
) -> Plan:
    """The plan for these flags in this environment; raises BadChoice."""
    if upstream_url and not simulator:
        raise BadChoice("--upstream-url and --no-simulator exclude each other: a given upstream already replaces the simulator")
    chosen = upstream_url or env.get("HIAPI_BASE_URL", "").strip() or (None if simulator else "https://api.hiapi.ai")
    hiapi_api_key = _hiapi_key(env.get("HIAPI_API_KEY", "").strip(), chosen)
    pixapi_url = env.get("PIXAPI_BASE_URL", "").strip() or None
    # The simulator is both gateways, and knows one key.
    simulated_key = hiapi_api_key if chosen is None and pixapi_url is None else ""
    return Plan(
        host=host,
        port=port,
        reconcile_every_s=reconcile_every_s,
        api_key=_development_key(api_key or env.get("DARKROOM_API_KEY") or ""),
        upstream_url=chosen,
        hiapi_api_key=hiapi_api_key,
        pixapi_api_key=simulated_key or env.get("PIXAPI_API_KEY", "").strip(),
        pixapi_url=pixapi_url,
        webhook_secret=_webhook_secret(env.get("HIAPI_WEBHOOK_SECRET"), chosen),
        public_url=env.get("DARKROOM_PUBLIC_URL", "").strip(),
        aws_endpoint_url=env.get("AWS_ENDPOINT_URL", "").strip() or None,
        verbose=verbose,
        simulator_latency_s=simulator_latency_s,
    )


def function_settings(written: Mapping[str, str], env: Mapping[str, str]) -> dict[str, str]:
    """The template's plain settings, overridden by a local run's and these by the environment; empty there means unset."""
    return dict(written) | LOCAL_SETTINGS | {name: env[name] for name in written if env.get(name, "").strip()}


def _development_key(given: str) -> str:
    if not given:
        return "drk_" + secrets.token_urlsafe(24)
    if len(given) < LEAST_KEY:
        raise BadChoice(f"the development key (--api-key, DARKROOM_API_KEY) needs at least {LEAST_KEY} characters")
    return given


def _hiapi_key(given: str, upstream: str | None) -> str:
    if given:
        return given
    if upstream is None or is_loopback(upstream):
        return SIM_KEY
    raise BadChoice(f"HIAPI_API_KEY is not set: {upstream} wants a key (only the simulator takes {SIM_KEY!r})")


def _webhook_secret(given: str | None, upstream: str | None) -> str:
    if given is None and upstream is None:
        return "whsec_" + secrets.token_hex(16)
    return (given or "").strip()
