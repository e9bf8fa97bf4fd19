"""How OpenSSL is set up for devices: TLS 1.2, the suites of our own DTLS engine, P-256 and SHA-256, keys by callback.

TLS 1.3 is not offered. Every device client known speaks 1.2; in 1.3 neither CCM-8 suites nor keys by identity work the same way,
so it would be a second set of rules for the same credentials, with nobody to use it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from lamplighter.dtls.ciphers import CIPHER_SUITES

TICKET_LIFETIME = 86_400
"""Seconds in which a session may be resumed. Its credential is checked again then."""
_SEND_SERVERHELLO_TIME = 0x40  # SSL_MODE_SEND_SERVERHELLO_TIME: the vendor's client sets its clock from it
_RELEASE_BUFFERS = 0x10  # SSL_MODE_RELEASE_BUFFERS: an idle connection keeps none
_NAMES = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8": "ECDHE-ECDSA-AES128-CCM8",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CCM": "ECDHE-ECDSA-AES128-CCM",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_PSK_WITH_AES_128_CCM_8": "PSK-AES128-CCM8",
    "TLS_PSK_WITH_AES_128_CCM": "PSK-AES128-CCM",
    "TLS_PSK_WITH_AES_128_GCM_SHA256": "PSK-AES128-GCM-SHA256",
    "TLS_PSK_WITH_AES_256_CCM_8": "PSK-AES256-CCM8",
}
_NUMBERS = {_NAMES[suite.name]: number for number, suite in CIPHER_SUITES.items()}
_DTLS_1_2 = 0xFEFD
# pyOpenSSL has no face for pre-shared keys; cryptography keeps these bindings for such use.
_ffi: Any = SSL._ffi  # type: ignore[attr-defined]
_lib: Any = SSL._lib  # type: ignore[attr-defined]


class PskCallback:
    """Where OpenSSL gets a key from. Set ``find`` before a call of OpenSSL: it belongs to that connection alone."""

    def __init__(self) -> None:
        self.find: Callable[[bytes], bytes] = lambda identity: b""
        self._callback = _ffi.callback(
            "unsigned int(SSL *, const char *, unsigned char *, unsigned int)", self._answer, error=0
        )

    def install(self, context: SSL.Context) -> None:
        _lib.SSL_CTX_set_psk_server_callback(context._context, self._callback)

    def _answer(self, connection: Any, identity: Any, place: Any, room: int) -> int:
        key = b"" if identity == _ffi.NULL else self.find(_ffi.string(identity))
        if len(key) > room:
            return 0
        _ffi.memmove(place, key, len(key))
        return len(key)


class PskOffer:
    """The key of a client."""

    def __init__(self, identity: bytes, key: bytes) -> None:
        self._identity = identity
        self._key = key
        self._callback = _ffi.callback(
            "unsigned int(SSL *, const char *, char *, unsigned int, unsigned char *, unsigned int)",
            self._answer,
            error=0,
        )

    def install(self, context: SSL.Context) -> None:
        _lib.SSL_CTX_set_psk_client_callback(context._context, self._callback)

    def _answer(self, connection: Any, hint: Any, identity: Any, most: int, place: Any, room: int) -> int:
        if len(self._identity) >= most or len(self._key) > room:
            return 0
        _ffi.memmove(identity, self._identity + b"\0", len(self._identity) + 1)
        _ffi.memmove(place, self._key, len(self._key))
        return len(self._key)


def server_context(
    chain: Sequence[bytes],
    key: ec.EllipticCurvePrivateKey | None,
    suites: Sequence[int],
    psk: PskCallback,
    *,
    alpn: Callable[[SSL.Connection, list[bytes]], Any],
) -> SSL.Context:
    """For devices that connect here: they are asked for a certificate, which nothing here judges."""
    context = _context(SSL.TLS_SERVER_METHOD, _in_our_order(suites))
    context.set_mode(_SEND_SERVERHELLO_TIME | _RELEASE_BUFFERS)
    context.set_options(SSL.OP_NO_COMPRESSION | _lib.SSL_OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)  # tickets only: the devices keep their sessions themselves
    context.set_timeout(TICKET_LIFETIME)
    context.set_session_id(b"lamplighter")
    context.set_alpn_select_callback(alpn)
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _leave_to_us)
    _present(context, chain, key)
    psk.install(context)
    return context


def client_context(
    chain: Sequence[bytes], key: ec.EllipticCurvePrivateKey | None, suites: Sequence[int], psk: PskOffer | None
) -> SSL.Context:
    """For a simulated device."""
    context = _context(SSL.TLS_CLIENT_METHOD, suites)
    context.set_mode(_RELEASE_BUFFERS)
    context.set_verify(SSL.VERIFY_PEER, _leave_to_us)
    _present(context, chain, key)
    if psk is not None:
        psk.install(context)
    return context


def is_resumed(connection: SSL.Connection) -> bool:
    return bool(_lib.SSL_session_reused(connection._ssl))


def datagram_context(
    chain: Sequence[bytes], key: ec.EllipticCurvePrivateKey | None, suites: Sequence[int], psk: PskCallback
) -> SSL.Context:
    """The same for DTLS, with cookies that were checked before OpenSSL sees them, and without resumption."""
    context = _context(SSL.DTLS_METHOD, _in_our_order(suites), _DTLS_1_2)
    context.set_mode(_SEND_SERVERHELLO_TIME | _RELEASE_BUFFERS)
    context.set_options(SSL.OP_NO_QUERY_MTU | _lib.SSL_OP_COOKIE_EXCHANGE | SSL.OP_NO_TICKET)
    context.set_options(_lib.SSL_OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_session_id(b"lamplighter")
    context.set_cookie_generate_callback(lambda connection: b"not ours to make")
    context.set_cookie_verify_callback(lambda connection, cookie: True)
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _leave_to_us)
    _present(context, chain, key)
    psk.install(context)
    return context


def suite_number(openssl: str) -> int:
    """The number of a suite that OpenSSL names."""
    return _NUMBERS[openssl]


def _in_our_order(suites: Sequence[int]) -> list[int]:
    """Keys first, which only a client that has one offers. SHA-384 last: mbed TLS takes the hash of the suite for its signature
    too, whatever the server asked for, and sorts SHA-384 first."""
    return sorted(suites, key=lambda number: (CIPHER_SUITES[number].digest != "sha256", not CIPHER_SUITES[number].psk))


def _context(method: int, suites: Sequence[int], version: int = SSL.TLS1_2_VERSION) -> SSL.Context:
    context = SSL.Context(method)
    context.set_min_proto_version(version)
    context.set_max_proto_version(version)
    names = [_NAMES[CIPHER_SUITES[number].name] for number in suites]
    # OpenSSL counts CCM-8 as 64 bits, which no level above 0 takes; the lists below say what level 0 would leave open.
    context.set_cipher_list(":".join([*names, "@SECLEVEL=0"]).encode())
    for done in (
        _lib.SSL_CTX_set1_sigalgs_list(context._context, b"ECDSA+SHA256"),
        _lib.SSL_CTX_set1_curves_list(context._context, b"P-256"),
    ):
        if done != 1:
            raise RuntimeError("this OpenSSL cannot be told which signatures and curves to use")
    return context


def _present(context: SSL.Context, chain: Sequence[bytes], key: ec.EllipticCurvePrivateKey | None) -> None:
    if key is None:
        return
    leaf, *above = [x509.load_der_x509_certificate(der) for der in chain]
    context.use_certificate(leaf)
    for certificate in above:
        context.add_extra_chain_cert(certificate)
    context.use_privatekey(key)


def _leave_to_us(*asked: Any) -> bool:
    """OpenSSL knows no anchor of ours: the chain is judged by the validator of the DTLS engine, after the handshake."""
    return True


def chain_of(connection: SSL.Connection) -> tuple[bytes, ...]:
    """The peer's certificates in DER, the leaf first; empty when it showed none."""
    leaf = connection.get_peer_certificate(as_cryptography=True)
    if leaf is None:
        return ()
    found = [leaf, *(connection.get_peer_cert_chain(as_cryptography=True) or ())]
    chain = [certificate.public_bytes(Encoding.DER) for certificate in found]
    return tuple(chain if len(chain) < 2 or chain[0] != chain[1] else chain[1:])  # on a client's side the leaf is in it
