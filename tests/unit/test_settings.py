"""Settings: read once, and what is missing, wrong or contradictory is named in one line."""

import pytest

from darkroom.domain.admission import Limits
from darkroom.errors import ConfigurationError
from darkroom.settings import read_settings

NEEDED = {
    "DARKROOM_TABLE": "t",
    "DARKROOM_BUCKET": "b",
    "DARKROOM_QUEUE_URL": "https://queue.example",
    "DARKROOM_DEAD_LETTER_QUEUE_URL": "https://dead.example",
    "DARKROOM_SECRET_ID": "s",
}


def test_without_a_name_the_shipped_catalogue_holds() -> None:
    settings = read_settings(NEEDED | {"DARKROOM_CATALOGUE_KEY": " "})

    assert (settings.catalogue_key, settings.catalogue_cache_s) == (None, 60)


def test_an_object_below_config_may_be_named() -> None:
    assert read_settings(NEEDED | {"DARKROOM_CATALOGUE_KEY": "config/mine.json"}).catalogue_key == "config/mine.json"


@pytest.mark.parametrize("key", ["mine.json", "images/mine.json", "config/", "/config/mine.json"])
def test_the_functions_may_read_nothing_else(key: str) -> None:
    with pytest.raises(ConfigurationError, match="DARKROOM_CATALOGUE_KEY is"):
        read_settings(NEEDED | {"DARKROOM_CATALOGUE_KEY": key})


def test_what_an_account_allows_is_said_by_the_deployment_or_as_documented() -> None:
    settings = read_settings(NEEDED | {"PIXAPI_IN_FLIGHT": "4"})

    assert settings.limits["hiapi"] == Limits(account="hiapi", in_flight=10, per_minute=60, look_share=0.2, window_s=60)
    assert settings.limits["pixapi"].in_flight == 4


def test_the_defaults_are_those_of_the_documentation() -> None:
    settings = read_settings(NEEDED)

    assert (settings.timing.first_check_s, settings.timing.recheck_max_s) == (60, 300)
    assert settings.store_retry_s == (0, 2, 8, 30)
    assert (settings.task_timeout_s, settings.max_image_bytes) == (1800, 32 * 1024 * 1024)
    assert (settings.hiapi_base_url, settings.public_url) == ("https://api.hiapi.ai", None)


@pytest.mark.parametrize("name", sorted(NEEDED))
def test_a_missing_setting_is_named(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name} is not set: [^\n]+$"):
        read_settings(NEEDED | {name: " "})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HIAPI_IN_FLIGHT", "0"),
        ("HIAPI_REQUESTS_PER_MINUTE", "many"),
        ("DARKROOM_LOOK_SHARE", "1"),
        ("DARKROOM_FIRST_CHECK_S", "soon"),
        ("DARKROOM_FIRST_CHECK_S", "0"),
        ("DARKROOM_RECHECK_MAX_S", "nan"),
        ("DARKROOM_RECHECK_MAX_S", "59"),
        ("DARKROOM_STORE_RETRY_S", "0,2,"),
        ("DARKROOM_STORE_RETRY_S", "-1"),
        ("DARKROOM_TASK_TIMEOUT_S", "59"),
        ("DARKROOM_TASK_TIMEOUT_S", "90.5"),
        ("DARKROOM_MAX_IMAGE_BYTES", "inf"),
        ("DARKROOM_WAIT_CAP_S", "26"),
        ("HIAPI_BASE_URL", "http://api.hiapi.ai"),
        ("HIAPI_BASE_URL", "https://user@api.hiapi.ai"),
        ("HIAPI_BASE_URL", "https://[::1"),
        ("HIAPI_BASE_URL", "https://api.hiapi.ai:99999"),
        ("HIAPI_BASE_URL", "https://api.hiapi.ai:x"),
        ("HIAPI_BASE_URL", "https://b\u00fccher.example"),
        ("PIXAPI_BASE_URL", "https://api.pixapi.ai:0"),
        ("DARKROOM_PUBLIC_URL", "https://b\u00fccher.example"),
        ("HIAPI_BASE_URL", "https://gw.example/team a"),
        ("HIAPI_BASE_URL", "https://gw..example"),
        ("HIAPI_BASE_URL", "https://" + "a" * 64 + ".example"),
        ("HIAPI_BASE_URL", "https://gw.example#"),
        ("HIAPI_BASE_URL", "https://gw.example?"),
        ("HIAPI_BASE_URL", "https://@gw.example"),
        ("HIAPI_BASE_URL", "https://gw.example:"),
        ("DARKROOM_ALLOWED_OUTPUT_ORIGINS", "http://127.0.0.1:99999"),
        ("DARKROOM_ALLOWED_OUTPUT_ORIGINS", "http://b\u00fc_cher.example"),
        ("DARKROOM_ALLOWED_OUTPUT_ORIGINS", "http://:9000"),
        ("DARKROOM_ALLOWED_OUTPUT_ORIGINS", "http://user@cdn.example"),
        ("DARKROOM_ALLOWED_OUTPUT_ORIGINS", "http://cdn.example?x"),
        ("HIAPI_EXTRA_BODY", "both"),
        ("PIXAPI_BASE_URL", "http://api.pixapi.ai"),
        ("DARKROOM_PUBLIC_URL", "https://pics.example/path"),
        ("DARKROOM_PUBLIC_URL", "pics.example"),
        ("DARKROOM_ALLOWED_OUTPUT_ORIGINS", "http://127.0.0.1:9000,cdn.example"),
        ("DARKROOM_ALLOWED_OUTPUT_ORIGINS", "http://[::1"),
    ],
)
def test_a_wrong_setting_is_named_with_what_would_be_right(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as complaint:
        read_settings(NEEDED | {name: value})

    assert str(complaint.value).startswith(name)
    assert "\n" not in str(complaint.value)


@pytest.mark.parametrize("url", ["https://gw.example", "https://gw.example/", "https://gw.example/v1", "https://gw.example/v1/"])
def test_the_version_in_a_base_url_is_optional(url: str) -> None:
    assert read_settings(NEEDED | {"HIAPI_BASE_URL": url}).hiapi_base_url == "https://gw.example"


def test_plain_http_is_fine_on_loopback_only() -> None:
    settings = read_settings(NEEDED | {"HIAPI_BASE_URL": "http://127.0.0.1:9/v1", "DARKROOM_PUBLIC_URL": "http://localhost:8080"})

    assert (settings.hiapi_base_url, settings.public_url) == ("http://127.0.0.1:9", "http://localhost:8080")
