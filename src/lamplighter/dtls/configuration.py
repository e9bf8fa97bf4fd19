"""What the server engine is told at its start."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hmac import HMAC

from .ciphers import CERTIFICATE_SUITES, CIPHER_SUITES, PSK_SUITES, CipherSuite
from .connection_ids import ConnectionIds
from .prf import keyed

_MTU_LEAST = 228
"""OpenSSL goes no lower either; below it a ServerKeyExchange would be cut to crumbs."""


@dataclass(kw_only=True, slots=True)
class ServerConfig:
    """Raises ValueError at once for values that cannot work."""

    wall_time: Callable[[], float]
    """Seconds since 1970. It goes into ServerHello.random, from which the vendor's client sets its clock."""

    certificate_chain: Sequence[bytes] = ()
    """DER, the leaf first. Empty: no certificate suites. Valid from 1970 for devices that do not know the time."""

    private_key: ec.EllipticCurvePrivateKey | None = None
    """The P-256 key of the leaf."""

    psk: bool = True
    """Whether pre-shared keys are spoken."""

    cipher_suites: Sequence[int] = field(default=CERTIFICATE_SUITES + PSK_SUITES)
    """Suites that may be agreed. The client's order decides among them: it knows which credential it holds. Only SHA-384 comes
    after SHA-256."""

    suites: dict[int, CipherSuite] = field(init=False, repr=False, compare=False)
    """Those of them that the credentials allow."""

    extended_master_secret: Literal["preferred", "required"] = "preferred"
    """Whether a client without RFC 7627 gets in."""

    cookie_secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    """At least 16 bytes, the same in all processes on one port."""

    identity_secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    """Makes the keys of identities that nobody knows, so that they fail exactly as a wrong key does."""

    _identity_key: HMAC = field(init=False, repr=False, compare=False)

    cid_secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    """Tells our connection IDs from invented ones; the same in all processes that share stored sessions."""

    cid_length: int = 8
    """Bytes of the connection IDs given out; 0: give none."""

    shard: int = 0
    """First byte of every connection ID: tells which process holds the session."""

    connection_ids: ConnectionIds = field(init=False, repr=False, compare=False)
    """Made of the three above."""

    stored_sessions: bool = False
    """Whether sessions are stored: then a record of one that is not in memory becomes the question SessionWanted."""

    resumable_sessions: int = 10_000
    """Sessions that a client may make anew by their ID, in memory; 0: none."""

    mtu: int = 1200
    """Bytes of the largest datagram sent."""

    retransmission: float = 1.0
    """Seconds until a flight is sent again the first time; doubles each time (RFC 6347 section 4.2.4.1)."""

    retransmission_limit: float = 60.0
    """Seconds that the wait grows to at most."""

    handshake_age: float = 120.0
    """Seconds after which an unfinished handshake is given up. A slow NB-IoT device needs half of it."""

    final_flight_kept: float = 240.0
    """Seconds in which a lost Finished is sent again: twice the maximum segment lifetime (RFC 6347 section 4.2.4)."""

    half_open: int = 2000
    """Handshakes open at once. Above it the newest are refused: the oldest may be slow devices."""

    half_open_network: int = 500
    """Handshakes that one IPv4 /24 or IPv6 /56 may have open."""

    question_age: float = 2.0
    """Seconds a question about a credential may wait before new handshakes are shed, silently."""

    finished_failures: int = 3
    """Finished messages that may fail to decrypt before a handshake is given up: then the key is wrong, not the network."""

    session_age: float = 30 * 86400.0
    """Seconds after which a session ends whatever happens."""

    def __post_init__(self) -> None:
        self._identity_key = keyed("sha256", self.identity_secret)
        self.connection_ids = ConnectionIds(self.cid_secret, self.cid_length, self.shard)
        if self.mtu < _MTU_LEAST:
            raise ValueError(f"an mtu below {_MTU_LEAST} bytes cannot carry a handshake")
        unknown = [number for number in self.cipher_suites if number not in CIPHER_SUITES]
        if unknown:
            raise ValueError(f"cipher suites {unknown} are not among those of this engine")
        if bool(self.certificate_chain) != (self.private_key is not None):
            raise ValueError("a certificate chain and its private key belong together")
        if self.private_key is not None:
            leaf = x509.load_der_x509_certificate(self.certificate_chain[0]).public_key()
            if not isinstance(leaf, ec.EllipticCurvePublicKey) or not isinstance(leaf.curve, ec.SECP256R1):
                raise ValueError("the server's certificate is not of P-256")
            if leaf != self.private_key.public_key():
                raise ValueError("the private key is not the one of the server's certificate")
        elif not self.psk:
            raise ValueError("neither pre-shared keys nor a certificate: nobody could connect")
        rows = [CIPHER_SUITES[number] for number in self.cipher_suites]
        self.suites = {row.number: row for row in rows if (self.psk if row.psk else self.private_key is not None)}

    def show(self, certificate_chain: Sequence[bytes], private_key: ec.EllipticCurvePrivateKey) -> None:
        """Show another certificate, from the next handshake on. A server that began with one, and keeps its suites."""
        self.certificate_chain, self.private_key = certificate_chain, private_key

    def nobodys_key(self, identity: bytes) -> bytes:
        """The key of an identity that nobody has, made from its name: so it fails as a wrong key does, and takes as long."""
        made = self._identity_key.copy()
        made.update(identity)
        return made.finalize()[:16]

    def speaks(self, suite: int) -> bool:
        """Whether that cipher suite may be agreed with the credentials there are."""
        return suite in self.suites
