"""A handshake that OpenSSL makes: what is known of the peer, the keys OpenSSL is given, and what its errors mean in our words."""

from __future__ import annotations

import itertools
from collections.abc import Hashable

from OpenSSL import SSL

from lamplighter.dtls import FailureReason, PskIdentity, ServerConfig

_WORDS = {
    "peer did not return a certificate": FailureReason.CERTIFICATE_MISSING,
    "no shared cipher": FailureReason.NO_SHARED_CIPHER,
    "bad signature": FailureReason.BAD_SIGNATURE,
    "unexpected message": FailureReason.UNEXPECTED_MESSAGE,
}


class OpensslHandshake:
    """One that is open."""

    def __init__(
        self,
        config: ServerConfig,
        connection: SSL.Connection,
        address: Hashable,
        random: bytes,
        number: int,
        now: float,
    ) -> None:
        """``random``: of the ClientHello. ``number``: its record's, from which ours go on (RFC 6347 section 4.2.1)."""
        self.connection = connection
        self.numbers = itertools.count(number)
        """Of our records in epoch 0."""
        self.address = address
        self.random = random
        self.ends = now + config.handshake_age
        self.extended_master_secret = False
        self.fragment_limit = 0
        self.size = 0
        """Bytes received."""
        self.timer: float | None = None
        """When the flight is sent again."""
        self.wait = config.retransmission
        self.repeats = 0
        self.flight: list[bytes] = []
        self.held: list[bytes] = []
        """What came while a question is open."""
        self.asks = False
        self.identity: PskIdentity | None = None
        self.key: bytes | None = None
        self.key_given = False
        """Whether OpenSSL took the key of that identity."""
        self.credential = ""
        self.chain: tuple[bytes, ...] = ()
        self._nobodys_key = config.nobodys_key

    @property
    def due(self) -> float:
        """When something is to be done about it."""
        return self.ends if self.timer is None else min(self.ends, self.timer)

    def key_for(self, identity: bytes) -> bytes:
        """Nobody's name has a key too, so that it fails as a wrong key does."""
        if self.key and self.identity == PskIdentity(identity):
            self.key_given = True
            return self.key
        return self._nobodys_key(identity)

    def failure(self, error: SSL.Error) -> tuple[FailureReason, str]:
        """What OpenSSL's words mean in ours, and the words."""
        reasons = error.args[0] if error.args and isinstance(error.args[0], list) else []
        words = "; ".join(reason[-1] for reason in reasons) or type(error).__name__
        if self.identity is not None:
            return (FailureReason.WRONG_KEY if self.key else FailureReason.UNKNOWN_PSK_IDENTITY), words
        for part, reason in _WORDS.items():
            if part in words:
                return reason, words
        return FailureReason.MALFORMED, words
