"""What channels have to keep secret, sealed at rest: where they deliver to, and what deliveries are signed with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from lamplighter.services.channels.carrier import Target
from lamplighter.services.channels.signing import Secret
from lamplighter.services.channels.store import Channel, Key
from lamplighter.storage.seal import MasterKey

PURPOSE = "webhook"

T = TypeVar("T")


class Vault:
    """Seals and opens; what was sealed for one channel opens for no other."""

    def __init__(self, master_key: MasterKey) -> None:
        self._key = master_key

    def seal(self, value: Target | Sequence[Secret], key: Key) -> bytes:
        return self._key.seal(msgspec.json.encode(value), PURPOSE, _owner(key))

    def target(self, channel: Channel, type_: type[T]) -> T:
        """Where the channel delivers to."""
        assert channel.endpoint is not None
        return msgspec.json.decode(self._open(channel, channel.endpoint), type=type_)

    def secrets(self, channel: Channel) -> list[Secret]:
        if channel.secrets is None:
            return []
        return msgspec.json.decode(self._open(channel, channel.secrets), type=list[Secret])

    def _open(self, channel: Channel, sealed: bytes) -> bytes:
        return self._key.open(sealed, PURPOSE, _owner(channel.key))


def _owner(key: Key) -> str:
    return str(key) if key.name else f"{key.account_id}/{key.subject_id}"
