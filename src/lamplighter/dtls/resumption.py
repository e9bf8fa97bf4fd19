"""Sessions that a client may make anew by their session ID, without its credential (RFC 5246 section 7.3).

Only those with the extended master secret: without it, whoever shared a session with the client could pose as it to us
(RFC 7627 section 5.3). In memory only, one of each peer, and never beyond the age of the handshake that it goes back to.
"""

from __future__ import annotations

from dataclasses import dataclass

from .ciphers import CipherSuite
from .identities import Identity

SESSION_ID_LENGTH = 32


@dataclass(slots=True, eq=False, repr=False)
class Resumable:
    """What a session leaves behind for the next one. Not frozen: one is made in every handshake."""

    session_id: bytes
    secret: bytes
    """The master secret."""
    cipher: CipherSuite
    identity: Identity
    credential: str
    valid_until: float
    """Wall time, seconds since 1970."""


class Resumables:
    """The newest ``limit`` of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._by_id: dict[bytes, Resumable] = {}
        self._of: dict[Identity, bytes] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def add(self, resumable: Resumable) -> None:
        """The peer's older one goes."""
        if not self._limit:
            return
        self.forget(resumable.identity)
        self._by_id[resumable.session_id] = resumable
        self._of[resumable.identity] = resumable.session_id
        if len(self._by_id) > self._limit:
            self.forget(next(iter(self._by_id.values())).identity)

    def find(self, session_id: bytes, wall_time: float) -> Resumable | None:
        found = self._by_id.get(session_id)
        return found if found is not None and wall_time < found.valid_until else None

    def forget(self, identity: Identity) -> None:
        """The peer has to prove itself again."""
        session_id = self._of.pop(identity, None)
        if session_id is not None:
            del self._by_id[session_id]

    def end(self, session_id: bytes) -> None:
        """That session is not to be resumed. A younger one of the same peer may be."""
        found = self._by_id.get(session_id)
        if found is not None:
            self.forget(found.identity)
