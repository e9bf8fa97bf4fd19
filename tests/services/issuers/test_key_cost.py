"""Private keys whose passphrase would keep the process busy are not opened."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from lamplighter.services.issuers.key_cost import fault_of_closed
from lamplighter.services.issuers.kinds import KeyFault, private_key_of
from tests.services.certificates.openssl import PROGRAM


def closed(folder: Path, *how: str) -> bytes:
    """A key that ``openssl pkcs8`` has closed with the passphrase "sesame"."""
    assert PROGRAM is not None
    plain = folder / "plain.pem"
    key = ec.generate_private_key(ec.SECP256R1())
    plain.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    command = [PROGRAM, "pkcs8", "-topk8", "-in", str(plain), "-passout", "pass:sesame", *how]
    return subprocess.run(command, check=True, capture_output=True).stdout


@pytest.mark.parametrize(
    "how",
    [
        ("-v2", "aes-256-cbc", "-iter", "600000"),
        ("-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA512"),
        ("-scrypt",),
    ],
    ids=["pbkdf2", "sha-512", "scrypt"],
)
def test_a_key_that_is_closed_as_usual_is_opened(tmp_path: Path, how: tuple[str, ...]) -> None:
    pem = closed(tmp_path, *how)
    assert fault_of_closed(pem) is None
    assert private_key_of({"private_key": pem.decode(), "passphrase": "sesame"})


@pytest.mark.parametrize(
    "how",
    [("-v2", "aes-256-cbc", "-iter", "2000000"), ("-v1", "PBE-SHA1-3DES", "-iter", "2000000")],
    ids=["pbes2", "pkcs12"],
)
def test_a_key_of_too_many_rounds_is_refused_at_once(tmp_path: Path, how: tuple[str, ...]) -> None:
    pem = closed(tmp_path, *how)
    begun = time.process_time()
    with pytest.raises(KeyFault, match="takes too long to open: close it by PBKDF2 with 1,000,000 rounds or fewer"):
        private_key_of({"private_key": pem.decode(), "passphrase": "sesame"})
    assert time.process_time() - begun < 0.1  # two million rounds take more than half a second


def test_a_key_as_gnutls_closes_it_is_opened(tmp_path: Path) -> None:
    closed(tmp_path)
    command = ["certtool", "--to-p8", "--load-privkey", str(tmp_path / "plain.pem"), "--password", "sesame"]
    pem = subprocess.run(command, check=True, capture_output=True).stdout
    pem = pem[pem.index(b"-----BEGIN ENCRYPTED") :]
    assert private_key_of({"private_key": pem.decode(), "passphrase": "sesame"})


def test_a_key_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    import base64

    lines = closed(tmp_path, "-scrypt").decode().split("\n")
    der = base64.b64decode("".join(lines[1:-2]))
    usual = b"\x02\x02\x40\x00\x02\x01\x08\x02\x01\x01"  # 16,384, 8, 1
    assert usual in der
    more = der.replace(usual, b"\x02\x02\x40\x00\x02\x01\x7f\x02\x01\x01")
    pem = (
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n" + base64.encodebytes(more) + b"-----END ENCRYPTED PRIVATE KEY-----\n"
    )
    assert "takes too long" in str(fault_of_closed(pem))


def test_what_cannot_be_judged_is_not_opened(tmp_path: Path) -> None:
    pem = closed(tmp_path, "-v2", "aes-256-cbc").decode()
    headers = pem.replace("KEY-----\n", "KEY-----\nComment: none\n\n", 1)
    assert fault_of_closed(headers.encode()) == "must be a private key in PEM, without headers"
    cut = pem.replace(pem.split("\n")[1], "MAAA", 1)
    assert fault_of_closed(cut.encode()) == "must be a private key in PEM, closed by PBKDF2 or scrypt"
