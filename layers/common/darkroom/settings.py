"""The deployment's settings: read once from the environment, checked by hand, frozen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from darkroom.domain.admission import Limits
from darkroom.domain.task import Timing
from darkroom.errors import ConfigurationError

MOST_AUTO_RETRIES = 3
"""Failures that repeat so often do not pass by themselves; a person may still run the task again."""

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting of every function; spans in seconds, sizes in bytes."""

    table: str
    bucket: str
    queue_url: str
    dead_letter_queue_url: str
    secret_id: str
    stage: str = "prod"
    endpoint_url: str | None = None
    public_url: str | None = None
    hiapi_base_url: str = "https://api.hiapi.ai"
    hiapi_extra_body: str = "field"
    pixapi_base_url: str = "https://api.pixapi.ai"
    allowed_output_origins: frozenset[str] = frozenset()
    timing: Timing = Timing()
    store_retry_s: tuple[float, ...] = (0.0, 2.0, 8.0, 30.0)
    task_timeout_s: int = 1800
    max_auto_retries: int = 1
    max_image_bytes: int = 32 * 1024 * 1024
    image_retention_days: int = 30
    wait_cap_s: float = 5.0
    key_cache_s: float = 60.0
    secret_cache_s: float = 300.0
    catalogue_key: str | None = None
    catalogue_cache_s: float = 60.0
    limits: Mapping[str, Limits] = field(default_factory=dict)


def read_settings(env: Mapping[str, str]) -> Settings:
    """The settings in `env`; raises ConfigurationError with one line that names the variable and what would be right."""
    read = _Reader(env)
    first, ceiling = read.span("DARKROOM_FIRST_CHECK_S", 60), read.span("DARKROOM_RECHECK_MAX_S", 300)
    if ceiling < first:
        raise ConfigurationError(
            f"DARKROOM_RECHECK_MAX_S is {ceiling:g}, below DARKROOM_FIRST_CHECK_S ({first:g}): it must be at least as long"
        )
    return Settings(
        table=read.required("DARKROOM_TABLE"),
        bucket=read.required("DARKROOM_BUCKET"),
        queue_url=read.required("DARKROOM_QUEUE_URL"),
        dead_letter_queue_url=read.required("DARKROOM_DEAD_LETTER_QUEUE_URL"),
        secret_id=read.required("DARKROOM_SECRET_ID"),
        stage=read.text("DARKROOM_STAGE", "prod"),
        endpoint_url=read.text("AWS_ENDPOINT_URL", "") or None,
        public_url=read.origin("DARKROOM_PUBLIC_URL"),
        hiapi_base_url=read.base_url("HIAPI_BASE_URL", "https://api.hiapi.ai"),
        hiapi_extra_body=read.choice("HIAPI_EXTRA_BODY", ("field", "merged")),
        pixapi_base_url=read.base_url("PIXAPI_BASE_URL", "https://api.pixapi.ai"),
        allowed_output_origins=read.origins("DARKROOM_ALLOWED_OUTPUT_ORIGINS"),
        timing=Timing(first_check_s=first, recheck_max_s=ceiling, max_wait_s=read.span("DARKROOM_MAX_WAIT_S", 86_400)),
        store_retry_s=read.spans("DARKROOM_STORE_RETRY_S", "0,2,8,30"),
        task_timeout_s=read.whole("DARKROOM_TASK_TIMEOUT_S", 1800, 60, 86_400),
        max_auto_retries=read.whole("DARKROOM_MAX_AUTO_RETRIES", 1, 0, MOST_AUTO_RETRIES),
        max_image_bytes=read.whole("DARKROOM_MAX_IMAGE_BYTES", 32 * 1024 * 1024, 1024, 5 * 1024**3),
        image_retention_days=read.whole("DARKROOM_IMAGE_RETENTION_DAYS", 30, 0, 3650),
        wait_cap_s=read.span("DARKROOM_WAIT_CAP_S", 5, least=0, most=25),
        key_cache_s=read.span("DARKROOM_KEY_CACHE_S", 60, least=0),
        secret_cache_s=read.span("DARKROOM_SECRET_CACHE_S", 300, least=0),
        catalogue_key=read.key_below("DARKROOM_CATALOGUE_KEY", "config/"),
        catalogue_cache_s=read.span("DARKROOM_CATALOGUE_CACHE_S", 60, least=0),
        limits=_limits(read),
    )


