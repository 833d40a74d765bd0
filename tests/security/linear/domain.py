"""What reads ids, tokens, pictures, addresses and texts of others, and the worst that each is known to be given."""

from collections.abc import Callable
from functools import partial

from darkroom.adapters.data_uris import open_data_uri
from darkroom.adapters.web_address import WebAddress
from darkroom.catalogue.spelling import near
from darkroom.domain.addresses import is_disguised, is_plain, is_public, is_public_host
from darkroom.domain.callback_token import SigningKey, verify
from darkroom.domain.ids import is_task_id, read_image_id
from darkroom.domain.pictures import sniff
from darkroom.domain.redact import redact, redact_bytes
from darkroom.domain.uploads import filled, is_upload_id, upload_named, waits_for
from tests.security.linear.builders import in_bytes, names, repeated
from tests.support.instructions import Work

_KEYS = (SigningKey("a-stack-secret-of-some-length"),)


def redacted(text: str) -> None:
    """What a log line, a row and a support ticket do with a text."""
    redact(text, 4096)


def redacted_bytes(raw: bytes) -> None:
    """The same with a body."""
    redact_bytes(raw, 4096)


def ids(text: str) -> None:
    """Whatever is asked whether it is an id."""
    for ask in (is_task_id, is_upload_id, read_image_id, upload_named):
        ask(text)


def token(text: str) -> None:
    """The token of a callback's address."""
    verify(_KEYS, text, upstream="hiapi", task_id="task_1", now=0.0)


def hosts(text: str) -> None:
    """Whatever is asked of a host."""
    for ask in (is_public, is_disguised, is_plain, is_public_host):
        ask(text)


def address(text: str) -> tuple[str, ...]:
    """An address that an upstream or a redirect names."""
    found = WebAddress.of(text)
    return found.shown, found.authority, str(found)


def redirect(text: str) -> None:
    """The same, seen from another one."""
    WebAddress.of(text, WebAddress.of("https://a.example/1/2/3?4"))


def embedded(text: str) -> None:
    """A picture inside its own address."""
    for _ in open_data_uri(text).chunks:
        pass


def stood_in(raw: bytes) -> None:
    """A frozen request whose uploads get their addresses."""
    for as_data in (False, True):
        waits_for(raw, as_data=as_data)
        filled(raw, lambda upload: f"https://a.example/{upload}", as_data=as_data)


def known(spellings: list[str]) -> None:
    """A name that is none of many."""
    near("gpt-image", {one: one for one in spellings})


