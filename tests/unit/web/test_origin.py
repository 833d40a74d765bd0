"""Where an upstream can reach us."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom.web.origin import callback_origin


def test_a_configured_origin_is_taken_as_it_is() -> None:
    assert callback_origin("http://127.0.0.1:8080", "api.example.com") == "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    ("domain", "origin"),
    [
        ("abc.execute-api.eu-central-1.amazonaws.com", "https://abc.execute-api.eu-central-1.amazonaws.com"),
        ("Pictures.Example.COM", "https://pictures.example.com"),
        ("localhost", None),
        ("a.localhost", None),
        ("127.0.0.1", None),
        ("10.1.2.3", None),
        ("example.com:443", None),
        ("example.com/path", None),
        ("user@example.com", None),
        ("-a.example.com", None),
        ("example.com\n", None),
        ("printer.local", None),
        ("db.internal", None),
        ("", None),
    ],
)
def test_only_a_public_name_is_an_origin(domain: str, origin: str | None) -> None:
    assert callback_origin(None, domain) == origin


@settings(deadline=None)
@given(st.text(alphabet="ab0.-:@/\n ", max_size=300))
def test_no_text_becomes_an_origin_with_anything_but_a_name(domain: str) -> None:
    origin = callback_origin(None, domain)

    assert origin is None or set(origin.removeprefix("https://")) <= set("ab0.-")
