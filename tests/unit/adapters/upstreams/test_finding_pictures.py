"""A picture in a paid answer is found: in every place, spelling and encoding, and whatever was done to one of them."""

import base64
import json
import random
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.adapters.data_uris import is_data_uri, open_data_uri
from darkroom.adapters.upstreams.images import MOST_IMAGES, find_images
from darkroom.adapters.upstreams.spelling import picture_of
from darkroom.adapters.upstreams.tolerant import read_tolerantly
from darkroom.domain.news import Says
from darkroom.domain.task import Output
from darkroom.errors import OutcomeUnknown, UpstreamError, UpstreamRefused
from darkroom.ports import MAX_UNREAD, Accepted
from tests.contract.upstreams.gateways import IMMEDIATE, answered

# Every character of base64 is in it, so a spelling that loses one is seen.
PICTURE = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0" + bytes(range(256)) * 3 + b"\xfb\xff\xbf\xfe"
PLAIN = base64.b64encode(PICTURE).decode()
HEAD = "data:image/png;base64,"
AT = "https://cdn.example/kite-1.png?sig=a%2Fb&exp=9"

SPELLINGS: dict[str, str] = {
    "address": AT,
    "address with blanks": f" \n{AT}\t ",
    "address in angle brackets": f"<{AT}>",
    "base64": PLAIN,
    "base64 without padding": PLAIN.rstrip("="),
    "base64 in lines": "\r\n".join(PLAIN[at : at + 76] for at in range(0, len(PLAIN), 76)),
    "URL-safe base64": PLAIN.replace("+", "-").replace("/", "_"),
    "data URI": HEAD + PLAIN,
    "data URI, prefix twice": HEAD + HEAD + PLAIN,
    "data URI without padding": HEAD + PLAIN.rstrip("="),
    "data URI, URL-safe": HEAD + PLAIN.replace("+", "-").replace("/", "_").rstrip("="),
    "data URI with escapes": HEAD + PLAIN.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D"),
    "data URI in capitals": "DATA:IMAGE/PNG;BASE64," + PLAIN,
    "data URI with a character set": "data:image/png;charset=utf-8;base64," + PLAIN,
    "data URI that forgets to say base64": "data:image/png," + PLAIN,
    "prefix without data:": "image/png;base64," + PLAIN,
    "nothing but base64, in front": "base64," + PLAIN,
}

PLACES: dict[str, Callable[[str], Any]] = {
    "data[].url": lambda it: {"created": 1, "data": [{"url": it}]},
    "data[].b64_json": lambda it: {"created": 1, "data": [{"b64_json": it, "revised_prompt": "a kite"}]},
    "data[].b64_json beside an empty url": lambda it: {"data": [{"url": "", "b64_json": it}]},
    "data[] as text": lambda it: {"data": [it]},
    "data.url": lambda it: {"code": 0, "message": "ok", "data": {"url": it}},
    "data.images[]": lambda it: {"success": True, "data": {"images": [it]}},
    "images[]": lambda it: {"images": [{"image": it}]},
    "images[].image_url": lambda it: {"images": [{"type": "image_url", "image_url": {"url": it}}]},
    "image": lambda it: {"image": it},
    "output": lambda it: {"output": it},
    "output[]": lambda it: {"output": [{"type": "image/png", "url": it}]},
    "output[] of an unknown type": lambda it: {"output": [{"type": "final_cut", "url": it}]},
    "output[].result": lambda it: {"output": [{"type": "reasoning"}, {"type": "image_generation_call", "result": it}]},
    "outputs{}": lambda it: {"outputs": {"imageUrl": it}},
    "result": lambda it: {"result": it},
    "result.data[]": lambda it: {"result": {"data": [{"url": [it]}]}},
    "result as JSON in a text": lambda it: {"data": {"resultJson": json.dumps({"resultUrls": [it]})}},
    "predictions[]": lambda it: {"predictions": [{"mimeType": "image/png", "bytesBase64Encoded": it}]},
    "inlineData": lambda it: {"candidates": [{"content": {"parts": [{"text": "Here."}, {"inlineData": inline(it)}]}}]},
    "inline_data": lambda it: {"candidates": [{"content": {"parts": [{"inline_data": inline(it)}], "role": "model"}}]},
    "fileData": lambda it: {"candidates": [{"content": {"parts": [{"fileData": {"fileUri": it, "mimeType": "image/png"}}]}}]},
    "message.content": lambda it: chat(content=it),
    "message.images[]": lambda it: chat(content="", images=[{"type": "image_url", "image_url": {"url": it}}]),
    "message.image": lambda it: chat(content="Here it is:", image={"url": it}),
    "message.data[]": lambda it: chat(content=None, data=[{"url": it}]),
    "message.attachments[]": lambda it: chat(content="", attachments=[{"type": "file", "url": it}]),
    "a part's image_url": lambda it: chat(content=[{"type": "text", "text": "Here."}, {"type": "image_url", "image_url": it}]),
    "a part's image_url.url": lambda it: chat(content=[{"type": "image_url", "image_url": {"url": it}}]),
    "a part's inlineData": lambda it: chat(content=[{"inlineData": inline(it)}]),
    "a part's source": lambda it: chat(content=[{"type": "image", "source": {"type": "base64", **inline(it)}}]),
    "Markdown": lambda it: chat(content=f"Here you go:\n\n![a [red] kite](<{it.strip().strip('<>')}>)\nEnjoy!"),
    "an envelope around a chat": lambda it: {"success": True, "data": chat(content=[{"type": "image_url", "image_url": it}])},
}

