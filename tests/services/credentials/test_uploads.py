"""What is wrong with an uploaded certificate is said, all of it and in words that help."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from lamplighter.clock import from_rfc3339
from lamplighter.errors.credentials import PrivateKeyUploaded
from lamplighter.errors.requests import InvalidParameters
from lamplighter.services.credentials.uploads import LONGEST, read_upload
from tests.dtls.pki import SIGN, Credential, authority, device, issue, usage

NOW = from_rfc3339("2026-11-22T00:00:00Z")
PAST, FUTURE = datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)


def pem(*credentials: Credential) -> str:
    return "".join(each.certificate.public_bytes(Encoding.PEM).decode() for each in credentials)


def faults(text: str) -> list[str]:
    with pytest.raises(InvalidParameters) as caught:
        read_upload(text, NOW)
    assert {fault.name for fault in caught.value.fields} == {"certificate"}
    return [fault.message for fault in caught.value.fields]


def test_an_authority_is_taken_and_described() -> None:
    made = authority("Lamp makers")
    upload = read_upload(f"Bag Attributes\n{pem(made)}\n", NOW)
    assert upload.der == made.der
    assert upload.fingerprint == made.certificate.fingerprint(hashes.SHA256()).hex()
    assert (upload.subject, upload.issuer) == ("CN=Lamp makers", "CN=Lamp makers")
    assert upload.not_after == from_rfc3339("2099-12-31T00:00:00Z")


@pytest.mark.parametrize("order", [1, -1], ids=["from the root", "to the root"])
def test_of_a_chain_the_certificate_furthest_from_the_root_is_trusted(order: int) -> None:
    root = authority("Root")
    middle = issue("Middle", root, ca=True, key_usage=SIGN)
    lowest = issue("Lowest", middle, ca=True, key_usage=SIGN)
    assert read_upload(pem(*[root, middle, lowest][::order]), NOW).der == lowest.der


def test_a_chain_may_stand_on_a_root_of_another_kind_of_key() -> None:
    root = issue("Root", ca=True, key_usage=SIGN, key=rsa.generate_private_key(65537, 2048))
    lowest = issue("Lowest", root, ca=True, key_usage=SIGN)
    assert read_upload(pem(root, lowest), NOW).subject == "CN=Lowest"


CASES: dict[str, tuple[Any, str]] = {
    "nothing": (lambda: "", "in PEM format"),
    "text": (lambda: "a certificate, I promise", "in PEM format"),
    "too long": (lambda: "x" * (LONGEST + 1), "at most 20000 characters"),
    "no base64": (lambda: "-----BEGIN CERTIFICATE-----\n****\n-----END CERTIFICATE-----", "no X.509 certificate"),
    "no DER": (lambda: f"-----BEGIN CERTIFICATE-----\n{'QUJD' * 9}\n-----END CERTIFICATE-----", "no X.509 certificate"),
    "a request": (lambda: request(), "holds CERTIFICATE REQUEST"),
    "expired": (lambda: pem(issue("Old", ca=True, key_usage=SIGN, end=PAST)), "expired on 2020-01-01"),
    "not yet": (lambda: pem(issue("New", ca=True, key_usage=SIGN, start=FUTURE)), "not valid before 2040-01-01"),
    "a device": (lambda: pem(device(authority())), "not a certificate authority"),
    "no keyCertSign": (
        lambda: pem(issue("Weak", ca=True, key_usage=usage("digital_signature"))),
        "lacks keyCertSign",
    ),
    "RSA": (
        lambda: pem(issue("RSA", ca=True, key_usage=SIGN, key=rsa.generate_private_key(65537, 2048))),
        "is not of P-256",
    ),
    "weak RSA": (
        lambda: pem(issue("RSA", ca=True, key_usage=SIGN, key=rsa.generate_private_key(65537, 1024))),
        "1024 bits, which is too weak",
    ),
    "P-384": (lambda: pem(issue("P-384", ca=True, key=ec.generate_private_key(ec.SECP384R1()))), "is not of P-256"),
    "twice": (lambda: pem(*[authority()] * 2), "is there twice"),
    "strangers": (lambda: pem(authority("One"), authority("Two")), "from the root downwards"),
    "five": (lambda: pem(*[authority(str(number)) for number in range(5)]), "at most 4 certificates"),
    "a critical extension": (
        lambda: pem(issue("Odd", ca=True, key_usage=SIGN, extra=((x509.InhibitAnyPolicy(0), True),))),
        "is not understood",
    ),
}


def request() -> str:
    made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return made.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(Encoding.PEM).decode()


@pytest.mark.parametrize("case", CASES)
def test_a_certificate_that_cannot_be_trusted_is_refused_with_its_reason(case: str) -> None:
    make, words = CASES[case]
    found = faults(make())
    assert any(words in fault for fault in found), found


def test_all_faults_of_a_certificate_are_told_together() -> None:
    weak = issue("Weak", ca=True, end=PAST, key=rsa.generate_private_key(65537, 1024))
    found = " ".join(faults(pem(weak)))
    assert "expired" in found and "1024 bits" in found and "P-256" in found


def test_a_private_key_that_comes_along_is_refused_as_such() -> None:
    made = authority()
    key = made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with pytest.raises(PrivateKeyUploaded):
        read_upload(pem(made) + key, NOW)


def test_a_signature_shows_that_the_key_is_at_hand() -> None:
    made = authority()
    upload = read_upload(pem(made), NOW)
    signature = base64.b64encode(made.key.sign(b"account", ec.ECDSA(hashes.SHA256()))).decode()
    assert upload.signed("account", signature)
    assert not upload.signed("another", signature)
    assert not upload.signed("account", "no base64")
