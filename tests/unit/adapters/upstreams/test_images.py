"""Images are found wherever a gateway puts them, in words or beside them, and nothing else is taken for one."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.adapters.upstreams.images import MOST_IMAGES, Found, find_images, has_results
from darkroom.adapters.upstreams.reading import is_web_address
from darkroom.adapters.upstreams.spelling import picture_of
from darkroom.domain.task import Output

A, B = "https://cdn.example/a.png?sig=1", "https://cdn.example/b.png"
INLINE = "data:image/png;base64,iVBORw0KGgo="


def urls(value: Any) -> list[str]:
    return [output.url for output in find_images(value).outputs]


def in_words(words: str) -> Found:
    """What a chat's message of these words shows."""
    return find_images({"message": {"role": "assistant", "content": words}})


@pytest.mark.parametrize(
    "doc",
    [
        {"data": [{"url": A}, {"url": B}]},
        {"result": {"data": [{"url": A}, {"url": B}]}},
        {"result": {"images": [{"url": [A]}, {"url": [B]}]}},
        {"output": [A, B]},
        {"outputs": [{"type": "image", "url": A}, {"type": "image", "url": B}]},
        {"images": [{"type": "image_url", "image_url": {"url": A}}, {"image_url": B}]},
        {"data": {"images": [A, B]}},
        {"data": {"urls": [A, B]}, "images": [B]},
        {"type": "image_generation", "data": [{"url": A}, {"url": B}]},
        {"data": [{"url": A, "b64_json": "AAAA"}, {"url": B}]},
        {"data": [], "images": None, "output": [{"type": "thumbnail", "url": "https://x.example/t"}, A, B]},
        [{"url": A}, {"url": B}],
    ],
)
def test_every_place_is_searched_and_the_first_that_holds_images_is_taken(doc: Any) -> None:
    assert urls(doc) == [A, B]


@pytest.mark.parametrize("doc", [{"url": A}, {"data": {"url": A}}, {"image": A}, {"output": A}, {"image_url": A}, A])
def test_one_image_need_not_be_in_a_list(doc: Any) -> None:
    assert urls(doc) == [A]


def test_a_file_becomes_a_data_uri_and_one_that_is_one_stays_one() -> None:
    assert urls({"data": [{"b64_json": "iVBO\nRw0K"}]}) == ["data:application/octet-stream;base64,iVBORw0K"]
    assert urls({"data": [{"b64_json": INLINE}, {"url": INLINE}]}) == [INLINE, INLINE]


def test_an_expiry_comes_along_in_every_form() -> None:
    doc = {"data": [{"url": A, "expires_at": 1_777_282_033}, {"url": B, "expireAt": "2026-04-27T09:27:13Z"}]}

    assert find_images(doc).outputs == (Output(url=A, expires_at=1_777_282_033.0), Output(url=B, expires_at=1_777_282_033.0))


@pytest.mark.parametrize(
    "doc",
    [
        {},
        {"data": None},
        {"data": [None, 7, True, {}, [], ""]},
        {"data": [{"url": "ftp://cdn.example/a"}, {"url": "cdn.example/a"}, {"url": 7}, {"b64_json": ""}, {"b64_json": 7}]},
        {"data": [{"type": "video", "url": A}, {"type": "text", "text": A}]},
        {"data": [{"url": "data:image/svg+xml,<svg/>"}]},
        {"prompt": A, "error": {"url": A}},
    ],
)
def test_what_is_no_image_is_not_taken_for_one(doc: Any) -> None:
    assert urls(doc) == []


def test_a_place_may_be_empty_and_is_a_place_all_the_same() -> None:
    assert has_results({"data": []})
    assert not has_results({"id": "x", "choices": []})


def test_more_images_than_anybody_asks_for_are_left_out() -> None:
    found = find_images({"data": [{"url": f"https://cdn.example/{n}"} for n in range(1000)]})

    assert len(found.outputs) == MOST_IMAGES
    assert found.missing == ("there are more than the 32 outputs that are taken",)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from([A, INLINE, "completed", "AAAA"]) | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["data", "result", "output", "images", "url", "image_url", "b64_json", "type", "expires_at"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_anything_can_be_searched_and_only_addresses_come_of_it(value: Any) -> None:
    for output in find_images(value).outputs:
        assert is_web_address(output.url) or output.url.startswith("data:")


def test_a_nesting_that_never_ends_is_searched_to_its_depth() -> None:
    doc: Any = {"url": A}
    for _ in range(200):
        doc = {"data": [doc]}

    assert urls(doc) == []


# -- words ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        f"![image]({A})",
        f"Here it is:\n\n![a [red] kite]({A})\nEnjoy!",
        f'![image]( <{A}> "a title")',
        f'![image]({A} "a title")',
        f"see [the docs](https://docs.example) and ![]({A}) and [more](https://more.example)",
        f"  {A}\n",
    ],
)
def test_an_image_is_found_in_words(words: str) -> None:
    found = in_words(words)

    assert [output.url for output in found.outputs] == [A]
    assert not found.named_only


@pytest.mark.parametrize(
    "words",
    [f"![image]({INLINE})", f"Sure!\n![x]({INLINE[:30]}\n{INLINE[30:]})", f"![x](<{INLINE}>)", f'![x]({INLINE} "t")', INLINE],
)
def test_a_file_is_found_in_words(words: str) -> None:
    assert [output.url for output in in_words(words).outputs] == [INLINE]


def test_several_images_come_in_the_order_of_the_words() -> None:
    found = in_words(f"1. ![]({B}) 2. ![]({INLINE}) 3. ![]({A})")

    assert [output.url for output in found.outputs] == [B, INLINE, A]


@pytest.mark.parametrize(
    "words",
    [
        "",
        "I cannot draw that.",
        "![image]()",
        "![image](",
        "![x](/relative.png)",
    ],
)
def test_words_without_an_image_hold_none(words: str) -> None:
    assert in_words(words).outputs == ()


@given(st.text(st.sampled_from('![]()<>" ahtps:/,;data base64'), max_size=60))
def test_any_words_can_be_read(words: str) -> None:
    for output in in_words(words).outputs:
        assert picture_of(output.url) == output


@pytest.mark.parametrize(
    "words", ["](" * 2_000_000, "![" * 2_000_000, "![](" * 1_000_000, "![](x)" * 300_000, "[](" * 1_000_000 + ")"]
)
def test_hostile_words_take_no_longer_than_they_are_long(words: str) -> None:
    began = time.monotonic()

    in_words(words)

    assert time.monotonic() - began < 20
