"""An operator's own authority: his intermediate signs, his root stays in the safe, and what cannot work is refused by name."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from lamplighter.services.certificates.given import read_given
from lamplighter.services.certificates.service import Authority, AuthorityUnusable, Credential, retire, rotate
from lamplighter.storage.seal import MasterKey
from tests.dtls import pki
from tests.services.certificates.openssl import verifies

NOW = 1_790_000_000 * 10**6
MOMENT = datetime.fromtimestamp(NOW / 10**6, UTC)
MASTER = MasterKey(b"k" * 32)
ACCOUNT, DEVICE = "a" * 32, "d" * 32


def identifiers(
    key: ec.EllipticCurvePrivateKey, issuer: pki.Credential | None = None
) -> tuple[tuple[object, bool], ...]:
    """What RFC 5280 has in certificates of authorities, and ``openssl verify -x509_strict`` asks for."""
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key((issuer.key if issuer else key).public_key())
    return (own, False), (above, False)


def root(name: str = "Root in a safe") -> pki.Credential:
    key = ec.generate_private_key(ec.SECP256R1())
    return pki.issue(name, ca=True, key_usage=pki.SIGN, key=key, extra=identifiers(key))  # type: ignore[arg-type]


def intermediate(above: pki.Credential, name: str = "Devices 2026", **more: object) -> pki.Credential:
    key = ec.generate_private_key(ec.SECP256R1())
    chosen = {"ca": True, "key_usage": pki.SIGN, "path_length": 0, "key": key, "extra": identifiers(key, above), **more}
    return pki.issue(name, above, **chosen)  # type: ignore[arg-type]


def bring(folder: Path, name: str, credential: pki.Credential, *above: pki.Credential) -> None:
    """Put it into pki/ as the operator does."""
    (folder / "pki").mkdir(exist_ok=True)
    path, _ = replace(credential, above=tuple(each.der for each in above)).write(folder / "pki", name)
    assert path.exists()


def written(folder: Path, credential: pki.Credential, *above: pki.Credential) -> tuple[Path, str]:
    """The files of an authority, as the operator names them."""
    chain, key = replace(credential, above=tuple(each.der for each in above)).write(folder, "new")
    return chain, str(key)


def opened(folder: Path) -> Authority:
    return Authority(folder / "pki", NOW, ["lamps.example.com"], master_key=MASTER)


def loaded(*ders: bytes) -> list[x509.Certificate]:
    return [x509.load_der_x509_certificate(der) for der in ders]


@pytest.mark.parametrize("with_root", [True, False])
def test_an_intermediate_brought_before_the_first_start_signs_under_its_root(tmp_path: Path, with_root: bool) -> None:
    top = root()
    middle = intermediate(top)
    bring(tmp_path, "device-ca", middle, *([top] if with_root else []))
    authority = opened(tmp_path)
    assert authority.device_ca.certificate == middle.certificate
    assert not (tmp_path / "pki" / "device-ca.key").exists()  # it is sealed
    # Devices are given the root where it is known, and are shown the path to it.
    assert authority.device_root == (top if with_root else middle).certificate
    leaf, *above = loaded(*authority.lwm2m.sent_der)
    assert above == ([middle.certificate] if with_root else [])
    assert verifies(leaf, top.certificate, [middle.certificate], "sslserver")
    lamp = authority.issue_device("lamp", ACCOUNT, DEVICE)
    assert verifies(lamp.certificate, top.certificate, [middle.certificate], "sslclient")
    assert authority.device_anchors == (middle.certificate,)
    assert loaded(*authority.device_ca.path_der) == [middle.certificate, *([top.certificate] if with_root else [])]


def test_nothing_is_valid_for_longer_than_the_authority_above_it(tmp_path: Path) -> None:
    top = root()
    end = MOMENT + timedelta(days=100)
    bring(tmp_path, "device-ca", intermediate(top, end=end, start=MOMENT - timedelta(days=1)), top)
    authority = opened(tmp_path)
    for each in (authority.issue_device("lamp", ACCOUNT, DEVICE), authority.lwm2m):
        assert each.certificate.not_valid_after_utc == end.replace(microsecond=0)


@pytest.mark.parametrize("own", ["the one before", "the one after", "both, under one root"])
def test_openssl_verifies_when_an_own_authority_gives_way_or_takes_over(tmp_path: Path, own: str) -> None:
    top, other_top = root(), root("Another root")
    if own != "the one after":
        bring(tmp_path, "device-ca", intermediate(top), top)
    first = opened(tmp_path)
    given = None
    if own != "the one before":
        above = top if own.startswith("both") else other_top
        middle = intermediate(above, "Devices 2027", path_length=1)
        folder = tmp_path / "safe"
        folder.mkdir()
        given = read_given(*written(folder, middle, above))
    rotate(first, "device", given)
    second = opened(tmp_path)
    assert second.lwm2m.certificate == first.lwm2m.certificate
    for trusted in (first.device_root, second.device_root):
        assert verifies(second.lwm2m.certificate, trusted, second.lwm2m.path[1:], "sslserver")
        assert len(second.lwm2m.sent_der) <= 3
    retire(second, "device")
    third = opened(tmp_path)
    assert verifies(third.lwm2m.certificate, third.device_root, third.lwm2m.path[1:], "sslserver")
    # A device that was bootstrapped while both were trusted need not be told anything again, but where nothing could be signed.
    follows = verifies(third.lwm2m.certificate, second.device_root, third.lwm2m.path[1:], "sslserver")
    assert follows is (own != "the one before")


def test_an_authority_that_may_have_none_below_is_followed_without_a_cross_certificate(tmp_path: Path) -> None:
    first, top = opened(tmp_path), root()
    middle = intermediate(top)  # path length 0
    rotate(first, "device", Credential(middle.certificate, middle.key, (top.certificate,)))
    second = opened(tmp_path)
    assert second.device_root == first.device_root  # the only one by which the shown certificate is known
    assert verifies(second.lwm2m.certificate, second.device_root, second.lwm2m.path[1:], "sslserver")
    assert second.device_ca.certificate == middle.certificate


FAULTS = {
    "is not a certificate authority": lambda top: intermediate(top, ca=False, path_length=None),
    "lacks keyCertSign": lambda top: intermediate(top, key_usage=pki.usage("digital_signature")),
    "expired on": lambda top: intermediate(top, end=MOMENT - timedelta(days=1)),
    "is not valid before": lambda top: intermediate(top, start=MOMENT + timedelta(days=1)),
    "not on the curve P-256": lambda top: pki.issue(
        "Big", top, ca=True, key_usage=pki.SIGN, key=ec.generate_private_key(ec.SECP384R1())
    ),
    "is not signed by CN=Root in a safe": lambda top: intermediate(root()),
    "with ECDSA and SHA-256": lambda top: intermediate(top, digest=hashes.SHA384()),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_authority_that_devices_could_not_check_stops_the_start_with_the_reason(tmp_path: Path, fault: str) -> None:
    top = root()
    bring(tmp_path, "device-ca", FAULTS[fault](top), top)
    with pytest.raises(AuthorityUnusable, match=fault):
        opened(tmp_path)


def test_a_path_that_is_too_long_or_not_allowed_is_refused(tmp_path: Path) -> None:
    tops = [root()]
    for number in range(3):
        tops.append(intermediate(tops[-1], f"Level {number}", path_length=None))
    bring(tmp_path, "device-ca", tops[3], tops[2], tops[1], tops[0])
    with pytest.raises(AuthorityUnusable, match="has 4 authorities"):
        opened(tmp_path)
    narrow = intermediate(tops[0], "No authorities below", path_length=0)
    bring(tmp_path, "device-ca", intermediate(narrow, "Below"), narrow, tops[0])
    with pytest.raises(AuthorityUnusable, match="allows 0 authorities below it, and there are 1"):
        opened(tmp_path)


@pytest.mark.parametrize("kind", ["another key", "an RSA key", "no file", "no certificate", "the present key"])
def test_what_cannot_take_over_is_refused_and_changes_nothing(tmp_path: Path, kind: str) -> None:
    authority, top = opened(tmp_path), root()
    before = {path.name: path.read_bytes() for path in (tmp_path / "pki").iterdir()}
    middle = intermediate(top)
    folder = tmp_path / "safe"
    folder.mkdir()
    if kind == "another key":
        middle = replace(middle, key=ec.generate_private_key(ec.SECP256R1()))
    elif kind == "an RSA key":
        middle = replace(middle, key=rsa.generate_private_key(65537, 2048))
    elif kind == "the present key":
        key = authority.device_ca.key
        middle = intermediate(top, key=key, extra=identifiers(key, top))
    certificate, key_file = replace(middle, above=(top.der,)).write(folder, "new")
    if kind == "no file":
        certificate.unlink()
    elif kind == "no certificate":
        certificate.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    with pytest.raises(AuthorityUnusable):
        rotate(authority, "device", read_given(certificate, str(key_file)))
    assert {path.name: path.read_bytes() for path in (tmp_path / "pki").iterdir()} == before


def test_the_root_is_what_files_for_a_device_have(tmp_path: Path) -> None:
    top = root()
    bring(tmp_path, "bootstrap-ca", intermediate(top), top)
    authority = opened(tmp_path)
    assert authority.bootstrap_root.public_bytes(Encoding.DER) == top.der
    assert verifies(
        authority.issue_developer("lamp", ACCOUNT).certificate, top.certificate, authority.bootstrap_ca.path[:1]
    )
