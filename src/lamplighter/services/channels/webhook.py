"""What a webhook's receiver is sent, and whether it took it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from lamplighter.outbound.client import Outgoing
from lamplighter.outbound.failure import OutboundFailed
from lamplighter.services.channels.signing import Secret, signature_headers
from lamplighter.services.channels.store import Channel
from lamplighter.storage.seal import MasterKey

PURPOSE = "webhook"
TAKEN = frozenset({200, 204})
"""The statuses that acknowledge a delivery, and nothing else does."""
HEADERS = {
    "Content-Type": "application/json",
    "User-Agent": "Lamplighter",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
}
"""What is sent unless the webhook has headers of these names itself."""


class Endpoint(msgspec.Struct, frozen=True):
    """Where deliveries go, with which headers. It may hold credentials, so it is sealed at rest."""

    url: str
    headers: dict[str, str]


class Outcome(NamedTuple):
    """How a delivery ended."""

    taken: bool
    kind: str
    """``status``, or why there was no answer (outbound/failure.py)."""
    status: int | None
    reason: str


class Vault:
    """Seals what webhooks have to keep secret."""

    def __init__(self, master_key: MasterKey) -> None:
        self._key = master_key

    def seal(self, value: Endpoint | list[Secret], account_id: str, subject_id: str) -> bytes:
        return self._key.seal(msgspec.json.encode(value), PURPOSE, f"{account_id}/{subject_id}")

    def endpoint(self, channel: Channel) -> Endpoint:
        assert channel.endpoint is not None
        return msgspec.json.decode(self._open(channel, channel.endpoint), type=Endpoint)

    def secrets(self, channel: Channel) -> list[Secret]:
        if channel.secrets is None:
            return []
        return msgspec.json.decode(self._open(channel, channel.secrets), type=list[Secret])

    def _open(self, channel: Channel, sealed: bytes) -> bytes:
        return self._key.open(sealed, PURPOSE, f"{channel.account_id}/{channel.subject_id}")


async def deliver(
    outgoing: Outgoing, endpoint: Endpoint, secrets: Sequence[Secret], message_id: str, body: bytes, now: int
) -> Outcome:
    """Send one message.

    :param message_id: the same when the same message is sent again
    :param now: microseconds UTC
    """
    given = {name.lower() for name in endpoint.headers}
    headers = {name: value for name, value in HEADERS.items() if name.lower() not in given}
    headers |= endpoint.headers | signature_headers(secrets, message_id, body, now)
    try:
        reply = await outgoing.send("PUT", headers, body)
    except OutboundFailed as failed:
        return Outcome(False, failed.kind, None, str(failed))
    return Outcome(reply.status in TAKEN, "status", reply.status, f"it answered {reply.status}")
