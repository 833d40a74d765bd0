"""Which roots are believed: laid out in a folder, they open the same doors as in one file."""

import importlib.util
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import certifi
import pytest
import trustme

from darkroom.adapters import trust
from tests.support.tools import ROOT, missing


def load_roots() -> Any:
    """The build's own script; it is no part of a package."""
    spec = importlib.util.spec_from_file_location("roots", ROOT / "layers" / "dependencies" / "roots.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


roots = load_roots()


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty certifi, where trust looks for it."""
    monkeypatch.setattr(trust, "_certifi", lambda: tmp_path)
    return tmp_path


def bundle_of(folder: Path, *authorities: trustme.CA) -> Path:
    bundle = folder / "cacert.pem"
    bundle.write_bytes(b"\n".join(one.cert_pem.bytes() for one in authorities))
    return bundle


def shake_hands(client: ssl.SSLContext, authority: trustme.CA) -> None:
    """A handshake in memory with a server whose chain ends in `authority`; raises SSLCertVerificationError."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("gateway.test").configure_cert(server)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours, theirs = client.wrap_bio(down, up, server_hostname="gateway.test"), server.wrap_bio(up, down, server_side=True)
    for one in (ours, theirs, ours, theirs):
        try:
            one.do_handshake()
        except ssl.SSLWantReadError:
            continue


def test_a_chain_that_ends_in_a_root_of_the_folder_is_believed(installed: Path) -> None:
    known, other = trustme.CA(organization_name="  Ordinary   GmbH "), trustme.CA(organization_name="Ordinary GmbH")
    roots.lay_out(bundle_of(installed, known, other), installed / "roots")

    context = trust.ssl_context.__wrapped__()

    shake_hands(context, known)
    shake_hands(context, other)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_no_other_chain_is(installed: Path) -> None:
    roots.lay_out(bundle_of(installed, trustme.CA()), installed / "roots")

    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(trust.ssl_context.__wrapped__(), trustme.CA())


def test_without_a_folder_the_systems_roots_count(installed: Path) -> None:
    assert trust.ssl_context.__wrapped__().get_ca_certs() == ssl.create_default_context().get_ca_certs()


def test_every_public_root_lies_where_openssl_looks_for_it(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        missing("openssl is not there")

    roots.lay_out(Path(certifi.where()), tmp_path / "roots")

    files = sorted((tmp_path / "roots").iterdir())
    assert len(files) == Path(certifi.where()).read_text().count("BEGIN CERTIFICATE")
    for file in files:
        asked = ["openssl", "x509", "-noout", "-subject_hash", "-in", file]
        assert subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip() == file.stem


def test_amazons_own_roots_are_the_four_of_its_own_name_and_starfields(tmp_path: Path) -> None:
    (tmp_path / "amazon.pem").write_text(roots.amazon(Path(certifi.where())))

    context = ssl.create_default_context(cafile=str(tmp_path / "amazon.pem"))

    names = {dict(part[0] for part in one["subject"])["commonName"] for one in context.get_ca_certs()}
    assert {name for name in names if name.startswith("Amazon")} == {f"Amazon Root CA {number}" for number in range(1, 5)}
    assert names - {f"Amazon Root CA {number}" for number in range(1, 5)} == {
        "Starfield Services Root Certificate Authority - G2"
    }


@pytest.mark.parametrize("region", ["cn-north-1", "us-gov-west-1", "us-iso-east-1", "us-isob-east-1", "eu-isoe-west-1", None])
def test_regions_with_authorities_of_their_own_are_left_to_botocore(installed: Path, region: str | None) -> None:
    (installed / "amazon.pem").touch()

    assert trust.amazon_roots(region) is None
    assert trust.amazon_roots("eu-central-1") == str(installed / "amazon.pem")


def test_where_no_layer_was_built_botocore_chooses(installed: Path) -> None:
    assert trust.amazon_roots("eu-central-1") is None
