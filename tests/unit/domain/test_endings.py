"""A picture's file is whole when its own bytes say so: compared with Pillow over files that are cut anywhere."""

import io
import random
import struct
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFile, ImageSequence

from darkroom.domain.endings import end_finder
from darkroom.domain.pictures import sniff
from tests.unit.domain.test_pictures import SAMPLES, box, described, drawn, ispe

SEED = random.SystemRandom().randrange(1 << 32)
JOINTS = (b"IDAT", b"IEND", b"\xff\xd9", b"\xff\xda", b"\xff\xd8", b"ANMF", b"ICCP", b"mdat", b"meta", b"moov", b"\0;")


def noise(size: tuple[int, int] = (40, 30), mode: str = "RGB") -> Image.Image:
    return Image.frombytes(mode, size, random.Random(7).randbytes(size[0] * size[1] * len(mode)))


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def several(form: str) -> bytes:
    frames = [noise((20, 20 + number)).resize((24, 24)) for number in range(3)]
    return saved(frames[0], form, save_all=True, append_images=frames[1:])


WITH_THUMBNAIL = saved(noise(), "jpeg", exif=b"Exif\0\0" + drawn("jpeg", (16, 12)))
FILES = {
    **SAMPLES,
    "png of noise": saved(noise(), "png"),
    "png animated": several("png"),
    "jpeg of noise": saved(noise(), "jpeg", quality=97),
    "jpeg progressive of noise": saved(noise(), "jpeg", quality=97, progressive=True),
    "jpeg with restarts": saved(noise((128, 64)), "jpeg", restart_marker_blocks=2),
    "jpeg in grey": saved(noise(mode="L"), "jpeg"),
    "jpeg in cmyk": saved(noise(mode="CMYK"), "jpeg"),
    "jpeg with a thumbnail": WITH_THUMBNAIL,
    "jpegs in one file": several("mpo"),
    "webp of noise": saved(noise(), "webp", quality=95),
    "webp with a profile of odd length": saved(noise(), "webp", lossless=True, icc_profile=b"p" * 101),
    "webp animated noise": several("webp"),
    "gif of noise": saved(noise().convert("P"), "gif"),
    "gif animated noise": several("gif"),
    "avif of noise": saved(noise(), "avif"),
    "avif with alpha of noise": saved(noise(mode="RGBA"), "avif", exif=described("y" * 99)),
    "avif animated noise": several("avif"),
}


def kind_of(content: bytes) -> str:
    picture = sniff(content)
    assert picture is not None
    return picture.content_type


def fed(content: bytes, *, piece: int = 1 << 16) -> bool:
    finder = end_finder(kind_of(content))
    for at in range(0, len(content), piece):
        finder.feed(content[at : at + piece])
    return finder.found


def pillow_reads(content: bytes) -> bool:
    """Whether every frame that the file names is there."""
    assert not ImageFile.LOAD_TRUNCATED_IMAGES
    try:
        with Image.open(io.BytesIO(content)) as image:
            for frame in ImageSequence.Iterator(image):
                frame.load()
    except (OSError, SyntaxError, EOFError, ValueError):
        return False
    return True


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_a_whole_file_is_whole_however_it_comes_in_pieces(content: bytes) -> None:
    assert pillow_reads(content)
    assert all(fed(content, piece=piece) for piece in (7, 100, 1 << 16))


def cuts(content: bytes) -> Iterator[int]:
    """Where the file has its joints, and anywhere else."""
    dice = random.Random(SEED)
    yield from range(1, 40)
    yield from (len(content) - number for number in range(1, 40))
    yield from (dice.randrange(1, len(content)) for _ in range(150))
    for joint in (
        b"IDAT",
        b"IEND",
        b"\xff\xd9",
        b"\xff\xda",
        b"\xff\xd8",
        b"ANMF",
        b"ICCP",
        b"mdat",
        b"meta",
        b"moov",
        b"\0\x3b",
    ):
        at = content.find(joint)
        while at >= 0:
            yield from range(at - 5, at + 10)
            at = content.find(joint, at + 1)


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_no_file_that_is_cut_short_is_whole(content: bytes) -> None:
    finder, fed_so_far, wrong = end_finder(kind_of(content)), 0, []

    for at in sorted({at for at in cuts(content) if 0 < at < len(content)}):
        finder.feed(content[fed_so_far:at])
        fed_so_far = at
        if finder.found and not _is_whole_before(content, at):
            wrong.append(at)

    assert not wrong, f"of {len(content)} bytes, seed {SEED}"


def _is_whole_before(content: bytes, at: int) -> bool:
    """Whether a JPEG ends there: a byte or two behind it may be the beginning of another one, or nothing."""
    return content.startswith(b"\xff\xd8") and content[:at].rstrip(b"\xff").endswith((b"\xff\xd9", b"\xff\xd9\xff\xd8"))


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_what_is_whole_can_be_read(content: bytes) -> None:
    dice = random.Random(SEED)
    tried = [content[: dice.randrange(1, len(content) + 1)] for _ in range(5)]

    wrong = [len(one) for one in tried if sniff(one) and fed(one) and not pillow_reads(one)]

    # Behind the first of several JPEGs nothing but the file's end tells that another one is to come.
    assert not [at for at in wrong if not _is_whole_before(content, at)], f"seed {SEED}"


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
@pytest.mark.parametrize(
    "junk", [b"\0", b"\n", b"\xff", b"\xff\xd8", b"\0" * 64, b"<!-- served by -->\n", bytes(range(256)) * 9, b"\xff" * 99]
)
def test_what_follows_a_whole_file_does_not_make_it_cut_short(content: bytes, junk: bytes) -> None:
    assert fed(content + junk)
    assert fed(content + junk, piece=999)


