"""Addresses as others write them: asked for exactly as written, compared by what they mean."""

import pytest

from darkroom.adapters.web_address import WebAddress

SIGNED = "/a%2fb/c+d%20e/../0.png?X-Amz-Credential=AKIA%2f20261121&X-Amz-Signature=0a%2B%3d&odd=100%&empty="


def test_a_signed_address_is_asked_for_as_it_was_written() -> None:
    assert WebAddress.of("https://bucket.example" + SIGNED).target.decode() == SIGNED


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("https://a.example", "/"),
        ("https://a.example?b", "/?b"),
        ("https://a.example/b#c", "/b"),
        ("https://a.example/b c?d e", "/b%20c?d%20e"),
        ("https://a.example/ü?ü", "/%C3%BC?%C3%BC"),
        ("https://a.example/\x00\x7f", "/%00%7F"),
        ("https://a.example/b\r\nX-Injected: 1", "/bX-Injected:%201"),
        ('https://a.example/b"<>`{}^|\\c?d"<>`{}e', "/b%22%3C%3E%60%7B%7D%5E%7C%5Cc?d%22%3C%3E%60%7B%7De"),
        ("https://a.example/b?", "/b?"),
    ],
)
def test_what_no_address_may_hold_is_escaped_and_the_line_of_the_request_stays_whole(text: str, target: str) -> None:
    assert WebAddress.of(text).target.decode() == target


@pytest.mark.parametrize(
    ("text", "origin", "authority"),
    [
        ("HTTPS://A.Example/", ("https", "a.example", 443), "a.example"),
        ("https://a.example:443/", ("https", "a.example", 443), "a.example"),
        ("http://a.example", ("http", "a.example", 80), "a.example"),
        ("https://a.example:8443", ("https", "a.example", 8443), "a.example:8443"),
        ("https://[2606:4700::1111]:8443/", ("https", "2606:4700::1111", 8443), "[2606:4700::1111]:8443"),
        ("https://bücher.example/", ("https", "xn--bcher-kva.example", 443), "xn--bcher-kva.example"),
        ("https://a.example:0/", ("https", "a.example", 0), "a.example"),
        ("ftp://a.example/", ("ftp", "a.example", 0), "a.example"),
    ],
)
def test_addresses_are_compared_by_scheme_host_and_port(text: str, origin: tuple[str, str, int], authority: str) -> None:
    address = WebAddress.of(text)

    assert address.origin == origin
    assert address.authority == authority


@pytest.mark.parametrize(
    ("location", "reached"),
    [
        ("/c?d=%2f", "https://a.example:8443/c?d=%2f"),
        ("c", "https://a.example:8443/b/c"),
        ("../c", "https://a.example:8443/c"),
        ("//b.example/c", "https://b.example/c"),
        ("http://b.example/c", "http://b.example/c"),
        ("", "https://a.example:8443/b/0.png?s=1"),
        ("https://b.example/c;?d=1", "https://b.example/c;?d=1"),
        ("HTTPS://B.example/c/../d?", "https://b.example/c/../d?"),
        ("/é", "https://a.example:8443/%C3%A9"),
    ],
)
def test_a_redirect_is_seen_from_where_it_was_met(location: str, reached: str) -> None:
    met = WebAddress.of("https://a.example:8443/b/0.png?s=1")

    assert str(WebAddress.of(location, met)) == reached


@pytest.mark.parametrize(
    "text", ["https://user@a.example/", "https://user:word@a.example/", "https://@a.example/", "https://a\\@b/"]
)
def test_somebody_before_the_host_is_seen(text: str) -> None:
    assert WebAddress.of(text).has_user


@pytest.mark.parametrize("text", ["https://[::1/", "https://a.example:x/", "https://a.example:65536/", "https://\u2100.example/"])
def test_what_is_no_address_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        WebAddress.of(text)


@pytest.mark.parametrize("text", ["data:image/png;base64,iVBORw0KGgo", "mailto:a", "nothing"])
def test_what_has_no_host_is_shown_without_a_port(text: str) -> None:
    assert ":0" not in WebAddress.of(text).shown


def test_what_is_shown_holds_no_user_no_query_and_no_fragment() -> None:
    assert WebAddress.of("https://user:word@a.example:8443/b.png?signature=1#c").shown == "https://a.example:8443/b.png"
