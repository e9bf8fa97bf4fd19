"""Access tokens, read by a CBOR and COSE library that is not ours, by the rules of the vendor's device-side client."""

from __future__ import annotations

import hashlib

import cbor2
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pycose.headers import KID, Algorithm
from pycose.keys import CoseKey, EC2Key
from pycose.keys.curves import P256
from pycose.messages import Sign1Message

from lamplighter.services.secure_access.confirmation import KeyRefused, read_public_key
from lamplighter.services.secure_access.token import Grant, anchor_name, sign

KEY = ec.generate_private_key(ec.SECP256R1())
HOLDER = ec.generate_private_key(ec.SECP256R1())
GRANT = Grant(
    token_id=bytes(range(16)),
    subject="a" * 32,
    audience=["id:" + "d" * 32, "ep:lamp 17"],
    scopes=["turn-led-on", "read-data"],
    issued_at=1_790_000_000,
    expires_at=1_790_086_400,
    confirmation=HOLDER.public_key(),
)


def der_of(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def pem_of(key: ec.EllipticCurvePrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def opened(token: bytes, key: ec.EllipticCurvePublicKey) -> tuple[Sign1Message, dict[int, object]]:
    """The message and its claims; the signature is checked by pycose."""
    outer = cbor2.loads(token)
    assert (outer.tag, outer.value.tag) == (61, Sign1Message.cbor_tag)  # RFC 8392 section 6
    protected, unprotected, payload, signature = outer.value.value
    # Not by its decode(): that takes lists only, and newer versions of cbor2 make tuples inside tags.
    message = Sign1Message.from_cose_obj([protected, dict(unprotected), payload, signature], False)
    numbers = key.public_numbers()
    message.key = EC2Key(P256, numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big"))
    assert message.verify_signature()
    assert message.payload is not None
    return message, cbor2.loads(message.payload)


def test_an_independent_library_verifies_the_signature_and_reads_every_claim() -> None:
    message, claims = opened(sign(GRANT, KEY), KEY.public_key())
    assert message.phdr == {Algorithm: message.get_attr(Algorithm)}
    assert message.get_attr(Algorithm).fullname == "ES256"
    assert message.uhdr == {KID: hashlib.sha256(der_of(KEY.public_key())).digest()}
    numbers = HOLDER.public_key().public_numbers()
    x, y = numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")
    assert claims == {
        1: anchor_name(der_of(KEY.public_key())),
        2: "a" * 32,
        3: ["id:" + "d" * 32, "ep:lamp 17"],
        4: 1_790_086_400,
        5: 1_790_000_000,
        6: 1_790_000_000,
        7: bytes(range(16)),
        12: "turn-led-on read-data",
        25: {1: {1: 2, -1: 1, -2: x, -3: y}},
    }
    confirmed = CoseKey.from_dict(claims[25][1])  # type: ignore[index]
    assert isinstance(confirmed, EC2Key) and (confirmed.x, confirmed.y, confirmed.crv) == (x, y, P256)


def test_the_signature_is_of_this_trust_anchor_and_of_this_token() -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(AssertionError):
        opened(sign(GRANT, KEY), other.public_key())
    token = bytearray(sign(GRANT, KEY))
    token[token.index(b"turn-led-on")] ^= 1
    with pytest.raises(AssertionError):
        opened(bytes(token), KEY.public_key())


def test_a_token_has_the_form_that_the_vendors_client_looks_for() -> None:
    """It expects three bytes of protected header, and looks its key up by an issuer of 72 characters."""
    token = sign(GRANT, KEY)
    assert token[:2] == b"\xd8\x3d" and token[2] == 0xD2  # tags 61 and 18
    protected, unprotected, payload, signature = cbor2.loads(token).value.value
    assert protected == b"\xa1\x01\x26" and set(unprotected) == {4} and len(signature) == 64
    claims = cbor2.loads(payload)
    assert set(claims) <= {1, 2, 3, 4, 5, 6, 7, 12, 25}  # with any other it refuses the token
    name = claims[1]
    assert len(name) == 72 and name.startswith("mbed.ta.") and name[8:] == name[8:].upper()


def test_a_single_device_is_still_an_array() -> None:
    _, claims = opened(sign(GRANT._replace(audience=["ep:lamp"]), KEY), KEY.public_key())
    assert claims[3] == ["ep:lamp"]


@pytest.mark.parametrize("change", [lambda pem: pem, lambda pem: pem.replace("\n", ""), lambda pem: f"  {pem}\r\n"])
def test_a_public_key_is_read_with_and_without_line_breaks(change: object) -> None:
    assert read_public_key(change(pem_of(HOLDER))) == HOLDER.public_key()  # type: ignore[operator]


PRIVATE = HOLDER.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()


@pytest.mark.parametrize(
    ("pem", "reason"),
    [
        ("", "must be a public key in PEM"),
        ("nonsense", "must be a public key in PEM"),
        (PRIVATE, "holds a private key"),
        (pem_of(HOLDER) + PRIVATE, "holds a private key"),
        (pem_of(ec.generate_private_key(ec.SECP384R1())), "is on secp384r1"),
        (pem_of(ec.generate_private_key(ec.SECP192R1())), "is on secp192r1"),
        (pem_of(HOLDER).replace("PUBLIC KEY", "CERTIFICATE"), "not a CERTIFICATE"),
        (pem_of(HOLDER)[:80] + "-----END PUBLIC KEY-----", "what is between its lines is none"),
        (pem_of(HOLDER) * 30, "at most 4096 characters"),
    ],
)
def test_what_is_no_public_key_for_devices_is_refused_by_name_and_never_repeated(pem: str, reason: str) -> None:
    with pytest.raises(KeyRefused, match=reason) as refused:
        read_public_key(pem)
    assert PRIVATE.splitlines()[1] not in str(refused.value)


def test_an_rsa_key_is_refused() -> None:
    pem = (
        rsa.generate_private_key(65537, 2048)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    with pytest.raises(KeyRefused, match="another kind"):
        read_public_key(pem.decode())
