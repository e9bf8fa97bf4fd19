"""Connection IDs that this service gives out, told from invented ones without looking anything up (RFC 9146).

One byte of shard, random bytes, two bytes of check. The check is a keyed hash of the rest: a stranger who invents connection
IDs hits one in 65,536, and what misses costs a hash and no look-up among the stored sessions. It proves nothing more:
connection IDs can be read on the wire.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

LEAST, MOST = 8, 27
"""Bytes. Five of them random leave no two alike among the sessions of a shard; more than 27 have no room in a datagram."""
_CHECK = 2


class ConnectionIds:
    """Makes and recognizes them, with a secret that all processes share."""

    def __init__(self, secret: bytes, length: int, shard: int) -> None:
        """``length``: bytes, 0 for none. Raises ValueError for one out of bounds."""
        if length and not LEAST <= length <= MOST:
            raise ValueError(f"a connection ID has {LEAST} to {MOST} bytes, or 0 for none")
        if not 0 <= shard <= 255:
            raise ValueError("a shard is one byte: 0 to 255")
        self.length = length
        self._shard = bytes([shard])
        key = hashlib.sha256(b"lamplighter connection id " + secret).digest()
        self._keyed = hashlib.blake2s(key=key, digest_size=_CHECK)  # to be copied: the key is worked in once

    def make(self) -> bytes:
        """A new one."""
        cid = self._shard + secrets.token_bytes(self.length - 1 - _CHECK)
        return cid + self._check(cid)

    def is_own(self, cid: bytes) -> bool:
        """Whether it was made with this secret, by this process or another."""
        return len(cid) == self.length and hmac.compare_digest(cid[-_CHECK:], self._check(cid[:-_CHECK]))

    def _check(self, cid: bytes) -> bytes:
        check = self._keyed.copy()
        check.update(cid)
        return check.digest()
