"""What is secret stands in no file of an installation in the clear: not in its folder, its log, its events or its backup."""

from __future__ import annotations

import base64
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lamplighter.services.certificates.service import Authority
from tests.cli.program import Program
from tests.services.secure_access.test_token import PRIVATE

SECRET = bytes.fromhex("5ec4e7a1" * 4)
OPEN = {"server.key", "client.key"}
"""OpenSSL reads them by their file."""


def scalar(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_numbers().private_value.to_bytes(32, "big")


def scalar_in(pem: str) -> bytes:
    key = serialization.load_pem_private_key(pem.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return scalar(key)


def forms(secret: bytes) -> Iterator[bytes]:
    """As it may be written: as it is, in digits, and in base64 at whatever place of a longer text."""
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    for at in range(3):
        yield base64.b64encode(secret[at : at + (len(secret) - at) // 3 * 3])


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    """The folder of an installation that has stopped, with its backup and log, and what was secret in it."""
    place = tmp_path_factory.mktemp("secrets")
    program = Program(place / "data")
    program.start()
    found = {"a pre-shared key": SECRET, "a private key sent by mistake": scalar_in(PRIVATE)}
    key = {"endpoint_name": "my-first-device-9", "secret_hex": SECRET.hex()}
    assert program.call("/v2/device-shared-keys", method="POST", body=key)[0] == 201
    _, developer = program.call("/v3/developer-certificates", method="POST", body={"name": "mine"})
    found["the key of a developer certificate"] = scalar_in(developer["developer_private_key"])
    assert program.call("/v3/trust-anchors", method="POST", body={"description": "Lamps"})[0] == 201
    token = {"grant_type": "client_credentials", "aud": ["ep:lamp"], "scope": "on", "cnf": PRIVATE}
    assert program.call("/ace-auth/token", method="POST", body=token)[0] == 400
    upload = {"name": "by mistake", "service": "lwm2m", "certificate": PRIVATE}
    assert program.call("/v3/trusted-certificates", method="POST", body=upload)[0] == 400
    found |= authorities(program, "before")
    for change in ("rotate", "retire"):
        assert program.run("pki", change, "device").returncode == 0
    found |= authorities(program, "after")
    found["the master key"] = bytes.fromhex((program.data / "master-key").read_text())
    found["the administrator's key"] = program.key[-32:].encode()
    assert program.run("backup", str(place / "backup")).returncode == 0
    assert program.stop() == 0
    (place / "log").write_text(program.log)
    return place, found


def authorities(program: Program, when: str) -> dict[str, bytes]:
    authority = Authority(program.data / "pki", time.time_ns() // 1000)
    keys = {"device": authority.device_ca, "bootstrap": authority.bootstrap_ca, "REST": authority.ca}
    servers = {"LwM2M server": authority.lwm2m, "bootstrap server": authority.bootstrap}
    return {f"the key of {name} {when}": scalar(each.key) for name, each in (keys | servers).items()}


def test_no_secret_is_in_a_file_in_the_clear(secrets: tuple[Path, dict[str, bytes]]) -> None:
    place, wanted = secrets
    files = [
        path for path in place.rglob("*") if path.is_file() and path.name not in {*OPEN, "master-key", "admin-key"}
    ]
    assert {"log", "lamplighter.db", "manifest.json", "device-ca-2.key.sealed"} <= {path.name for path in files}
    for path in files:
        content = path.read_bytes()
        for name, secret in wanted.items():
            assert not any(form in content for form in forms(secret)), f"{name} is in {path.relative_to(place)}"
        assert b"PRIVATE KEY-----" not in content, path.relative_to(place)


def test_the_search_would_find_a_secret(secrets: tuple[Path, dict[str, bytes]], tmp_path: Path) -> None:
    """Keys that do lie open are found in their files, in each of the forms they can have."""
    place, wanted = secrets
    plain = (place / "data" / "pki" / "server.key").read_text()
    assert any(form in base64.b64decode("".join(plain.splitlines()[1:-1])) for form in forms(scalar_in(plain)))
    joined = "".join(plain.splitlines()[1:-1]).encode()
    assert any(form in joined for form in forms(scalar_in(plain)))
    shutil.copy(place / "data" / "master-key", tmp_path)
    assert any(form in (tmp_path / "master-key").read_bytes() for form in forms(wanted["the master key"]))
