"""The part of ISO base media files (ISO/IEC 14496-12, HEIF, AVIF) that tells an AVIF and its size."""

from collections.abc import Iterator

_AVIF = frozenset({b"avif", b"avis"})
_ANY_IMAGE = frozenset({b"mif1", b"msf1", b"miaf"})
_INSIDE = {b"meta": 4, b"iprp": 0, b"ipco": 0}
_MOST_BOXES = 4096


def is_avif(head: bytes | bytearray) -> bool:
    """Whether its brands say AVIF, or say only "image file" and one of its items is coded as AV1."""
    if head[4:8] != b"ftyp":
        return False
    end = min(int.from_bytes(head[:4], "big"), len(head), 1024)
    brands = {bytes(head[at : at + 4]) for at in (8, *range(16, end - 3, 4))}
    return bool(brands & _AVIF) or (bool(brands & _ANY_IMAGE) and _has_av1_item(head))


def size(head: bytes | bytearray) -> tuple[int, int] | None:
    """Width and height of the largest item (the others are thumbnails, tiles and alpha), None while none is in `head`."""
    sizes = [
        (int.from_bytes(head[at + 4 : at + 8], "big"), int.from_bytes(head[at + 8 : at + 12], "big"))
        for kind, at, end in _boxes(head)
        if kind == b"ispe" and end - at >= 12
    ]
    return max(sizes, key=lambda sides: sides[0] * sides[1], default=None)


def items_end(head: bytes | bytearray) -> int | None:
    """Where the last byte of an item lies that has its place in the file, as `iloc` says; None while there is none in `head`."""
    return next((_items_end(head[at:end]) for kind, at, end in _boxes(head) if kind == b"iloc"), None)


def _items_end(iloc: bytes | bytearray) -> int:
    """Read the places of items (ISO/IEC 14496-12, 8.11.3); what is cut off has no place."""
    at = 4

    def number(size: int) -> int:
        nonlocal at
        at += size
        return int.from_bytes(iloc[at - size : at], "big")

    version = iloc[0] if iloc else 0
    sizes = number(2)
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_size = sizes & 15 if version else 0
    last = 0
    for _ in range(min(number(4 if version == 2 else 2), len(iloc))):
        number(4 if version == 2 else 2)
        is_in_file = version == 0 or number(2) & 15 == 0
        number(2)
        base, extents = number(base_size), number(2)
        size = index_size + offset_size + length_size
        for _ in range(min(extents, (len(iloc) - at) // size) if size else 0):
            number(index_size)
            end = base + number(offset_size) + number(length_size)
            last = max(last, end if is_in_file else 0)
    return last


def _has_av1_item(head: bytes | bytearray) -> bool:
    return any(kind == b"av1C" for kind, _, _ in _boxes(head))


def _boxes(head: bytes | bytearray) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of the content of every complete box, and of those inside the ones that lead to sizes."""
    todo = [(0, len(head))]
    for _ in range(_MOST_BOXES):
        if not todo:
            return
        at, end = todo.pop()
        if end - at < 8:
            continue
        kind, inner, after = _box(head, at, end)
        if not inner <= after <= end:
            continue
        todo.append((after, end))
        if kind in _INSIDE:
            todo.append((inner + _INSIDE[kind], after))
        yield kind, inner, after


def _box(head: bytes | bytearray, at: int, end: int) -> tuple[bytes, int, int]:
    """A box's kind and where its content starts and ends; a length of 0 means "up to the end", 1 "see the next 8 bytes"."""
    length, kind = int.from_bytes(head[at : at + 4], "big"), bytes(head[at + 4 : at + 8])
    if length == 1:
        return kind, at + 16, at + int.from_bytes(head[at + 8 : at + 16], "big")
    return kind, at + 8, end if length == 0 else at + length