def _boxes(kind: bytes) -> Callable[[int], bytes]:
    start = b"\0\0\0\x18ftypavif\0\0\0\0avifmif1"
    return lambda size: start + (b"\0\0\0\x08" + kind) * ((size - 24) // 8)


def _inside(size: int) -> bytes:
    depth = size // 12
    return b"\0\0\0\x18ftypmif1\0\0\0\0mif1mif1" + b"".join(
        (12 * (depth - at)).to_bytes(4, "big") + b"meta\0\0\0\0" for at in range(depth)
    )


def _turned(size: int, before: str) -> str:
    """Marks that have to change their places: each of the second half goes before each of the first."""
    half = (size - len(before)) // 4
    return before + "\u0300" * half + "\u0316" * half


_UPLOAD = '"upload:url/upl_01KBCDEFGHJKMNPQRSTVWXYZ01",'
_NEAR = partial(near, known={"gpt-image-2/text-to-image": "a"})
WORKS = [
    Work(name="redact: words", does=redacted, given=repeated("a b ")),
    Work(name="redact: schemes", does=redacted, given=repeated("http:/")),
    Work(name="redact: schemes with slashes", does=redacted, given=repeated("a://")),
    Work(name="redact: addresses", does=redacted, given=repeated("https://a ")),
    Work(name="redact: addresses in queries", does=redacted, given=repeated("http://a?")),
    Work(name="redact: addresses in addresses", does=redacted, given=repeated("http://a@")),
    Work(name="redact: backslashes", does=redacted, given=repeated("\\", "https:")),
    Work(name="redact: escaped slashes", does=redacted, given=repeated("\\/", "https:")),
    Work(name="redact: escaped characters", does=redacted, given=repeated("\\u003", "https://")),
    Work(name="redact: names with dots", does=redacted, given=repeated("a.", "x:/")),
    Work(name="redact: bearers", does=redacted, given=repeated("bearer ")),
    Work(name="redact: blanks behind bearer", does=redacted, given=repeated(" ", "bearer")),
    Work(name="redact: keys", does=redacted, given=repeated("sk-")),
    Work(name="redact: short keys", does=redacted, given=repeated("sk-a ")),
    Work(name="redact: secrets", does=redacted, given=repeated("whsec_ drk_ ")),
    Work(name="redact: door keys", does=redacted, given=repeated("0123abcd.1.")),
    Work(name="redact: digits and dots", does=redacted, given=repeated("0.")),
    Work(name="redact: data URIs", does=redacted, given=repeated("data:")),
    Work(name="redact: parameters", does=redacted, given=repeated(";a=b", "data:a/b")),
    Work(name="redact: base64", does=redacted, given=repeated("AAAA", "data:a/b,")),
    Work(name="redact: halves", does=redacted, given=repeated("\ud800")),
    Work(name="redact: letters that fold to more", does=redacted, given=repeated("ß:/")),
    Work(name="redact bytes: no UTF-8", does=redacted_bytes, given=lambda size: b"\xff:/" * (size // 3), answer=True),
    Work(name="ids: digits", does=ids, given=repeated("0", "task_")),
    Work(name="ids: stand-ins", does=ids, given=repeated("upload:url/upl_")),
    Work(name="token: dots", does=token, given=repeated("."), ends="TokenRejected"),
    Work(name="token: digits", does=token, given=repeated("9", "a.", ".b"), ends="TokenRejected"),
    Work(name="token: a long key id", does=token, given=repeated("a", "", ".1.b"), ends="TokenRejected"),
    Work(name="hosts: dots", does=hosts, given=repeated(".")),
    Work(name="hosts: colons", does=hosts, given=repeated(":")),
    Work(name="hosts: digits", does=hosts, given=repeated("1")),
    Work(name="hosts: numbers", does=hosts, given=repeated("1.")),
    Work(name="hosts: hexadecimal", does=hosts, given=repeated("f", "0x")),
    Work(name="hosts: labels", does=hosts, given=repeated("a-.")),
    Work(name="hosts: marks", does=hosts, given=repeated("\u0300\u0316")),
    Work(name="address: slashes", does=address, given=repeated("/", "https://a")),
    Work(name="address: dots", does=address, given=repeated("/..", "https://a")),
    Work(name="address: at signs", does=address, given=repeated("@", "https://")),
    Work(name="address: a long host", does=address, given=repeated("a.", "https://")),
    Work(name="address: marks, turned", does=address, given=lambda size: _turned(size, "https://"), ends="ValueError"),
    Work(name="address: marks", does=address, given=repeated("\u0300\u0316", "https://"), ends="ValueError"),
    Work(name="address: marks without a scheme", does=redirect, given=lambda size: _turned(size, "//"), ends="ValueError"),
    Work(name="address: Korean", does=address, given=repeated("\ud55c", "https://"), ends="ValueError"),
    Work(name="address: letters beyond ASCII in a path", does=address, given=repeated("é", "https://a/")),
    Work(name="address: brackets", does=address, given=repeated("[", "https://"), ends="ValueError"),
    Work(name="address: a port", does=address, given=repeated("9", "https://a:"), ends="ValueError"),
    Work(name="address: punycode", does=address, given=repeated("xn--a", "https://"), ends="IDNAError"),
    Work(name="address: tabs", does=address, given=repeated("\t", "https://a/")),
    Work(name="address: percent signs", does=address, given=repeated("%", "https://a/?")),
    Work(name="redirect: dots", does=redirect, given=repeated("../")),
    Work(name="redirect: slashes", does=redirect, given=repeated("/", "x")),
    Work(name="redirect: question marks", does=redirect, given=repeated("?")),
    Work(name="data URI: base64", does=embedded, given=repeated("AAAA", "data:image/png;base64,"), answer=True),
    Work(name="data URI: padding", does=embedded, given=repeated("=", "data:image/png;base64,"), ends="OutputRefused"),
    Work(name="data URI: parameters", does=embedded, given=repeated(";a", "data:image/png"), ends="OutputRefused"),
    Work(name="picture: fill bytes of a JPEG", does=sniff, given=lambda size: b"\xff\xd8" + b"\xff" * size, answer=True),
    Work(
        name="picture: stuffed bytes of a JPEG",
        does=sniff,
        given=lambda size: b"\xff\xd8\xff" + b"\xff\0" * (size // 2),
        answer=True,
    ),
    Work(
        name="picture: short segments of a JPEG",
        does=sniff,
        given=lambda size: b"\xff\xd8" + b"\xff\xe0\0\2" * (size // 4),
        answer=True,
    ),
    Work(name="picture: small boxes", does=sniff, given=_boxes(b"free"), answer=True),
    Work(name="picture: boxes that lead to sizes", does=sniff, given=_boxes(b"iprp"), answer=True),
    Work(name="picture: boxes in boxes", does=sniff, given=_inside, answer=True),
    Work(
        name="picture: brands",
        does=sniff,
        given=lambda size: size.to_bytes(4, "big") + b"ftyp" + b"mif1" * (size // 4),
        answer=True,
    ),
    Work(name="stand-ins: many", does=stood_in, given=in_bytes(repeated(_UPLOAD))),
    Work(name="stand-ins: their beginnings", does=stood_in, given=in_bytes(repeated('"upload:url/upl_'))),
    Work(name="spelling: a long name", does=_NEAR, given=repeated("gpt-")),
    Work(
        name="spelling: many known",
        does=known,
        given=lambda size: [one for one, _ in zip(names(), range(size // 5), strict=False)],
    ),
]
