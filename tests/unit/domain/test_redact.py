"""Nothing that opens a door survives redaction: URL queries, tokens, keys."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.domain.callback_token import SigningKey, sign
from darkroom.domain.redact import redact, redact_bytes


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("see https://cdn.example/a@2x.png?sig=1&t=2 now", "see https://cdn.example/a@2x.png now"),
        ("https://cdn.example/0.png#token=1", "https://cdn.example/0.png"),
        ("https://user:pass@cdn.example/0.png", "https://cdn.example/0.png"),
        ("S3://bucket/key?versionId=x", "S3://bucket/key"),
        ("http://it's.example/?sig=2", "http://it's.example/"),
        ('{"url":"https://cdn.example/0.png?a=1","b":2}', '{"url":"https://cdn.example/0.png","b":2}'),
        (r'{"url":"https:\/\/cdn.example\/0.png?a=1\u0026b=\/2","c":3}', r'{"url":"https:\/\/cdn.example\/0.png","c":3}'),
        (r'{"url":"https://cdn.example/0.png\u003fsig=1"}', r'{"url":"https://cdn.example/0.png"}'),
        (r'"{\"url\":\"https://c.example/0?a=1\\u0026sig=2\",\"k\":3}"', r'"{\"url\":\"https://c.example/0\",\"k\":3}"'),
        ("https://a.example/?go=https://b.example/?sig=1 end", "https://a.example/ end"),
        ("no url? no loss", "no url? no loss"),
    ],
)
def test_a_url_loses_its_query_and_its_user_however_it_is_escaped(said: str, kept: str) -> None:
    assert redact(said, 500) == kept


@pytest.mark.parametrize(
    "secret",
    ["sk-0123456789abcdef", "hi-sk-0123456789abcdef", "sk_live_0123456789", "whsec_0123456789abcdef", "drk_0123456789abcdef"],
)
def test_keys_are_replaced_wherever_they_stand(secret: str) -> None:
    for text in (f"the key {secret} is wrong", f'{{"key":"{secret}"}}', f"Authorization: Bearer {secret}", f"(key={secret})"):
        assert secret not in redact(text, 500)
        assert "[key]" in redact(text, 500)


@pytest.mark.parametrize(
    "secret", ["SK-0123456789abcdef", "\u017fK_live_0123456789", "Bearer abcdef0123", "WHSEC_0123456789", "drk_0123456789"]
)
def test_a_secret_that_is_all_of_the_text_is_replaced(secret: str) -> None:
    assert redact(secret, 500) in ("[key]", "Bearer [key]")


def test_a_bearer_token_of_any_form_is_replaced() -> None:
    assert redact("sent bearer  abc.def~123==, refused", 500) == "sent bearer  [key], refused"


def test_task_ids_and_ordinary_words_stay() -> None:
    text = "task tk-hiapi-01HZTQ8BX2N3GM3YFK4Z9D7VQR: risk-free, desk-bound"

    assert redact(text, 500) == text


def test_our_own_callback_token_is_replaced_because_it_opens_the_door_of_its_task() -> None:
    token = sign(SigningKey("a-stack-secret-of-some-length"), upstream="hiapi", task_id="task_A", attempt=3, now=1_700_000_000.0)

    assert redact(f"cannot reach https://api.example/v1/callbacks/hiapi/task_A/{token}", 500).endswith("/task_A/[token]")


def test_an_embedded_file_does_not_eat_the_room_of_the_rest() -> None:
    assert redact('{"url":"data:image/png;base64,' + "iVBOR/+=" * 1000 + '","status":"success"}', 100) == (
        '{"url":"data:image/png,[cut]","status":"success"}'
    )


def test_the_cap_comes_last_so_that_it_cannot_cut_a_key_into_an_unknown_form() -> None:
    secret = "sk-0123456789abcdef"

    assert redact("x" * 90 + " " + secret, 100) == "x" * 90 + " [key]"
    assert redact("abcdef", 3) == "abc"


def test_bytes_are_capped_in_bytes_and_stay_utf_8() -> None:
    assert redact_bytes("größer".encode(), 4) == "gr\u00f6".encode()
    assert redact_bytes("größer".encode(), 3) == b"gr"
    assert redact_bytes(b"\xff\xfe https://c.example/0?sig=1", 100) == "\ufffd\ufffd https://c.example/0".encode()


def test_half_a_surrogate_pair_becomes_something_that_can_be_stored() -> None:
    assert redact("a\ud800b", 10).encode() == b"a?b"


@pytest.mark.parametrize(
    "piece", ["http://", "a://", "http:\\", "\\", "?", "sk-", "data:", "data:a;", "bearer ", "a", "https://a/?", "0.", "\\u0026"]
)
def test_hostile_text_costs_no_more_than_its_length(piece: str) -> None:
    text = piece * (1024 * 1024 // len(piece))

    began = time.process_time()
    redact(text, 500)

    assert time.process_time() - began < 10


@given(st.text(), st.integers(0, 50))
def test_any_text_is_redacted_within_its_cap(text: str, cap: int) -> None:
    assert len(redact(text, cap)) <= cap


@given(st.text(alphabet="ahtps:/?#&=\\\"' u003f@.x", max_size=60))
def test_what_follows_a_question_mark_in_a_url_is_never_kept(tail: str) -> None:
    kept = redact(f"https://cdn.example/0.png?{tail}SECRET", 500)

    assert kept.startswith("https://cdn.example/0.png")
    assert "?" not in kept.partition(" ")[0].partition('"')[0].partition("\\")[0]


@given(st.binary(), st.integers(0, 50))
def test_any_bytes_are_redacted_within_their_cap(raw: bytes, cap: int) -> None:
    kept = redact_bytes(raw, cap)

    assert len(kept) <= cap
    assert kept.decode() or not kept  # valid UTF-8
