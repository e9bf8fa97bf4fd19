"""What a ClientHello gets for an answer, held against the hello that the vendor's client was seen to send."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import lamplighter
from lamplighter.dtls.handshake import ClientHello
from lamplighter.dtls.negotiation import Agreement, negotiate
from lamplighter.dtls.numbers import DTLS_1_2, ExtensionType
from tests.dtls.pair import server_config
from tests.dtls.pki import authority, server

CREDENTIAL = server(authority())
TRUNCATED_HMAC, ENCRYPT_THEN_MAC, SESSION_TICKET, CID_OF_ANOTHER_MAC = 4, 22, 35, 53
VENDORS = {
    ExtensionType.SIGNATURE_ALGORITHMS: bytes.fromhex("0004 0403 0303"),
    ExtensionType.SUPPORTED_GROUPS: bytes.fromhex("0002 0017"),
    ExtensionType.EC_POINT_FORMATS: bytes.fromhex("01 00"),
    ENCRYPT_THEN_MAC: b"",
    ExtensionType.EXTENDED_MASTER_SECRET: b"",
    SESSION_TICKET: b"",
    ExtensionType.CONNECTION_ID_DRAFT: b"\0",
}
"""ECDHE-ECDSA with CCM-8 only, P-256 only, and an empty connection ID of the draft (wire facts, section 0.2)."""


def agreed(extensions: dict[int, bytes], suites: tuple[int, ...] = (0xC0AE, 0x00FF)) -> Agreement:
    config = server_config(certificate_chain=CREDENTIAL.chain, private_key=CREDENTIAL.key)
    return negotiate(ClientHello(DTLS_1_2, bytes(32), b"", b"", suites, b"\0", extensions), config)


def test_the_vendors_hello_gets_ccm_8_extended_master_secret_and_a_connection_id_of_the_draft() -> None:
    agreement = agreed(VENDORS)
    assert agreement.cipher.number == 0xC0AE and agreement.extended_master_secret
    assert agreement.cid and agreement.draft_cid and agreement.peer_cid == b""
    assert set(agreement.extensions) == {
        ExtensionType.RENEGOTIATION_INFO,
        ExtensionType.EXTENDED_MASTER_SECRET,
        ExtensionType.EC_POINT_FORMATS,
        ExtensionType.CONNECTION_ID_DRAFT,
    }
    assert agreement.extensions[ExtensionType.RENEGOTIATION_INFO] == b"\0"


@pytest.mark.parametrize("extension", [TRUNCATED_HMAC, ENCRYPT_THEN_MAC, SESSION_TICKET, CID_OF_ANOTHER_MAC])
def test_what_makes_no_sense_with_aead_or_has_another_mac_is_never_agreed(extension: int) -> None:
    agreement = agreed({**VENDORS, extension: b"\0", ExtensionType.CONNECTION_ID_DRAFT: b"\0"})
    assert extension not in agreement.extensions
    only = agreed({key: value for key, value in VENDORS.items() if key != 254} | {extension: b"\0"})
    assert only.cid == b"" and extension not in only.extensions


def test_the_connection_id_of_rfc_9146_comes_before_the_drafts() -> None:
    agreement = agreed({**VENDORS, ExtensionType.CONNECTION_ID: b"\2\xaa\xbb"})
    assert not agreement.draft_cid and agreement.peer_cid == b"\xaa\xbb"
    assert ExtensionType.CONNECTION_ID in agreement.extensions
    assert ExtensionType.CONNECTION_ID_DRAFT not in agreement.extensions


def test_no_key_is_made_of_randomness_that_can_be_handed_in_and_no_process_is_forked() -> None:
    """Randomness for tests reaches message IDs, tokens and back-off; a forked process would share its state (rule 2.12)."""
    root = Path(lamplighter.__file__).parent
    makers = [
        *(root / "dtls").glob("*.py"),
        *(root / "services" / "certificates").glob("*.py"),
        root / "storage/seal.py",
    ]
    makers += (root / "services" / "credentials").glob("*.py")
    makers += (root / "transport").glob("*tls*.py")
    for path in makers:
        assert "random" not in imported(path), path
    for path in root.rglob("*.py"):
        assert not {"multiprocessing", "os.fork"} & imported(path), path


def imported(path: Path) -> set[str]:
    """The modules that a file imports, and what it takes from ``os``."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
            names.add(f"os.{node.attr}")
    return names