ENCODINGS: dict[str, Callable[[str], bytes]] = {
    "plain": str.encode,
    "byte order mark": lambda it: b"\xef\xbb\xbf" + it.encode(),
    "UTF-16": lambda it: it.encode("utf-16"),
    "half a pair of surrogates": lambda it: it.replace("{", '{"note":"a kite \\ud83d",', 1).encode(),
    "an escape that was cut": lambda it: it.replace("{", '{"note":"a kite \\ud8",', 1).encode(),
    "a Latin-1 byte": lambda it: it.replace("{", '{"note":"caf*",', 1).encode().replace(b"*", b"\xe9", 1),
    "control characters": lambda it: it.replace("{", '{"note":"one\ntwo\tthree\x00\x1f",', 1).encode(),
    "NaN and Infinity": lambda it: it.replace("{", '{"usage":{"cost":NaN,"left":-Infinity},', 1).encode(),
    "a name given twice": lambda it: it.replace("{", '{"note":1,"note":2,', 1).encode(),
    "an enormous number": lambda it: it.replace("{", '{"note":' + "9" * 5000 + ",", 1).encode(),
    "a trailing comma": lambda it: (it[:-1] + ",}").encode(),
    "blanks around": lambda it: f"\r\n\r\n  {it}\n\0\0".encode(),
    "comments before": lambda it: f": GATEWAY PROCESSING\n\n: GATEWAY PROCESSING\n\n{it}".encode(),
    "[DONE] behind": lambda it: f"{it}\n\ndata: [DONE]\n\n".encode(),
    "words around": lambda it: f"Here [you] are {{enjoy}}:\n```json\n{it}\n```\n".encode(),
    "one event of a stream": lambda it: f"event: done\ndata: {it}\n\ndata: [DONE]\n\n".encode(),
    "one of several events": lambda it: f'data: {{"type":"ping"}}\n\ndata: {it}\n\ndata: [DONE]\n\n'.encode(),
    "an event in lines": lambda it: "".join(
        f"data: {line}\n" for line in json.dumps(json.loads(it), indent=1).splitlines()
    ).encode(),
    "a list of one": lambda it: f"[{it}]".encode(),
    "a call of a function": lambda it: f"callback({it});".encode(),
}

# What would be no picture where nothing says that it is one, or is none of Markdown's destinations.
UNSAID = {"Markdown": ("base64", "URL-safe base64", "base64 without padding", "base64 in lines", "prefix without data:")}
UNSAID["Markdown"] += ("nothing but base64, in front", "address with blanks")


def chat(**message: Any) -> dict[str, Any]:
    said = {"role": "assistant", **message}
    return {"id": "chatcmpl-1", "choices": [{"index": 0, "message": said, "finish_reason": "stop"}]}


def inline(it: str) -> dict[str, str]:
    return {"mimeType": "image/png", "data": it}


def bytes_of(output: Output) -> bytes | str:
    return b"".join(open_data_uri(output.url).chunks) if is_data_uri(output.url) else output.url


def found_in(raw: bytes) -> list[bytes | str]:
    doc = read_tolerantly(raw)
    assert doc is not None, "nothing was read"
    return [bytes_of(output) for output in find_images(doc).outputs]


