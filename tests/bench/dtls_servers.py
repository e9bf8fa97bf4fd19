"""The servers of ``dtls``, each in a process of its own: ``python -m tests.bench.dtls_servers ours|pyopenssl FOLDER``.

``FOLDER`` holds what ``dtls`` wrote: ``ca.pem``, ``server.pem``, ``server.key``.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

import uvloop
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from OpenSSL import SSL

from lamplighter.coap.endpoint import Endpoint
from lamplighter.dtls import CertificateError, ServerConfig, TrustAnchor, verify_chain
from lamplighter.roles.interpreter import settle
from lamplighter.transport.datagram_socket import DatagramSocket, bind
from lamplighter.transport.dtls import Accepted, DtlsTransport, PskKey, Rejected, Verdict
from tests.bench.coap_servers import responder

KEY = b"0123456789abcdef"
IDENTITIES = {b"lamp-%d" % number: KEY for number in range(1000)}
CIPHERS = b"ECDHE-ECDSA-AES128-CCM8:PSK-AES128-CCM8:@SECLEVEL=0"
PEERS = 1500
"""Connections that the OpenSSL server keeps, the oldest go: each takes 70 KB."""


async def ours(folder: Path) -> None:
    anchor = TrustAnchor.from_der(_der(folder / "ca.pem"))
    blocked: set[bytes] = {hashlib.sha256(b"some certificate").digest()}
    endpoint = Endpoint(Random(1))

    async def psk_key(identity: bytes) -> PskKey | None:
        key = IDENTITIES.get(identity)
        return PskKey(key, "credential") if key else None

    async def check_certificate(chain: tuple[bytes, ...]) -> Verdict:
        try:
            return Accepted(verify_chain(chain, [anchor], time.time(), blocked=blocked.__contains__), "credential")
        except CertificateError as error:
            return Rejected(error.alert, error.detail)

    private_key = load_pem_private_key((folder / "server.key").read_bytes(), None)
    assert isinstance(private_key, ec.EllipticCurvePrivateKey)
    config = ServerConfig(
        wall_time=time.time, certificate_chain=(_der(folder / "server.pem"),), private_key=private_key
    )
    transport = DtlsTransport(
        config, endpoint, responder(endpoint), psk_key=psk_key, check_certificate=check_certificate
    )
    transport.open("127.0.0.1", 0)
    settle()
    print("ready", transport.socket.address[1], flush=True)
    await asyncio.Event().wait()


def _der(path: Path) -> bytes:
    return x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(Encoding.DER)


class OpenSslServer:
    """OpenSSL's DTLS over a memory BIO, with the same socket below and the same CoAP above: cookies, keys, certificates."""

    def __init__(self, folder: Path) -> None:
        self._context = context(folder)
        self._endpoint = Endpoint(Random(1))
        self._answer = responder(self._endpoint)
        self._peers: dict[Any, SSL.Connection] = {}
        self._randoms: dict[Any, bytes] = {}  # of the hello that a connection was made for: it may come again
        self._address: Any = None
        self._now = asyncio.get_running_loop().time
        secret = b"a secret of sixteen bytes or so"
        self._context.set_cookie_generate_callback(lambda _: self._cookie(secret))
        self._context.set_cookie_verify_callback(lambda _, cookie: hmac.compare_digest(cookie, self._cookie(secret)))
        self._listener = self._new()
        self.socket = DatagramSocket(bind("127.0.0.1", 0), self._receive, self._flush, asyncio.get_running_loop())

    def _cookie(self, secret: bytes) -> bytes:
        return hmac.digest(secret, repr(self._address).encode(), "sha256")[:16]

    def _new(self) -> SSL.Connection:
        connection = SSL.Connection(self._context, None)
        connection.set_accept_state()
        connection.set_ciphertext_mtu(1200)
        return connection

    def _receive(self, data: bytes, address: Any) -> None:
        peer = self._peers.get(address)
        if data[0] == 22 and data[3:5] == b"\0\0" and data[13] == 1 and self._randoms.get(address) != data[27:59]:
            self._listen(data, address)
        elif peer is not None:
            peer.bio_write(data)
            if peer.get_state_string().startswith(b"SSL negotiation finished"):
                self._take(peer, address)
            else:
                self._shake(peer, address)

    def _listen(self, data: bytes, address: Any) -> None:
        """A ClientHello: a connection only after a good cookie; one listening connection serves all others."""
        self._address = address
        listener = self._listener
        listener.bio_write(data)
        try:
            listener.DTLSv1_listen()
        except SSL.Error:
            self._send(listener, address)
            return
        self._listener = self._new()
        self._peers.pop(address, None)
        self._peers[address] = listener
        self._randoms[address] = data[27:59]
        if len(self._peers) > PEERS:
            del self._peers[next(iter(self._peers))]
        self._shake(listener, address)

    def _shake(self, peer: SSL.Connection, address: Any) -> None:
        try:
            peer.do_handshake()
        except SSL.WantReadError:
            pass
        self._send(peer, address)

    def _take(self, peer: SSL.Connection, address: Any) -> None:
        try:
            data = peer.recv(2048)
        except SSL.WantReadError:
            return
        self._endpoint.receive_datagram(data, address, self._now())

    def _flush(self) -> None:
        endpoint = self._endpoint
        while (event := endpoint.next_event()) is not None:
            self._answer(event)
        for data, address in endpoint.datagrams_to_send(self._now()):
            peer = self._peers[address]
            peer.send(data)
            self._send(peer, address)

    def _send(self, peer: SSL.Connection, address: Any) -> None:
        """The memory BIO has lost the bounds of datagrams: what is in it leaves as one, below the MTU here."""
        try:
            self.socket.send(peer.bio_read(65535), address)
        except SSL.WantReadError:
            return


def context(folder: Path) -> SSL.Context:
    """A server context for keys and certificates, as Python can make it (the bindings of the key callback are private)."""
    ffi, lib = SSL._ffi, SSL._lib  # type: ignore[attr-defined]
    made = SSL.Context(SSL.DTLS_METHOD)
    made.set_options(int(SSL.OP_NO_QUERY_MTU or 0) | int(SSL.OP_COOKIE_EXCHANGE or 0))
    made.set_cipher_list(CIPHERS)
    made.set_session_id(b"bench")
    made.use_certificate_file(str(folder / "server.pem"))
    made.use_privatekey_file(str(folder / "server.key"))
    made.load_verify_locations(str(folder / "ca.pem"))
    made.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *found: bool(found[4]))

    @ffi.callback("unsigned int(SSL *, const char *, unsigned char *, unsigned int)")  # type: ignore[untyped-decorator]
    def psk(ssl: Any, identity: Any, out: Any, longest: int) -> int:
        key = IDENTITIES.get(ffi.string(identity))
        if not key or len(key) > longest:
            return 0
        ffi.memmove(out, key, len(key))
        return len(key)

    lib.SSL_CTX_set_psk_server_callback(made._context, psk)
    made.psk_callback = psk  # type: ignore[attr-defined]  # referenced as long as the context
    return made


async def pyopenssl(folder: Path) -> None:
    server = OpenSslServer(folder)
    settle()
    print("ready", server.socket.address[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run({"ours": ours, "pyopenssl": pyopenssl}[sys.argv[1]](Path(sys.argv[2])))
