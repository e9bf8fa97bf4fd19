"""Stateless cookies for HelloVerifyRequest (RFC 6347 section 4.2.1).

The key of a cookie comes from one secret and the number of the current period, so that all workers who share the secret
agree without talking; the period before still counts.
"""

from __future__ import annotations

import hmac
from collections.abc import Hashable

from cryptography.hazmat.primitives.hmac import HMAC

from .prf import keyed

COOKIE_LENGTH = 16
"""Bytes. tinydtls takes 32 at most, and a short answer to a stranger cannot be used to amplify."""

PERIOD = 300.0
"""Seconds after which a new key is used. A cookie lives for one to two periods."""


class Cookies:
    """Makes and checks cookies from a secret of at least 16 bytes."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) < 16:
            raise ValueError("a cookie secret needs at least 16 bytes")
        self._secret = secret
        self._period = -1
        self._keys = (keyed("sha256", secret), keyed("sha256", secret))

    def make(self, address: Hashable, parameters: bytes, wall_time: float) -> bytes:
        """The cookie for a client's address and hello parameters; ``wall_time`` in seconds since 1970."""
        return self._cookie(self._keys_at(wall_time)[0], address, parameters)

    def check(self, cookie: bytes, address: Hashable, parameters: bytes, wall_time: float) -> bool:
        """True when this cookie was made for the same address and parameters in this period or the one before."""
        if len(cookie) != COOKIE_LENGTH:
            return False
        current, previous = self._keys_at(wall_time)
        return hmac.compare_digest(cookie, self._cookie(current, address, parameters)) or hmac.compare_digest(
            cookie, self._cookie(previous, address, parameters)
        )

    def _keys_at(self, wall_time: float) -> tuple[HMAC, HMAC]:
        period = int(wall_time // PERIOD)
        if period != self._period:
            self._keys = (self._key(period), self._key(period - 1))
            self._period = period
        return self._keys

    def _key(self, period: int) -> HMAC:
        return keyed("sha256", hmac.digest(self._secret, b"lamplighter dtls cookie %d" % period, "sha256"))

    @staticmethod
    def _cookie(key: HMAC, address: Hashable, parameters: bytes) -> bytes:
        made = key.copy()
        made.update(repr(address).encode() + b"\0" + parameters)
        return made.finalize()[:COOKIE_LENGTH]