def expected(spelling: str) -> bytes | str:
    return AT if spelling.startswith("address") else PICTURE


CELLS = [(place, spelling) for place in PLACES for spelling in SPELLINGS if spelling not in UNSAID.get(place, ())]


@pytest.mark.parametrize("place", PLACES)
def test_a_picture_is_found_in_every_place_in_every_spelling(place: str) -> None:
    for spelling in (one for at, one in CELLS if at == place):
        raw = json.dumps(PLACES[place](SPELLINGS[spelling])).encode()

        assert found_in(raw) == [expected(spelling)], spelling


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_picture_is_found_in_every_encoding(encoding: str) -> None:
    seed = random.randrange(10**6)
    print("seed", seed)
    for place, spelling in random.Random(seed).sample(CELLS, 60):
        raw = ENCODINGS[encoding](json.dumps(PLACES[place](SPELLINGS[spelling])))

        assert found_in(raw) == [expected(spelling)], (place, spelling)


# -- streams, and what broke off -------------------------------------------------------------------------


def event(said: Any) -> str:
    return f"data: {json.dumps(said)}\n\n"


def test_the_pieces_of_a_chat_are_joined() -> None:
    words = f"Here: ![a kite]({HEAD}{PLAIN}) and ![b]({AT})"
    pieces = [words[at : at + 100] for at in range(0, len(words), 100)]
    deltas = [{"role": "assistant", "content": ""}, *({"content": piece} for piece in pieces), {}]
    chunks = [{"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]

    assert found_in("".join(map(event, chunks)).encode() + b"data: [DONE]\n\n") == [PICTURE, AT]


def test_the_pictures_that_a_stream_makes_on_the_way_are_not_its_result() -> None:
    early = {
        "type": "image_generation.partial_image",
        "b64_json": base64.b64encode(PICTURE[:90]).decode(),
        "partial_image_index": 0,
    }
    done = {"type": "image_generation.completed", "b64_json": PLAIN}

    assert found_in("".join(map(event, [early, early, done])).encode()) == [PICTURE]


def test_a_picture_that_a_stream_tells_twice_counts_once() -> None:
    made = {"type": "image_generation_call", "id": "ig_1", "result": PLAIN}
    item = {"type": "response.output_item.done", "item": made}
    whole = {"type": "response.completed", "response": {"status": "completed", "output": [made]}}

    assert found_in("".join(map(event, [item, whole])).encode()) == [PICTURE]


def test_the_pieces_of_geminis_stream_come_in_order() -> None:
    pieces = [{"candidates": [{"content": {"parts": [part]}}]} for part in ({"text": "Here."}, {"inlineData": inline(PLAIN)})]

    assert found_in("".join(map(event, pieces)).encode()) == found_in(json.dumps(pieces).encode()) == [PICTURE]


def test_what_came_whole_of_an_answer_that_broke_off_is_found() -> None:
    raw = json.dumps({"data": [{"b64_json": PLAIN}, {"b64_json": PLAIN}]}).encode()

    assert found_in(raw[:-200]) == [PICTURE]


# -- words ---------------------------------------------------------------------------------------------


B = "https://cdn.example/b_(1).webp"


@pytest.mark.parametrize(
    ("words", "urls"),
    [
        (f"![a](<{B}>)", [B]),
        (f"![a]({B})", [B]),
        (f"![a]({B} 'its title')", [B]),
        (f"![a]({B} (its title))", [B]),
        (f'![a](\n  {B}\n  "its\ntitle"\n)', [B]),
        ("![a](https://cdn.example/b_\\(1\\).webp)", [B]),
        ("![a](https://cdn.example/a.png?x=1&amp;y=2&copy=3)", ["https://cdn.example/a.png?x=1&y=2&copy=3"]),
        ("![a](https://cdn.example/&#97;.png)", ["https://cdn.example/a.png"]),
        ("![a][it]\n\n[it]: https://cdn.example/a.png 'title'", ["https://cdn.example/a.png"]),
        ("![It  Is][]\n\n[it is]: <https://cdn.example/a.png>", ["https://cdn.example/a.png"]),
        ("![it]\n\n  [IT]:\n  https://cdn.example/a.png", ["https://cdn.example/a.png"]),
        (f"[![small]({B})](https://docs.example)", [B]),
        (f"\\![no] ![a]({B}) \\[no](https://x.example/n.png)", [B]),
        (f'<p><img alt="a > b" src="{AT.replace("&", "&amp;")}" width=3></p>', [AT]),
        (f"<img src={B}>", [B]),
        (f"<IMG SRC='{B}'>", [B]),
        (f"1. ![]({B})\n2. <img src='{AT}'>\n3. ![]({HEAD}{PLAIN})", [B, AT, PICTURE]),
        (f"Here you go:\n\n{HEAD}{PLAIN}\n\nEnjoy", [PICTURE]),
        (PLAIN, [PICTURE]),
        (f"Your picture: {B}.", [B]),
        (f"(see {B})", [B]),
        (f"[see {B}].", [B]),
        (f"Done. [Download]({B}) or read [the docs](https://docs.example/help)", [B]),
        (f"<a href='{B}'>here</a>", [B]),
        ("It is at https://cdn.example/view?id=7 for an hour", ["https://cdn.example/view?id=7"]),
        (f"![here](sandbox:/mnt/a.png) or [here]({B})", [B]),
    ],
)
def test_words_lead_to_a_picture_by_the_rules_that_words_are_shown_by(words: str, urls: list[bytes | str]) -> None:
    assert [bytes_of(output) for output in find_images(chat(content=words)).outputs] == urls


def test_an_address_in_the_words_of_a_refusal_is_its_explanation() -> None:
    words = "This request violates our content policy, see https://docs.example/policy"
    accepted = answered("hiapi_chat", 200, chat(content=words))

    assert isinstance(accepted, Accepted)
    assert accepted.news is not None
    assert accepted.news.error is not None
    assert (accepted.news.error.code, accepted.news.unread) == ("content_rejected", b"")


# -- one of several, and too many --------------------------------------------------------------------------


def test_one_output_that_cannot_be_read_loses_only_itself() -> None:
    found = find_images({"data": [{"url": AT}, {"b64_json": "no*base64!"}, {"url": "ftp://cdn.example/a"}, None, {"url": B}]})

    assert [output.url for output in found.outputs] == [AT, B]
    assert found.missing == (
        "output 2: its base64 is broken",
        "output 3: its address is none that can be fetched",
        "output 4: no address and no picture in it",
    )


def test_what_is_no_picture_by_its_own_word_is_not_missed() -> None:
    entries = [{"type": "thumbnail", "url": B}, {"type": "video", "url": B}, {"type": "image", "url": AT}, {"thought": True}]
    parts = [{"text": "Here."}, {"thought": True, "inlineData": inline(PLAIN)}, {"fileData": {"fileUri": AT}}]

    assert [output.url for output in find_images({"output": entries[:3]}).outputs] == [AT]
    assert find_images({"output": entries[:3]}).missing == ()
    assert [output.url for output in find_images({"candidates": [{"content": {"parts": parts}}]}).outputs] == [AT]


def test_of_too_many_outputs_the_first_are_taken_and_that_is_said() -> None:
    found = find_images({"output": [{"url": f"https://cdn.example/{number}"} for number in range(40_000)]})

    assert len(found.outputs) == MOST_IMAGES
    assert found.missing == ("there are more than the 32 outputs that are taken",)


@pytest.mark.parametrize("name", IMMEDIATE)
def test_a_success_with_one_bad_output_is_one_and_keeps_the_answer(name: str) -> None:
    accepted = answered(name, 200, {"data": [{"url": AT}, {"b64_json": "?"}], **chat(content=None)})

    assert isinstance(accepted, Accepted)
    assert accepted.news is not None
    assert accepted.news.says is Says.SUCCEEDED
    assert [output.url for output in accepted.news.outputs] == [AT]
    assert accepted.news.missing == ("output 2: its base64 is broken",)
    assert b'"b64_json": "?"' in accepted.news.unread


# -- what is no picture ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", IMMEDIATE)
@pytest.mark.parametrize(
    "body",
    [
        {"success": False, "message": "the prompt is too long"},
        {"success": False, "message": "the prompt is too long", "data": None},
        {"ok": False, "message": "the prompt is too long", "data": []},
        {"success": "false", "message": "the prompt is too long"},
    ],
)
def test_no_success_is_a_refusal_at_an_unknown_price(name: str, body: Any) -> None:
    error = answered(name, 200, body)

    assert type(error) is UpstreamRefused
    assert (error.message, error.charged) == ("the prompt is too long", "unknown")


@pytest.mark.parametrize("name", IMMEDIATE)
@pytest.mark.parametrize(
    "body", [b"it worked", b'{"picture":{"at":"somewhere"}}', b'<html><script>{"url":"https://x.example/logo.png"}</script>']
)
def test_what_cannot_be_read_goes_along_as_it_came(name: str, body: bytes) -> None:
    error = answered(name, 200, body + b"\xff" * (2 * MAX_UNREAD))

    assert isinstance(error, OutcomeUnknown)
    assert error.unread == (body + b"\xff" * MAX_UNREAD)[:MAX_UNREAD]
    assert len(error.raw) <= 4096


def test_words_that_are_base64_too_are_no_picture() -> None:
    assert [picture_of(one) for one in ("completed", "AAAA", "done", "")] == ["its address is none that can be fetched"] * 4


# -- whatever comes ----------------------------------------------------------------------------------------

MUTATIONS = st.lists(
    st.tuples(st.integers(0, 10**6), st.sampled_from(["cut", "drop", "put", "swap"]), st.binary(max_size=4)), max_size=5
)


def mutated(raw: bytes, changes: list[tuple[int, str, bytes]]) -> bytes:
    for number, how, piece in changes:
        at = number % (len(raw) + 1)
        raw = {"cut": raw[:at], "drop": raw[:at] + raw[at + 1 :], "put": raw[:at] + piece + raw[at:]}.get(
            how, raw[at:] + raw[:at]
        )
    return raw


@given(st.sampled_from(CELLS), st.sampled_from(sorted(ENCODINGS)), MUTATIONS, st.sampled_from(IMMEDIATE))
def test_any_change_of_an_answer_leaves_a_picture_or_an_answer_that_is_kept(
    cell: tuple[str, str], encoding: str, changes: list[tuple[int, str, bytes]], name: str
) -> None:
    place, spelling = cell
    raw = mutated(ENCODINGS[encoding](json.dumps(PLACES[place](SPELLINGS[spelling]))), changes)

    outcome: Accepted | UpstreamError = answered(name, 200, raw)

    if isinstance(outcome, Accepted):
        assert outcome.news is not None
        assert outcome.news.outputs or outcome.news.unread or outcome.news.error
    else:
        assert isinstance(outcome, UpstreamRefused) or outcome.unread == raw[:MAX_UNREAD]  # type: ignore[attr-defined]
    if not changes and (place.startswith(("data[].url", "message.images"))):
        assert isinstance(outcome, Accepted)


HOSTILE: dict[str, Callable[[int], bytes]] = {
    "objects that never end": lambda n: b'{"a":' * (n // 5),
    "lists that never end": lambda n: b"[" * n,
    "objects that break at once": lambda n: b"{" * n,
    "objects that break at their end": lambda n: b'{"a":{"b":1}' * (n // 12),
    "texts that never end": lambda n: b'{"a":"' + b"{" * n,
    "events that are none": lambda n: b"data: {\n" * (n // 8),
    "commas": lambda n: b'{"a":[' + b", " * (n // 2),
    "backslashes": lambda n: b'{"a":"' + b"\\" * n,
    "brackets": lambda n: json.dumps(chat(content="https://x/ " + "![](" * (n // 4))).encode(),
    "links that never close": lambda n: json.dumps(chat(content="![a](https://x " * (n // 15))).encode(),
    "tags": lambda n: json.dumps(chat(content="<img " * (n // 5))).encode(),
    "files": lambda n: json.dumps(chat(content="![a](data:" * (n // 10))).encode(),
    "addresses without an end": lambda n: json.dumps(chat(content=("https://a" + "." * 8000 + " ") * (n // 8010))).encode(),
    "definitions": lambda n: json.dumps(chat(content="[a]: https://x/\n![a] " * (n // 21))).encode(),
    "JSON in JSON": lambda n: json.dumps({"data": "[" * n}).encode(),
    "names": lambda n: json.dumps({f"n{number}": number for number in range(n // 14)}).encode(),
    "entries": lambda n: json.dumps({"data": [{"url": "x"}] * (n // 14)}).encode(),
}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_an_answer_takes_no_longer_than_it_is_long(hostile: str) -> None:
    def took(size: int) -> float:
        raw = HOSTILE[hostile](size)
        began = time.thread_time()
        if (doc := read_tolerantly(raw)) is not None:
            find_images(doc)
        return time.thread_time() - began

    assert took(128 * 1024) < 8 * took(32 * 1024) + 0.25
