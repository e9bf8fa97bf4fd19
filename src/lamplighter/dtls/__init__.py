"""DTLS 1.2 without I/O: the server engine, with Connection ID, as the service uses it.

The client half is in ``dtls.client``, for the simulator and tests only.
"""

from .certificates import CertificateError, Purpose, TrustAnchor, VerifiedPath, issuers_in, verify_chain
from .configuration import ServerConfig
from .events import (
    AddressChanged,
    CertificateReceived,
    CloseReason,
    ConfirmationNeeded,
    DataReceived,
    Event,
    HandshakeFailed,
    PskRequested,
    SessionClosed,
    SessionEstablished,
    SessionWanted,
)
from .failures import FailureReason
from .identities import CertificateIdentity, Identity, PskIdentity
from .numbers import AlertDescription
from .server import DtlsServer
from .server_handshake import ServerHandshake
from .sessions import ForgedTooOften, Session, stored_session

__all__ = [
    "AddressChanged",
    "AlertDescription",
    "CertificateError",
    "CertificateIdentity",
    "CertificateReceived",
    "CloseReason",
    "ConfirmationNeeded",
    "DataReceived",
    "DtlsServer",
    "Event",
    "FailureReason",
    "ForgedTooOften",
    "HandshakeFailed",
    "Identity",
    "PskIdentity",
    "PskRequested",
    "Purpose",
    "ServerConfig",
    "ServerHandshake",
    "Session",
    "SessionClosed",
    "SessionEstablished",
    "SessionWanted",
    "TrustAnchor",
    "VerifiedPath",
    "issuers_in",
    "stored_session",
    "verify_chain",
]
