"""Lay out certifi's certificates so that TLS loads the one it needs instead of all; used by the Makefile beside it.

OpenSSL takes 12 ms of a cold start to read the hundred and more roots of one file. From a folder it reads a root when a server
shows a chain that ends there, and finds it by its name: `<hash of the subject>.<number>` (OpenSSL, X509_LOOKUP_hash_dir).
"""

import base64
import hashlib
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

AMAZON = re.compile(r"# Label: \"(?:Amazon Root CA \d|Starfield Services Root Certificate Authority - G2)\"")
"""What AWS's own endpoints end in (Amazon Trust Services, "Certificate repository")."""

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----\n(.+?)-----END CERTIFICATE-----\n", re.DOTALL)
_SEQUENCE, _SET = 0x30, 0x31
# UTF8String, PrintableString, IA5String: what roots are named in.
_TEXTS = {0x0C: "utf-8", 0x13: "ascii", 0x16: "ascii"}


def main(certifi: Path) -> None:
    """Put `roots/` and `amazon.pem` beside the bundle in the installed package, where darkroom.adapters.trust looks for them."""
    bundle = certifi / "cacert.pem"
    lay_out(bundle, certifi / "roots")
    (certifi / "amazon.pem").write_text(amazon(bundle))


def lay_out(bundle: Path, folder: Path) -> None:
    """Write one file for each certificate of `bundle` into `folder`."""
    folder.mkdir()
    taken: Counter[str] = Counter()
    for found in _PEM.finditer(bundle.read_text()):
        name = subject_hash(base64.b64decode(found[1]))
        (folder / f"{name}.{taken[name]}").write_text(found[0])
        taken[name] += 1


def amazon(bundle: Path) -> str:
    """Amazon's own roots in `bundle`."""
    parts = re.split(r"(?=# Issuer: )", bundle.read_text())
    return "".join(_PEM.search(part)[0] for part in parts if AMAZON.search(part))  # type: ignore[index]  # each has one


def subject_hash(certificate: bytes) -> str:
    """What OpenSSL files a certificate (DER) under: SHA-1 of its subject's canonical form, the first four bytes backwards."""
    digest = hashlib.sha1(b"".join(map(_canonical, _subject(certificate)))).digest()  # noqa: S324  (a file's name)
    return digest[:4][::-1].hex()


def _subject(certificate: bytes) -> Iterator[bytes]:
    """The name's parts: each a SET of one attribute, or of several."""
    (_, whole), *_ = _elements(certificate)
    (_, signed), *_ = _elements(whole)
    # The version, where there is one, is tagged; then serial, algorithm, issuer, validity, subject.
    fields = [content for tag, content in _elements(signed) if tag != 0xA0]
    return (content for _, content in _elements(fields[4]))


def _canonical(part: bytes) -> bytes:
    """Texts in lower case with single spaces, as UTF-8."""
    attributes = sorted(_attribute(content) for _, content in _elements(part))
    return _element(_SET, b"".join(attributes))


def _attribute(content: bytes) -> bytes:
    (kind, identifier), (tag, text) = _elements(content)
    if tag not in _TEXTS:
        raise ValueError(f"a root's name has text of type {tag:#x}")
    words = re.sub(r"[ \t\n\v\f\r]+", " ", text.decode(_TEXTS[tag]).strip())
    lowered = re.sub(r"[A-Z]", lambda letter: letter[0].lower(), words)
    return _element(_SEQUENCE, _element(kind, identifier) + _element(0x0C, lowered.encode()))


def _elements(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each DER element."""
    at = 0
    while at < len(content):
        tag, size, at = content[at], content[at + 1], at + 2
        if size & 0x80:
            more = size & 0x7F
            size, at = int.from_bytes(content[at : at + more], "big"), at + more
        yield tag, content[at : at + size]
        at += size


def _element(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 0x80 else bytes([0x81, size]) if size < 0x100 else bytes([0x82]) + size.to_bytes(2, "big")
    return bytes([tag]) + length + content


if __name__ == "__main__":
    main(Path(sys.argv[1]))
