"""Targets: DTLS, from datagrams to sessions, and the certificates that peers show."""

from __future__ import annotations

from collections.abc import Callable

from lamplighter.dtls import DtlsServer, SessionEstablished, TrustAnchor, verify_chain
from lamplighter.dtls.certificates import CertificateError
from lamplighter.errors.bootstrap import CertificationRequestInvalid
from lamplighter.services.certificates.service import certified_key
from tests.dtls.credentials import certificate_client, certificate_server
from tests.dtls.pair import Pair, psk_client, server_config
from tests.dtls.pki import SIGN, Credential, authority, device, issue
from tests.fuzz.target import Target, joined, parser, pieces


def _records() -> Callable[[bytes], None]:
    """Datagrams for an engine with a session, from the session's own address and from another."""
    pair = Pair(psk_client(), server_config())
    pair.connect()
    assert pair.of_server(SessionEstablished)

    def run(data: bytes) -> None:
        for piece in pieces(data):
            address = pair.address if piece[:1] < b"\x80" else ("203.0.113.5", 9)
            pair.server.receive_datagram(piece[1:], address, pair.now)
        while pair.server.next_event() is not None:
            pass
        assert len(pair.server.datagrams_to_send(pair.now)) <= 4 * (len(data) // 2 + 1)
        pair.server.handle_timer(pair.now)

    return run


def _handshake(client: Callable[[], object], server: Callable[[], object]) -> Callable[[], Callable[[bytes], None]]:
    """The input edits the flights of a real client: six bytes an edit, which are datagram, place, kind and two of value."""

    def make() -> Callable[[bytes], None]:
        engine = DtlsServer(server())  # type: ignore[arg-type]

        def run(data: bytes) -> None:
            edits = {data[at]: data[at + 1 : at + 6] for at in range(0, len(data) - 5, 6)}
            pair = Pair(client(), engine, ("192.0.2.9", 1024 + len(data) % 40000))  # type: ignore[arg-type]
            number = -1

            def damage(datagram: bytes) -> list[bytes]:
                nonlocal number
                number += 1
                edit = edits.get(number)
                return [datagram] if edit is None else [_edited(datagram, edit)]

            pair.up = damage
            pair.connect()
            pair.client.send(b"hello", pair.now)
            pair.pump()
            engine.handle_timer(pair.now)
            for established in pair.of_server(SessionEstablished):
                engine.close(established.session, pair.now)

        return run

    return make


def _edited(datagram: bytes, edit: bytes) -> bytes:
    at = int.from_bytes(edit[:2], "big") % (len(datagram) + 1)
    kind, value = edit[2] % 6, edit[3:]
    match kind:
        case 0:
            return datagram[:at] + value + datagram[at + 2 :]
        case 1:
            return datagram[:at]
        case 2:
            return datagram[:at] + value + datagram[at:]
        case 3:
            return datagram[:at] + datagram[at + 1 + value[0] % 40 :]
        case 4:
            return datagram + datagram[at:]
    return datagram[:at] + bytes((datagram[at] ^ value[0],)) + datagram[at + 1 :] if at < len(datagram) else b""


def _chain() -> tuple[Credential, tuple[bytes, ...]]:
    root = authority("root")
    middle = issue("middle", root, ca=True, key_usage=SIGN)
    return root, device(middle).chain


def _paths() -> Callable[[bytes], None]:
    anchor = TrustAnchor.from_der(_ROOT.der)

    def read(data: bytes) -> object:
        return verify_chain(tuple(pieces(data)), [anchor], 1_700_000_000.0)

    return parser(read, CertificateError)()


def _request(data: bytes) -> object:
    return certified_key("a device", data)


_ROOT, _PATH = _chain()
_EDITS = tuple(bytes((number, 0, place, kind, 0xFF, 0)) for number, place, kind in ((0, 13, 0), (1, 60, 2), (2, 25, 3)))

TARGETS = [
    Target(
        "dtls record",
        _records,
        (
            joined(b"\0\x16\xfe\xfd" + bytes(10), b"\0\x17\xfe\xfd\0\x01" + bytes(8) + b"\0\x10" + bytes(16)),
            joined(b"\x80\x19\xfe\xfd\0\x01" + bytes(20), b"\0\x15\xfe\xfd\0\x01" + bytes(6) + b"\0\x02\x02\x28"),
        ),
        (b"\x16\xfe\xfd", b"\x19\xfe\xfd", b"\x17\xfe\xfd", b"\x15\xfe\xfd", b"\x01\0\0", b"\x16\xfe\xff"),
    ),
    Target("dtls handshake, key", _handshake(psk_client, server_config), _EDITS),
    Target("dtls handshake, certificate", _handshake(certificate_client, certificate_server), _EDITS),
    Target("certificate path", _paths, (joined(*_PATH), joined(_PATH[0])), (b"\x30\x82", b"\x06\x03\x55\x1d", b"\xa3")),
    Target("certification request", parser(_request, CertificationRequestInvalid), (_PATH[0],), (b"\x30\x82",)),
]
