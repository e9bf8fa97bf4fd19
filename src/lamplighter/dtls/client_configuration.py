"""What the client half is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec

from .certificates import TrustAnchor
from .ciphers import CERTIFICATE_SUITES, PSK_SUITES


@dataclass(kw_only=True, slots=True)
class ClientConfig:
    """A pre-shared key, or a certificate with its key. Raises ValueError when neither is given."""

    wall_time: Callable[[], float]
    """Seconds since 1970, to judge the server's certificate by."""

    psk_identity: bytes = b""
    """The identity that the key is stored under."""

    psk: bytes = b""
    """The pre-shared key; empty: none."""

    certificate_chain: Sequence[bytes] = ()
    """DER, the leaf first."""

    private_key: ec.EllipticCurvePrivateKey | None = None
    """The P-256 key of the leaf."""

    trust_anchors: Sequence[TrustAnchor] | None = None
    """Who may have issued the server's certificate. None believes anybody: for laboratories."""

    cipher_suites: Sequence[int] = ()
    """Suites offered; empty: all that fit the credential."""

    extended_master_secret: bool = True
    """Whether RFC 7627 is offered."""

    connection_id: bytes | None = b""
    """The connection ID that the server shall put into its records: empty as devices do it, None to offer none."""

    connection_id_draft: bool = False
    """Offer extension 254 of draft 05 in the place of 54, as mbed TLS 2.28 does."""

    record_size_limit: int | None = None
    """Bytes of plaintext this client takes (RFC 8449)."""

    max_fragment_length: int | None = None
    """The same as one of the codes of RFC 6066: 1 to 4 for 512 to 4096 bytes."""

    mtu: int = 1200
    """Bytes of the largest datagram sent."""

    retransmission: float = 1.0
    """Seconds until a flight is sent again the first time; doubles each time."""

    retransmission_limit: float = 60.0
    """Seconds that the wait grows to at most."""

    handshake_age: float = 120.0
    """Seconds after which the handshake is given up."""

    session_age: float = 365 * 86400.0
    """Seconds after which the session is not used any more."""

    def __post_init__(self) -> None:
        if not self.psk and self.private_key is None:
            raise ValueError("a client needs a pre-shared key or a certificate with its key")
        if not self.cipher_suites:
            self.cipher_suites = (CERTIFICATE_SUITES if self.private_key is not None else ()) + (
                PSK_SUITES if self.psk else ()
            )
