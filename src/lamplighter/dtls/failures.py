"""Why a handshake came to nothing."""

from __future__ import annotations

from enum import Enum

from .numbers import AlertDescription


class FailureReason(Enum):
    """For the operator; a peer sees at most an alert."""

    TIMED_OUT = "the peer fell silent"
    MALFORMED = "a message could not be read"
    TOO_LARGE = "the handshake or its certificates exceed the limits"
    UNEXPECTED_MESSAGE = "a message came out of order"
    PROTOCOL_VERSION = "the peer does not speak DTLS 1.2"
    NO_SHARED_CIPHER = "no cipher suite, group or signature algorithm in common"
    EXTENDED_MASTER_SECRET_MISSING = "the peer lacks the extended master secret, which is required here"
    UNKNOWN_PSK_IDENTITY = "no key is known for that identity"
    WRONG_KEY = "the peer's key is not the one known for its identity"
    CERTIFICATE_MISSING = "the peer sent no certificate"
    CERTIFICATE_REJECTED = "the peer's certificate was not accepted"
    BAD_SIGNATURE = "the peer does not hold the key of its certificate"
    PEER_ALERT = "the peer gave up with an alert"
    ABANDONED = "the question about the peer's credential could not be answered"
    SUPERSEDED = "the peer began anew"


class HandshakeError(Exception):
    """The handshake cannot go on. Never leaves the engine: it becomes an alert and an event."""

    def __init__(self, alert: AlertDescription, reason: FailureReason, detail: str) -> None:
        super().__init__(detail)
        self.alert = alert
        self.reason = reason
        self.detail = detail


class MalformedMessage(HandshakeError):
    """Bytes that are not what they should be."""

    def __init__(self, detail: str) -> None:
        super().__init__(AlertDescription.DECODE_ERROR, FailureReason.MALFORMED, detail)


def too_large(detail: str) -> HandshakeError:
    """The peer sent more than the limits of ServerConfig allow."""
    return HandshakeError(AlertDescription.HANDSHAKE_FAILURE, FailureReason.TOO_LARGE, detail)
