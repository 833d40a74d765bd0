"""The kind and size of a picture are told from its first bytes, and no bytes can break the telling."""

import io
import itertools
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from darkroom.domain.pictures import TYPE_KNOWN_AT, Picture, extension, sniff

FORMATS = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp", "avif": "image/avif", "gif": "image/gif"}
SIZES = [(1, 1), (16, 9), (257, 64), (1024, 768), (130, 2049)]


def drawn(form: str, size: tuple[int, int] = (64, 48), *, mode: str = "RGB", **options: Any) -> bytes:
    image = Image.new(mode, size, (200, 30, 60, 128)[: len(mode)])
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def described(text: str) -> Image.Exif:
    exif = Image.Exif()
    exif[0x010E] = text
    return exif


def animated(form: str, size: tuple[int, int] = (64, 48)) -> bytes:
    frames = [Image.new("RGB", size, color) for color in ("red", "green", "blue")]
    file = io.BytesIO()
    frames[0].save(file, form, save_all=True, append_images=frames[1:], duration=100)
    return file.getvalue()


SAMPLES = {
    **{form: drawn(form) for form in FORMATS},
    "webp lossless": drawn("webp", lossless=True),
    "webp with alpha": drawn("webp", mode="RGBA"),
    "webp with exif": drawn("webp", exif=described("x" * 500)),
    "webp animated": animated("webp"),
    "gif animated": animated("gif"),
    "avif with alpha": drawn("avif", mode="RGBA"),
    "avif animated": animated("avif"),
    "avif with exif": drawn("avif", exif=described("x" * 500)),
    "jpeg progressive": drawn("jpeg", progressive=True),
    "jpeg with profile": drawn("jpeg", icc_profile=b"p" * 200_000),
    "png interlaced": drawn("png", mode="RGBA"),
}


@pytest.mark.parametrize(("form", "size"), list(itertools.product(FORMATS, SIZES)))
def test_type_and_size_of_a_whole_file(form: str, size: tuple[int, int]) -> None:
    assert sniff(drawn(form, size)) == Picture(FORMATS[form], *size)


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_every_variant_of_the_five_formats_is_told_with_its_size(sample: bytes) -> None:
    found = sniff(sample)

    assert found is not None
    assert (found.width, found.height) == (64, 48)


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_a_head_says_nothing_yet_or_the_truth_and_never_changes_its_mind(sample: bytes) -> None:
    truth = sniff(sample)
    assert truth is not None

    told = [sniff(sample[:length]) for length in range(min(len(sample), 2000))]

    assert set(told) <= {None, Picture(truth.content_type), truth}
    stages = [0 if found is None else 1 if found.width is None else 2 for found in told]
    assert stages == sorted(stages)


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_the_type_is_known_early(sample: bytes) -> None:
    truth, early = sniff(sample), sniff(sample[:TYPE_KNOWN_AT])

    assert truth is not None
    assert early is not None
    assert early.content_type == truth.content_type


def test_a_jpegs_size_waits_behind_its_exif_and_colour_profile() -> None:
    photo = drawn("jpeg", (640, 480), exif=b"Exif\0\0" + b"\xff\xd8\xff\xc0" * 15_000, icc_profile=b"\xff\xc0" * 150_000)

    assert sniff(photo[:300_000]) == Picture("image/jpeg")
    assert sniff(photo) == Picture("image/jpeg", 640, 480)


def test_a_bytearray_that_grows_will_do() -> None:
    head = bytearray(drawn("png"))

    assert sniff(head) == Picture("image/png", 64, 48)


def test_garbage_between_jpeg_segments_is_skipped_as_decoders_do() -> None:
    photo = drawn("jpeg")

    assert sniff(photo[:2] + b"\xff\xff\xff" + photo[2:]) == Picture("image/jpeg", 64, 48)
    assert sniff(b"\xff\xd8\xff\xd0\xff\x00\x01\x02" + photo[2:]) == Picture("image/jpeg", 64, 48)


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def still(brands: bytes, *boxes: bytes) -> bytes:
    properties = box(b"iprp", box(b"ipco", b"".join(boxes)))
    return box(b"ftyp", brands[:4] + b"\0\0\0\0" + brands[4:]) + box(b"meta", b"\0\0\0\0" + properties)


def ispe(width: int, height: int) -> bytes:
    return box(b"ispe", struct.pack(">III", 0, width, height))


def test_an_image_file_with_an_av1_item_is_an_avif_and_one_with_another_codec_is_not() -> None:
    assert sniff(still(b"mif1miaf", box(b"av1C", b"\x81\0\0\0"), ispe(30, 20))) == Picture("image/avif", 30, 20)
    assert sniff(still(b"mif1heic", box(b"hvcC", b"\x01"), ispe(30, 20))) is None
    assert sniff(box(b"ftyp", b"isom\0\0\0\0mp42")) is None


