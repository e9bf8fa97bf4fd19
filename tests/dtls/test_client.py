from __future__ import annotations

import ast
from pathlib import Path

import pytest

import lamplighter
from lamplighter.dtls import FailureReason, HandshakeFailed, SessionEstablished
from lamplighter.dtls.client import DtlsClient
from lamplighter.dtls.client_configuration import ClientConfig
from tests.dtls.pair import WALL, Pair, psk_client

SOURCE = Path(lamplighter.__file__).parent
MAY_IMPORT = {"dtls/client.py", "dtls/client_handshake.py", "transport/dtls_client.py", "transport/tls_client.py"}


def test_only_simulated_devices_import_the_client_half() -> None:
    for path in SOURCE.rglob("*.py"):
        name = path.relative_to(SOURCE).as_posix()
        if name in MAY_IMPORT or name.startswith("simulator/"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                own = name.startswith("dtls/") and node.level
                halves = ("client", "client_handshake", "client_configuration")
                assert not (own and node.module in halves), name
                assert not any(node.module.endswith(f"dtls.{half}") for half in halves), name


def test_a_client_needs_a_credential() -> None:
    with pytest.raises(ValueError, match="needs a pre-shared key or a certificate"):
        ClientConfig(wall_time=lambda: WALL)


def test_a_client_without_session_cannot_send() -> None:
    client = DtlsClient(psk_client())
    assert not client.send(b"too early", 0.0)
    with pytest.raises(ValueError, match="no session"):
        client.export_session()


def test_a_client_whom_nobody_answers_gives_up() -> None:
    pair = Pair()
    pair.up = lambda datagram: []
    pair.connect()
    pair.advance(121)
    (failed,) = pair.of_client(HandshakeFailed)
    assert failed.reason is FailureReason.TIMED_OUT and "EXPECT_SERVER_HELLO" in failed.detail
    assert len(pair.to_server) == 7  # after 1, 2, 4, 8, 16, 32 and not 60 seconds more
    assert pair.client.get_timer() is None


def test_a_client_may_connect_again() -> None:
    pair = Pair()
    pair.connect()
    pair.client.connect(pair.now)
    pair.pump()
    assert len(pair.of_client(SessionEstablished)) == 2
    assert len(pair.server.sessions) == 1


def test_a_server_that_changes_the_offer_is_refused() -> None:
    """A suite that was not offered, put into ServerHello on the way."""
    pair = Pair(psk_client(cipher_suites=(0xC0A8,)))
    pair.down = lambda datagram: [datagram.replace(b"\xc0\xa8\x00\x00", b"\xc0\xa4\x00\x00")]
    pair.connect()
    assert pair.of_client(HandshakeFailed)[0].reason is FailureReason.MALFORMED
    assert not pair.of_server(SessionEstablished)
