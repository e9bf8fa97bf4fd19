from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from lamplighter.dtls import AlertDescription, CertificateError, Purpose, TrustAnchor, verify_chain
from tests.dtls.pki import CLIENT, SERVER, SIGN, Credential, authority, device, issue, server, usage

NOW = datetime(2026, 6, 1, tzinfo=UTC).timestamp()
ROOT = authority()
ANCHOR = TrustAnchor.from_der(ROOT.der)
MIDDLE = issue("Middle", ROOT, ca=True, key_usage=SIGN)
RSA = rsa.generate_private_key(65537, 2048)


def fingerprint(credential: Credential) -> bytes:
    return credential.certificate.fingerprint(hashes.SHA256())


def refused(credential: Credential, **options) -> CertificateError:
    options = {"anchors": [ANCHOR], "at": NOW, **options}
    with pytest.raises(CertificateError) as caught:
        verify_chain(credential.chain, **options)
    return caught.value


def test_a_leaf_below_an_anchor_is_believed() -> None:
    leaf = device(ROOT)
    path = verify_chain(leaf.chain, [ANCHOR], NOW)
    assert path.fingerprints == (fingerprint(leaf), fingerprint(ROOT))
    assert path.anchor == ANCHOR.fingerprint
    assert path.not_after == leaf.certificate.not_valid_after_utc.timestamp()


def test_a_leaf_that_says_nothing_about_its_use_is_believed() -> None:
    """Ordinary device certificates: no key usage, no alternative name, no key identifiers, not even basic constraints."""
    assert verify_chain(issue("lamp", ROOT, constraints=False).chain, [ANCHOR], NOW)


def test_intermediates_may_come_in_any_order_and_among_strangers() -> None:
    lower = issue("Lower", MIDDLE, ca=True, key_usage=SIGN)
    leaf = device(lower)
    chain = [leaf.der, MIDDLE.der, authority("Stranger").der, lower.der]
    assert [*verify_chain(chain, [ANCHOR], NOW).fingerprints] == [
        fingerprint(item) for item in (leaf, lower, MIDDLE, ROOT)
    ]


def test_an_intermediate_may_be_the_anchor() -> None:
    path = verify_chain(device(MIDDLE).chain, [TrustAnchor.from_der(MIDDLE.der)], NOW)
    assert path.anchor == fingerprint(MIDDLE)


def test_the_right_one_of_anchors_with_one_name_is_found() -> None:
    twins = [TrustAnchor.from_der(authority().der) for _ in range(10)]
    assert verify_chain(device(ROOT).chain, [*twins, ANCHOR], NOW).anchor == ANCHOR.fingerprint


def test_no_more_than_sixteen_signatures_are_tried() -> None:
    twins = [TrustAnchor.from_der(authority().der) for _ in range(17)]
    assert "same name" in refused(device(ROOT), anchors=[*twins, ANCHOR]).detail


def test_the_earliest_end_of_the_path_counts() -> None:
    soon = datetime(2030, 1, 1, tzinfo=UTC)
    middle = issue("Middle", ROOT, ca=True, key_usage=SIGN, end=soon)
    assert verify_chain(device(middle).chain, [ANCHOR], NOW).not_after == soon.timestamp()