def test_an_avifs_size_is_that_of_its_largest_item_not_of_a_thumbnail() -> None:
    assert sniff(still(b"avif", ispe(160, 120), ispe(1600, 1200), ispe(64, 64))) == Picture("image/avif", 1600, 1200)


def test_boxes_with_long_lengths_and_open_ends_are_walked() -> None:
    long = struct.pack(">I4sQ", 1, b"free", 20) + b"1234"
    head = box(b"ftyp", b"avif\0\0\0\0")
    properties = box(b"iprp", box(b"ipco", ispe(30, 20)))
    open_end = struct.pack(">I4s", 0, b"meta") + b"\0\0\0\0" + properties

    assert sniff(head + long + open_end) == Picture("image/avif", 30, 20)


def test_more_boxes_than_any_picture_has_are_not_walked() -> None:
    assert sniff(box(b"ftyp", b"avif\0\0\0\0") + box(b"free", b"") * 10_000 + still(b"avif", ispe(1, 1))) == Picture("image/avif")


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"<!doctype html><html><body>not found</body></html>",
        b'<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>',
        b'<?xml version="1.0"?><svg/>',
        b"%PDF-1.7\n",
        b'{"error":"expired"}',
        b"RIFF\x24\0\0\0WAVEfmt ",
        b"RIFF\x24\0\0\0WEBPJUNK" + b"\0" * 30,
        drawn("bmp"),
        drawn("tiff"),
        drawn("ico"),
        drawn("jpeg2000"),
    ],
)
def test_everything_else_is_no_picture(head: bytes) -> None:
    assert sniff(head) is None


def patched(sample: bytes, at: int, value: bytes) -> bytes:
    return sample[:at] + value + sample[at + len(value) :]


@pytest.mark.parametrize(
    "head",
    [
        patched(SAMPLES["png"], 16, b"\0\0\0\0"),
        patched(SAMPLES["gif"], 8, b"\0\0"),
        patched(SAMPLES["webp"], 26, b"\0\0"),
        still(b"avif", ispe(0, 20)),
        b"\xff\xd8\xff\xc0\0\x11\x08\0\0\0\x10",
    ],
)
def test_a_picture_without_area_is_none(head: bytes) -> None:
    assert sniff(head) is None


@pytest.mark.parametrize(
    "head",
    [
        patched(SAMPLES["png"], 12, b"CgBI"),
        patched(SAMPLES["webp"], 23, b"\0\0\0"),
        patched(SAMPLES["webp lossless"], 20, b"\0"),
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8\xff\xda\0\x08" + b"\0" * 20,
    ],
)
def test_a_file_that_only_starts_like_a_picture_is_none(head: bytes) -> None:
    assert sniff(head) is None


def test_every_type_has_its_own_ending() -> None:
    assert [extension(kind) for kind in FORMATS.values()] == ["png", "jpg", "webp", "avif", "gif"]
    with pytest.raises(KeyError):
        extension("text/html")


PREFIXES = [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\0\0\0\0WEBPVP8 ", b"RIFF\0\0\0\0WEBPVP8L"]
PREFIXES += [b"RIFF\0\0\0\0WEBPVP8X", b"\0\0\0\x10ftypavif\0\0\0\0", b"\0\0\0\x10ftypmif1\0\0\0\0", b"\0\0\0\0ftypmif1"]


@given(st.sampled_from(PREFIXES), st.binary(max_size=300))
def test_no_bytes_make_it_raise(prefix: bytes, rest: bytes) -> None:
    found = sniff(prefix + rest)

    assert found is None or found.width is None or (found.width > 0 and (found.height or 0) > 0)


PIECES = st.lists(
    st.sampled_from(
        [b"meta", b"iprp", b"ipco", b"ispe", b"av1C", b"\0\0\0\x08", b"\0\0\0\x14", b"\0\0\0\0", b"\0\0\0\x01", b"\xff" * 4]
    ),
    max_size=60,
)


@given(PIECES)
def test_no_nesting_of_boxes_makes_it_raise(pieces: list[bytes]) -> None:
    sniff(b"\0\0\0\x10ftypmif1\0\0\0\0" + b"".join(pieces))


@given(st.sampled_from(sorted(SAMPLES)), st.data())
def test_a_damaged_picture_does_not_make_it_raise(name: str, data: st.DataObject) -> None:
    damaged = bytearray(SAMPLES[name][:1000])
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))

    sniff(bytes(damaged))
