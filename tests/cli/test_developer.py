"""Developer certificates for simulated devices."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lamplighter.cli.developer import REMEMBERED, developer_accounts
from lamplighter.cli.fail import Failure

NAMES = {0: "simulated 1", 2: "simulated 3"}


def made(name: str) -> dict[str, Any]:
    """A developer certificate as the API answers it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"endpoint of {name}")])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(datetime.datetime(2020, 1, 1))
    signed = builder.not_valid_after(datetime.datetime(2120, 1, 1)).sign(key, hashes.SHA256())
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return {
        "id": f"id of {name}",
        "name": name,
        "developer_certificate": signed.public_bytes(pem).decode(),
        "developer_private_key": key.private_bytes(pem, pkcs8, serialization.NoEncryption()).decode(),
    }


class Api:
    """Keeps certificates as the server does."""

    def __init__(self) -> None:
        self.certificates: dict[str, dict[str, Any]] = {}
        self.lists = True
        self.refusal: tuple[int, Any] | None = None

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        if path == "/v3/server-credentials":
            anchor = made("authority")["developer_certificate"]
            return 200, {"bootstrap": {"url": "coaps://lamps:5784?aid=an-account", "certificate": anchor}}
        if method == "POST":
            if self.refusal is not None:
                return self.refusal
            if body["name"] in self.certificates:
                return 409, {"type": "duplicate", "message": "Taken."}
            self.certificates[body["name"]] = made(body["name"])
            return 201, self.certificates[body["name"]]
        if path.startswith("/v3/trusted-certificates?name__eq="):
            found = [each for each in self.certificates.values() if each["name"].replace(" ", "%20") in path]
            return (200, {"data": found}) if self.lists else (404, None)
        for each in self.certificates.values():
            if path == f"/v3/developer-certificates/{each['id']}":
                return 200, each
        return 404, {"type": "not_found", "message": "There is none."}


def test_certificates_are_made_once_and_found_again(tmp_path: Path) -> None:
    api = Api()
    first = developer_accounts(api, tmp_path, NAMES)
    again = developer_accounts(api, tmp_path, NAMES)
    assert sorted(api.certificates) == sorted(NAMES.values())
    assert [first[number].endpoint_name for number in NAMES] == [f"endpoint of {name}" for name in NAMES.values()]
    assert {number: each.certificate for number, each in first.items()} == {
        number: each.certificate for number, each in again.items()
    }
    assert (first[0].account_id, first[0].port, first[0].device_id) == ("an-account", 5784, "")
    assert "PRIVATE" not in (tmp_path / REMEMBERED).read_text()


def test_a_certificate_that_was_deleted_is_made_anew(tmp_path: Path) -> None:
    api = Api()
    before = developer_accounts(api, tmp_path, {0: "simulated 1"})[0]
    api.certificates.clear()
    assert developer_accounts(api, tmp_path, {0: "simulated 1"})[0].certificate != before.certificate


def test_a_certificate_made_from_another_folder_is_found_by_its_name(tmp_path: Path) -> None:
    api = Api()
    before = developer_accounts(api, tmp_path, {0: "simulated 1"})[0]
    (tmp_path / REMEMBERED).unlink()
    assert developer_accounts(api, tmp_path, {0: "simulated 1"})[0].certificate == before.certificate


def test_a_name_that_is_taken_and_cannot_be_looked_up_is_told_with_what_to_do(tmp_path: Path) -> None:
    api = Api()
    developer_accounts(api, tmp_path, {0: "simulated 1"})
    (tmp_path / REMEMBERED).unlink()
    api.lists = False
    with pytest.raises(Failure, match="Choose another --seed"):
        developer_accounts(api, tmp_path, {0: "simulated 1"})


def test_a_refused_certificate_is_told_with_the_request_id(tmp_path: Path) -> None:
    api = Api()
    api.refusal = (403, {"type": "account_limit_exceeded", "message": "There are 50.", "request_id": "r1"})
    with pytest.raises(Failure, match=r"'simulated 1': 403 There are 50\. \(request_id r1\)"):
        developer_accounts(api, tmp_path, NAMES)