@pytest.mark.parametrize(
    ("credential", "alert"),
    [
        (device(authority("Someone else")), AlertDescription.UNKNOWN_CA),
        (device(authority()), AlertDescription.UNKNOWN_CA),  # the same name, another key
        (issue("lamp"), AlertDescription.UNKNOWN_CA),
        (issue("lamp", ROOT, extended=SERVER), AlertDescription.UNSUPPORTED_CERTIFICATE),
        (issue("lamp", ROOT, key_usage=usage("key_agreement")), AlertDescription.UNSUPPORTED_CERTIFICATE),
        (issue("lamp", ROOT, start=datetime(2027, 1, 1, tzinfo=UTC)), AlertDescription.CERTIFICATE_EXPIRED),
        (issue("lamp", ROOT, end=datetime(2026, 1, 1, tzinfo=UTC)), AlertDescription.CERTIFICATE_EXPIRED),
        (issue("lamp", ROOT, key=RSA), AlertDescription.UNSUPPORTED_CERTIFICATE),
        (issue("lamp", ROOT, key=ec.generate_private_key(ec.SECP384R1())), AlertDescription.UNSUPPORTED_CERTIFICATE),
        (issue("lamp", ROOT, digest=hashes.SHA384()), AlertDescription.UNSUPPORTED_CERTIFICATE),
        (device(issue("Middle", ROOT, ca=False, key_usage=SIGN)), AlertDescription.BAD_CERTIFICATE),
        (device(issue("Middle", ROOT, ca=True)), AlertDescription.BAD_CERTIFICATE),
        (device(issue("M", ROOT, ca=True, key_usage=usage("digital_signature"))), AlertDescription.BAD_CERTIFICATE),
        (device(issue("Middle", ROOT, constraints=False, key_usage=SIGN)), AlertDescription.BAD_CERTIFICATE),
        (device(issue("M", ROOT, ca=True, key_usage=SIGN, key=RSA)), AlertDescription.UNSUPPORTED_CERTIFICATE),
        (
            device(issue("M", ROOT, ca=True, key_usage=SIGN, end=datetime(2026, 1, 1, tzinfo=UTC))),
            AlertDescription.CERTIFICATE_EXPIRED,
        ),
        (
            issue("lamp", ROOT, extra=((x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"x"), True),)),
            AlertDescription.UNSUPPORTED_CERTIFICATE,
        ),
    ],
    ids=lambda value: value.name if isinstance(value, AlertDescription) else "",
)
def test_what_cannot_be_believed_is_refused_with_its_alert(credential: Credential, alert: AlertDescription) -> None:
    assert refused(credential).alert is alert


def test_a_path_of_five_certificates_is_too_long() -> None:
    issuer = ROOT
    for name in ("One", "Two", "Three"):
        issuer = issue(name, issuer, ca=True, key_usage=SIGN)
    refused(device(issuer))


def test_the_path_length_of_an_issuer_is_kept() -> None:
    narrow = issue("Narrow", ROOT, ca=True, key_usage=SIGN, path_length=0)
    assert verify_chain(device(narrow).chain, [ANCHOR], NOW)
    assert "too long" in refused(device(issue("Below", narrow, ca=True, key_usage=SIGN))).detail


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_blocked_certificate_anywhere_in_the_path_is_refused(position: int) -> None:
    leaf = device(MIDDLE)
    blocked = fingerprint((leaf, MIDDLE, ROOT)[position])
    assert refused(leaf, blocked=lambda one: one == blocked).alert is AlertDescription.CERTIFICATE_REVOKED


def test_a_server_is_judged_as_a_server() -> None:
    assert verify_chain(server(ROOT).chain, [ANCHOR], NOW, purpose=Purpose.SERVER)
    assert refused(issue("lamp", ROOT, extended=CLIENT), purpose=Purpose.SERVER)


def test_an_anchor_without_key_usage_is_taken_as_openssl_makes_them() -> None:
    plain = issue("Made by openssl req", ca=True)
    assert verify_chain(device(plain).chain, [TrustAnchor.from_der(plain.der)], NOW)


@pytest.mark.parametrize(
    "credential",
    [issue("leaf"), issue("CA", ca=True, key_usage=usage("digital_signature")), issue("CA", ca=True, key=RSA)],
    ids=["not a CA", "no keyCertSign", "RSA"],
)
def test_what_cannot_issue_is_no_anchor(credential: Credential) -> None:
    with pytest.raises(CertificateError):
        TrustAnchor.from_der(credential.der)


def test_bytes_that_are_no_certificate_are_refused() -> None:
    leaf = device(ROOT).der
    for at in range(0, len(leaf), 3):
        damaged = leaf[:at] + bytes([leaf[at] ^ 0xFF]) + leaf[at + 1 :]
        with pytest.raises(CertificateError):
            verify_chain([damaged], [ANCHOR], NOW)
    with pytest.raises(CertificateError):
        verify_chain([], [ANCHOR], NOW)