def _limits(read: "_Reader") -> Mapping[str, Limits]:
    # As HiAPI's adapters promise. Pixapi names no numbers.
    allowed = {
        "hiapi": (read.whole("HIAPI_IN_FLIGHT", 10, 1, 1000), read.whole("HIAPI_REQUESTS_PER_MINUTE", 60, 1, 60_000)),
        "pixapi": (read.whole("PIXAPI_IN_FLIGHT", 10, 1, 1000), read.whole("PIXAPI_REQUESTS_PER_MINUTE", 60, 1, 60_000)),
    }
    share = read.span("DARKROOM_LOOK_SHARE", 0.2, least=0, most=0.9)
    window_s = read.whole("DARKROOM_RATE_WINDOW_S", 60, 1, 600)
    return {
        account: Limits(account=account, in_flight=in_flight, per_minute=per_minute, look_share=share, window_s=window_s)
        for account, (in_flight, per_minute) in allowed.items()
    }


class _Reader:
    """Reads one variable at a time and complains by name."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env

    def text(self, name: str, default: str) -> str:
        return self._env.get(name, "").strip() or default

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        value = self.text(name, choices[0])
        if value not in choices:
            raise ConfigurationError(f"{name} is {value!r}: one of {', '.join(choices)} is needed")
        return value

    def required(self, name: str) -> str:
        value = self.text(name, "")
        if not value:
            raise ConfigurationError(f"{name} is not set: the template sets it; so must whoever starts the function by hand")
        return value

    def span(self, name: str, default: float, *, least: float = 0.01, most: float = 604_800) -> float:
        return self._number(name, self.text(name, str(default)), least, most)

    def spans(self, name: str, default: str) -> tuple[float, ...]:
        return tuple(self._number(name, part, 0, 600) for part in self.text(name, default).split(","))

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        value = self._number(name, self.text(name, str(default)), least, most)
        if value != int(value):
            raise ConfigurationError(f"{name} is {value:g}: a whole number is needed")
        return int(value)

    def _number(self, name: str, text: str, least: float, most: float) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            raise ConfigurationError(f"{name} is {text.strip()!r}: a number from {least:g} to {most:g} is needed")
        return value

    def key_below(self, name: str, folder: str) -> str | None:
        value = self.text(name, "")
        if value and (not value.startswith(folder) or value == folder):
            raise ConfigurationError(f"{name} is {value!r}: an object's key that begins with {folder} is needed, or nothing")
        return value or None

    def base_url(self, name: str, default: str) -> str:
        value = self.text(name, default).rstrip("/").removesuffix("/v1").rstrip("/")
        _check(name, value, path_allowed=True)
        return value

    def origin(self, name: str) -> str | None:
        value = self.text(name, "").rstrip("/")
        if not value:
            return None
        _check(name, value, path_allowed=False)
        return value

    def origins(self, name: str) -> frozenset[str]:
        values = [part.strip().rstrip("/") for part in self.text(name, "").split(",") if part.strip()]
        for value in values:
            parts = _split(value)
            if parts is None or parts.scheme not in ("http", "https") or parts.path or not _is_written_plainly(value):
                raise ConfigurationError(f"{name} holds {value!r}: each entry must be an origin such as http://127.0.0.1:9000")
        return frozenset(values)


def _split(value: str) -> SplitResult | None:
    """Its parts, where a client could connect to them."""
    try:
        parts = urlsplit(value)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        # An address in brackets that is none, or a port that is none.
        return None
    labels = host.removesuffix(".").split(".")
    named = ":" in host or all(0 < len(label) < 64 for label in labels)
    return parts if host and named and port != 0 and not parts.netloc.endswith(":") else None


def _check(name: str, value: str, *, path_allowed: bool) -> None:
    parts = _split(value)
    plain_http_is_fine = parts is not None and parts.scheme == "http" and parts.hostname in _LOOPBACK
    if parts is None or not (parts.scheme == "https" or plain_http_is_fine):
        raise ConfigurationError(f"{name} is {value!r}: an https URL is needed (http only for loopback)")
    if not value.isascii():
        raise ConfigurationError(f"{name} is {value!r}: a name beyond ASCII has to be written in punycode (xn--…)")
    if not _is_written_plainly(value) or (parts.path and not path_allowed):
        raise ConfigurationError(f"{name} is {value!r}: only scheme, host and port are allowed")


def _is_written_plainly(value: str) -> bool:
    """Whether there is no query, no fragment, nobody before the host, and nothing that a request line could not hold."""
    return value.isascii() and value.isprintable() and not set("?#@ ") & set(value)
