"""Observing a resource of a peer: which notification is newer, RFC 7641 section 3.4."""

from __future__ import annotations

from lamplighter.coap.message import Message

#: After this many seconds any notification counts as newer, whatever its number.
FRESHNESS_SECONDS = 128.0
_MODULUS = 1 << 24
_HALF = 1 << 23


def is_newer(previous: int, previous_at: float, number: int, now: float) -> bool:
    """Whether a notification numbered ``number`` (24 bits, wrapping) supersedes the one before it."""
    ahead = (number - previous) % _MODULUS
    return 0 < ahead < _HALF or now > previous_at + FRESHNESS_SECONDS


class Observation:
    """One resource that a peer tells us about.

    ``request`` is the GET or FETCH that made it, needed for the later blocks of a long notification and for cancelling; None
    for an observation that the device began by itself without saying of what.
    """

    __slots__ = ("_number", "_seen", "request", "token")

    def __init__(self, token: bytes, request: Message | None) -> None:
        self.token = token
        self.request = request
        self._number: int | None = None
        self._seen = 0.0

    def accepts(self, number: int, now: float) -> bool:
        """Take note of a notification; False when it is older than one seen before."""
        number %= _MODULUS
        if self._number is not None and not is_newer(self._number, self._seen, number, now):
            return False
        self._number = number
        self._seen = now
        return True

    def take_back(self, number: int) -> None:
        """A notification was not kept after all: unless a newer one has come, it is fresh when it is repeated."""
        if self._number == number % _MODULUS:
            self._number = None

    def reset_freshness(self) -> None:
        """The peer may have begun counting anew: the next notification is fresh whatever its number."""
        self._number = None
