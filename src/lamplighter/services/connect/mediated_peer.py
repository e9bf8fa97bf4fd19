"""The session of a device behind a gateway: the gateway's own, with the device's path in front (wire facts section 7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamplighter.coap.message import Message, path_options
from lamplighter.coap.numbers import Option
from lamplighter.services.connect.peer import Peer
from lamplighter.storage.database import Transaction


class MediatedPeer:
    """A ``Peer`` that asks the gateway for ``/d/NAME/3303/0/5700`` where the device is asked for ``/3303/0/5700``."""

    def __init__(self, gateway: Peer, name: str) -> None:
        self.gateway = gateway
        self._name = name
        self._prefix = path_options(("d", name), Option.URI_PATH)

    @property
    def address(self) -> str:
        return f"{self.gateway.address} d/{self._name}"

    @property
    def facts(self) -> Mapping[str, Any]:
        return self.gateway.facts

    @property
    def session(self) -> str:
        return self.gateway.session

    async def note(self, tx: Transaction) -> None:
        await self.gateway.note(tx)

    def take_token(self) -> bytes:
        return self.gateway.take_token()

    async def ask(self, message: Message, token: bytes | None = None) -> Message:
        return await self.gateway.ask(self._of_gateway(message), token)

    def adopt(self, token: bytes, request: Message) -> None:
        self.gateway.adopt(token, self._of_gateway(request))

    def cancel(self, token: bytes, *, tell: bool) -> None:
        self.gateway.cancel(token, tell=tell)

    def reset_freshness(self) -> None:
        """Nothing: the gateway's registration does it for all that is behind it."""

    def close(self) -> None:
        """Nothing: the session is the gateway's."""

    def _of_gateway(self, message: Message) -> Message:
        return Message(message.code, [*self._prefix, *message.options], message.payload)
