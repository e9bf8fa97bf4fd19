"""Certification requests as devices write them."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lamplighter.lwm2m.est import strict_request

_SIGNED_WITH_NULL = bytes.fromhex(
    "308201403081e40201003081813129302706035504070c203031613230313030356339373030303066303566353439343263623562306462"
    "31293027060355040b0c2030316132303066616165323430303030653966373132653463656165366538643129302706035504030c203031"
    "6132303066623533666530303031636162663964393035633433353836373059301306072a8648ce3d020106082a8648ce3d030107034200"
    "04dec230585bad22223a16c065e456603f0127b50582a9323101a179cf0c70c8d9128ce23a50f5bb53383d400662129dc2a71189bbd3c419"
    "ed441ebefb12f7af94a000300c06082a8648ce3d04030205000349003046022100ce364c13a4e53263f069813a95e8fe099fc3d54246bd79"
    "7041ef7d954458be8602210090ee33dc851977de9a782932a0facc9dabeaa70e1897aa367d457754a31a2aba"
)
"""What a device built on mbed TLS 2.28 asked with."""


def test_a_request_of_mbed_tls_2_is_readable_and_its_signature_holds() -> None:
    with pytest.raises(ValueError):
        x509.load_der_x509_csr(_SIGNED_WITH_NULL)
    request = x509.load_der_x509_csr(strict_request(_SIGNED_WITH_NULL))
    assert request.is_signature_valid


@pytest.mark.parametrize("name", ["l", "lamp" * 8, "l" * 64], ids=len)
def test_a_request_of_any_length_is_what_it_is_without_the_null(name: str) -> None:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    strict = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(
        serialization.Encoding.DER
    )
    assert strict_request(_with_null(strict)) == strict
    assert strict_request(strict) == strict


@pytest.mark.parametrize("broken", [b"", b"\x30", bytes.fromhex("300c06082a8648ce3d0403020500"), bytes(200)])
def test_what_is_no_request_stays_none(broken: bytes) -> None:
    with pytest.raises(ValueError):
        x509.load_der_x509_csr(strict_request(broken))


def _with_null(request: bytes) -> bytes:
    """That request as mbed TLS 2 would have encoded it."""
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")
    header = 2 + (request[1] & 0x7F if request[1] & 0x80 else 0)
    body = request[header:].replace(algorithm, bytes.fromhex("300c06082a8648ce3d0403020500"))
    return b"\x30" + (b"\x81" if len(body) < 256 else b"\x82\x01") + bytes((len(body) & 0xFF,)) + body