def test_a_second_jpeg_that_begins_has_to_end() -> None:
    first, second = drawn("jpeg"), drawn("jpeg", (16, 12))

    assert fed(first + second)
    assert not fed(first + second[:-1])
    assert not fed(first + second[:3])


def test_a_thumbnails_end_is_not_the_pictures() -> None:
    at = WITH_THUMBNAIL.index(b"\xff\xd9") + 2

    assert not fed(WITH_THUMBNAIL[:at])
    assert not any(fed(WITH_THUMBNAIL[:end]) for end in range(at, len(WITH_THUMBNAIL)))


def chunk(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


PNG_HEAD = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 3, 8, 6, 0, 0, 0))
GIF_HEAD = b"GIF89a\x02\0\x03\0\0\0\0"


@pytest.mark.parametrize(
    "empty",
    [
        PNG_HEAD + chunk(b"IEND"),
        PNG_HEAD + chunk(b"tEXt", b"IDAT\0IEND"),
        b"\xff\xd8\xff\xc0\0\x0b\x08\0\x03\0\x02\x01\x01\x11\0\xff\xd9",
        GIF_HEAD + b";",
        b"RIFF\x12\0\0\0WEBPVP8X\x0a\0\0\0" + bytes(10),
        b"RIFF\0\0\0\0WEBPVP8L\x0a\0\0\0\x2f" + bytes(30),
    ],
)
def test_an_end_without_a_picture_before_it_is_none(empty: bytes) -> None:
    assert not fed(empty)


def test_a_gif_may_hold_bytes_that_are_no_blocks() -> None:
    whole = SAMPLES["gif"]
    table = 13 + 3 * 2 ** ((whole[10] & 7) + 1)

    assert fed(whole[:table] + b"\0\0" + whole[table:])


def iloc(*places: tuple[int, int], version: int = 1, method: int = 0) -> bytes:
    wide = ">I" if version == 2 else ">H"
    items = b"".join(
        struct.pack(wide, number) + (struct.pack(">H", method) if version else b"") + struct.pack(">HHII", 0, 1, offset, length)
        for number, (offset, length) in enumerate(places, start=1)
    )
    return box(b"iloc", bytes([version, 0, 0, 0, 0x44, 0]) + struct.pack(wide, len(places)) + items)


def avif(*boxes: bytes) -> bytes:
    properties = box(b"iprp", box(b"ipco", ispe(30, 20)))
    return box(b"ftyp", b"avif\0\0\0\0") + box(b"meta", b"\0\0\0\0" + properties + b"".join(boxes))


@pytest.mark.parametrize("version", [0, 1, 2])
def test_an_avif_is_whole_when_all_its_items_are_there(version: int) -> None:
    begin = len(avif(iloc((0, 0), (0, 0), version=version))) + 8
    file = avif(iloc((begin, 60), (begin + 60, 40), version=version))

    assert fed(file + box(b"mdat", bytes(100)))
    assert not fed(file)
    assert not fed(file + box(b"mdat", bytes(60)))
    assert fed(file + box(b"mdat", bytes(60)) + bytes(40))


def test_an_avif_whose_last_box_is_open_is_whole_when_its_items_are_there() -> None:
    begin = len(avif(iloc((0, 0)))) + 8
    file = avif(iloc((begin, 100))) + struct.pack(">I4s", 0, b"mdat")

    assert [fed(file + bytes(size)) for size in (0, 99, 100, 200)] == [False, False, True, True]


def test_an_avif_may_keep_its_items_beside_their_places() -> None:
    file = avif(iloc((0, 9), method=1), box(b"idat", bytes(9)))

    assert fed(file)
    assert not fed(file[:-1])


def test_an_avif_that_names_no_places_has_its_media_behind_them() -> None:
    long = struct.pack(">I4sQ", 1, b"mdat", 116) + bytes(100)

    assert fed(avif() + long)
    assert not fed(avif() + long[:-1])
    assert not fed(avif() + long[:15])
    assert not fed(avif())
    assert fed(avif() + struct.pack(">I4s", 0, b"mdat") + bytes(9))
    assert not fed(avif() + long + box(b"free", bytes(9))[:-1])


def test_places_that_are_cut_off_or_have_no_size_are_none() -> None:
    begin = len(avif(iloc((0, 0)))) + 8
    torn = box(b"iloc", iloc((begin, 100))[8:-4])
    sizeless = box(b"iloc", bytes([1, 0, 0, 0, 0, 0]) + struct.pack(">H", 0xFFFF) + b"\0\1\0\0\0\0\xff\xff" * 200)

    assert fed(avif(torn) + box(b"mdat", bytes(1)))
    assert fed(avif(sizeless) + box(b"mdat", bytes(1)))
    assert fed(avif(box(b"iloc", b"")) + box(b"mdat", bytes(1)))


@given(st.sampled_from(sorted(FILES)), st.data())
def test_no_damage_makes_it_raise(name: str, data: st.DataObject) -> None:
    content = bytearray(FILES[name][:2000])
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))

    whole, torn = end_finder(kind_of(FILES[name])), end_finder(kind_of(FILES[name]))
    whole.feed(bytes(content))
    for byte in content:
        torn.feed(bytes([byte]))

    assert whole.found == torn.found
