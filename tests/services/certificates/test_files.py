"""Private keys in pki/: sealed by the master key, those of older installations too, and never lost to a crash."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from lamplighter.services.certificates import files
from lamplighter.services.certificates.service import Authority, AuthorityUnusable, Credential
from lamplighter.storage.seal import MasterKey

NOW = 1_790_000_000 * 10**6
MASTER = MasterKey(b"k" * 32)
SEALED = ("ca", "device-ca", "lwm2m", "bootstrap-ca", "bootstrap")


def opened(folder: Path) -> Authority:
    return Authority(folder / "pki", NOW, ["lamps.example.com"], master_key=MASTER)


def unseal(folder: Path) -> dict[str, Credential]:
    """The keys as an installation before this had them: plain."""
    authority, pki = opened(folder), folder / "pki"
    before = {name: authority.files.load(name) for name in SEALED}
    for name, credential in before.items():
        assert credential is not None
        (pki / f"{name}.key").write_bytes(credential.key_pem)
        (pki / f"{name}.key.sealed").unlink()
    return {name: credential for name, credential in before.items() if credential is not None}


def test_no_private_key_lies_open_but_those_that_openssl_reads(tmp_path: Path) -> None:
    opened(tmp_path)
    pki = tmp_path / "pki"
    assert sorted(path.name for path in pki.glob("*.key")) == ["client.key", "server.key"]
    assert sorted(path.name for path in pki.glob("*.sealed")) == sorted(f"{name}.key.sealed" for name in SEALED)
    for path in pki.iterdir():
        if path.name not in ("client.key", "server.key"):
            assert b"PRIVATE KEY" not in path.read_bytes()
        if not path.name.endswith(".pem"):
            assert path.stat().st_mode & 0o077 == 0


def test_keys_are_the_same_at_the_next_start(tmp_path: Path) -> None:
    first, second = opened(tmp_path), opened(tmp_path)
    for name in ("ca", "device_ca", "bootstrap_ca", "lwm2m", "bootstrap"):
        assert getattr(first, name).certificate == getattr(second, name).certificate
        assert getattr(first, name).key.private_numbers() == getattr(second, name).key.private_numbers()


def test_plain_keys_of_an_older_installation_are_sealed_and_removed(tmp_path: Path) -> None:
    before = unseal(tmp_path)
    authority = opened(tmp_path)
    assert authority.device_ca.key.private_numbers() == before["device-ca"].key.private_numbers()
    assert authority.lwm2m.certificate == before["lwm2m"].certificate
    assert sorted(path.name for path in (tmp_path / "pki").glob("*.key")) == ["client.key", "server.key"]


def test_a_crash_between_sealing_a_plain_key_and_removing_it_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = unseal(tmp_path)

    def crash(path: Path, missing_ok: bool = False) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(Path, "unlink", crash)
        opened(tmp_path)
    authority = opened(tmp_path)
    assert authority.device_ca.key.private_numbers() == before["device-ca"].key.private_numbers()
    assert not (tmp_path / "pki" / "ca.key").exists()


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
def test_a_file_that_could_not_be_written_leaves_the_one_before_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "a"
    files.write(path, b"before", 0o600)

    def fail(*_: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as broken, pytest.raises(OSError, match="no space left"):
        broken.setattr(os, {"write": "fdopen", "fsync": "fsync", "replace": "replace"}[step], fail)
        files.write(path, b"after", 0o600)
    assert path.read_bytes() == b"before"
    assert [each.name for each in tmp_path.iterdir()] == ["a"]


def test_another_master_key_is_named_and_nothing_is_made_anew(tmp_path: Path) -> None:
    opened(tmp_path)
    before = {path.name: path.read_bytes() for path in (tmp_path / "pki").iterdir()}
    with pytest.raises(AuthorityUnusable, match="ca.key.sealed was sealed with another master key"):
        Authority(tmp_path / "pki", NOW, master_key=MasterKey(b"o" * 32))
    assert {path.name: path.read_bytes() for path in (tmp_path / "pki").iterdir()} == before


def test_an_authority_without_its_key_is_not_replaced_behind_the_back_of_what_trusts_it(tmp_path: Path) -> None:
    certificate = opened(tmp_path).device_ca.certificate
    (tmp_path / "pki" / "device-ca.key.sealed").unlink()
    with pytest.raises(AuthorityUnusable, match=r"device-ca\.pem has no key beside it"):
        opened(tmp_path)
    (tmp_path / "pki" / "device-ca.pem").unlink()
    assert opened(tmp_path).device_ca.certificate != certificate


def test_a_key_of_another_certificate_takes_nobodys_place(tmp_path: Path) -> None:
    authority = opened(tmp_path)
    other = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "pki" / "device-ca.key").write_bytes(Credential(authority.ca.certificate, other).key_pem)
    with pytest.raises(AuthorityUnusable, match=r"device-ca\.key is not the key of"):
        opened(tmp_path)
    (tmp_path / "pki" / "device-ca.key").unlink()
    assert opened(tmp_path).device_ca.certificate == authority.device_ca.certificate


def test_a_certificate_of_https_that_does_not_fit_its_key_is_made_anew(tmp_path: Path) -> None:
    """A crash came between the two files when it was renewed."""
    authority = opened(tmp_path)
    other = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "pki" / "server.key").write_bytes(Credential(authority.ca.certificate, other).key_pem)
    assert opened(tmp_path).server.fits


@pytest.mark.parametrize("kind", ["nonsense", "a passphrase", "RSA"])
def test_a_key_that_cannot_be_used_is_named(tmp_path: Path, kind: str) -> None:
    opened(tmp_path)
    path = tmp_path / "pki" / "device-ca.key"
    if kind == "nonsense":
        path.write_text("-----BEGIN PRIVATE KEY-----\n")
    else:
        key = rsa.generate_private_key(65537, 2048) if kind == "RSA" else ec.generate_private_key(ec.SECP256R1())
        protection = (
            serialization.BestAvailableEncryption(b"x") if kind == "a passphrase" else serialization.NoEncryption()
        )
        path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection))
    with pytest.raises(AuthorityUnusable, match=r"device-ca\.key"):
        opened(tmp_path)
