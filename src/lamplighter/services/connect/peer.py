"""What connect asks of the session that a device talks through; the LwM2M role gives it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from lamplighter.coap.message import Message
from lamplighter.storage.database import Transaction


class NoAnswer(Exception):
    """A device did not answer. ``status`` and ``error`` are those of the async response (contract: AsyncIDResponse)."""

    status = 504
    error: str | None = "TIMEOUT"
    why = "The device did not answer in time."

    def __init__(self, **details: Any) -> None:
        super().__init__(self.why)
        self.details = details
        """What is known of it, for ``explain``: ``why``, ``retransmissions``, ``acknowledged``."""


class PeerGone(NoAnswer):
    """The session ended, or the device does not know us any more."""

    status = 503
    error: str | None = "NOT_CONNECTED"
    why = "The device's session ended, or the device does not know it any more."


class ConnectionBroken(PeerGone):
    """The TCP or TLS connection broke while the answer was awaited."""

    status = 502
    error = None
    why = "The TCP or TLS connection broke while the answer was awaited."


class SessionLost(Exception):
    """Another process has the session now, or what it rests on is gone: what came through it has no effect here."""


class AnswerTooLarge(NoAnswer):
    """The body is larger than is taken."""

    status = 413
    error = None
    why = "The device's answer is larger than the server takes."


class Peer(Protocol):
    """A session with one device. All calls are of the event loop that has the session."""

    @property
    def address(self) -> str:
        """For the operator."""
        ...

    @property
    def facts(self) -> Mapping[str, Any]:
        """What is known of the session, for the operator."""
        ...

    @property
    def session(self) -> str:
        """The name of the session where it is stored; empty where it is not."""
        ...

    async def note(self, tx: Transaction) -> None:
        """To be called in the transaction of whatever the device's messages do: they do it once, even when they are
        repeated to a process that knows nothing of them. Raises SessionLost."""
        ...

    def take_token(self) -> bytes:
        """A token for an observation, never given before."""
        ...

    async def ask(self, message: Message, token: bytes | None = None) -> Message:
        """Send a request and wait for its answer. Raises NoAnswer, PeerGone, AnswerTooLarge."""
        ...

    def adopt(self, token: bytes, request: Message) -> None:
        """Take notifications with that token: the device observes by itself, or since before this process was. The request,
        without Observe, reads what is observed."""
        ...

    def cancel(self, token: bytes, *, tell: bool) -> None:
        """End an observation; ``tell`` the device, or answer its next notification with a reset."""
        ...

    def reset_freshness(self) -> None:
        """The device registered anew: any number of a notification is fresh (RFC 7641 section 3.4)."""
        ...

    def close(self) -> None:
        """End the session."""
        ...
