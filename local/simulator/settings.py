"""What can be switched on a running simulator."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace

from local.simulator.messages import Json

SIM_KEY = "sim-key"


class BadSettings(ValueError):
    """A setting that does not exist or cannot have that value; says what would be right."""


@dataclass(frozen=True)
class Settings:
    """Durations are seconds: `latency_s` and `minute_s` simulated, `callback_timeout_s` real. `minute_s` is the limits' minute.

    `api_keys` maps each accepted key to its account; accounts do not see each other's tasks. `balance` is how many
    tasks the balance still pays for, `requests_per_minute` and `concurrent_tasks` are limits; None = without end.
    `bad_key_as_200` answers a bad key with HTTP 200 and envelope E-b instead of 401.
    """

    latency_s: float = 2.0
    webhook_secret: str | None = None
    api_keys: Mapping[str, str] = field(default_factory=lambda: {SIM_KEY: "main"})
    balance: int | None = None
    bad_key_as_200: bool = False
    requests_per_minute: int | None = None
    minute_s: float = 60.0
    concurrent_tasks: int | None = None
    callback_timeout_s: float = 10.0

    def changed(self, changes: Json) -> "Settings":
        """These settings with the changes made; raises `BadSettings`."""
        if not isinstance(changes, dict):
            raise BadSettings("send an object of settings")
        for name, value in changes.items():
            _check(name, value)
        return replace(self, **changes)

    def shown(self) -> dict[str, Json]:
        """As `GET /_sim/settings` shows them."""
        return asdict(self)


def _is_seconds(value: Json) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0


def _is_limit(value: Json) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)


def _is_secret(value: Json) -> bool:
    return value is None or isinstance(value, str)


def _is_keys(value: Json) -> bool:
    return isinstance(value, dict) and all(isinstance(account, str) for account in value.values())


CHECKS = {
    "latency_s": (_is_seconds, "seconds, 0 or more"),
    "webhook_secret": (_is_secret, "a string, or null"),
    "api_keys": (_is_keys, "an object of key: account"),
    "balance": (_is_limit, "a whole number, or null"),
    "bad_key_as_200": (lambda value: isinstance(value, bool), "true or false"),
    "requests_per_minute": (_is_limit, "a whole number, or null"),
    "minute_s": (_is_seconds, "seconds, 0 or more"),
    "concurrent_tasks": (_is_limit, "a whole number, or null"),
    "callback_timeout_s": (_is_seconds, "seconds, 0 or more"),
}


def _check(name: str, value: Json) -> None:
    if name not in CHECKS:
        raise BadSettings(f"unknown setting {name!r}; valid: {', '.join(entry.name for entry in fields(Settings))}")
    fits, wanted = CHECKS[name]
    if not fits(value):
        raise BadSettings(f"{name}: must be {wanted}")
