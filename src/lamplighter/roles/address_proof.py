"""Asks devices that came from a new address to show that they are there, when something is to go there that may not yet.

Until an answer to what was sent to a new address has come, no more goes there than three times what came from there (gateway
rule 2.6): too little for a block of a transfer that was under way. A CoAP ping and its reset are small enough.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from lamplighter.coap.endpoint import Endpoint
from lamplighter.coap.events import DeliveryAcknowledged, DeliveryReset, DeliveryTimedOut
from lamplighter.coap.exchange import Delivery


class AddressProof:
    """Hand in the endpoint's events and the ends of sessions.

    :param confirm: told of a session, and of the address that it has answered from
    """

    def __init__(self, endpoint: Endpoint, confirm: Callable[[Any, Hashable], None]) -> None:
        self._endpoint = endpoint
        self._confirm = confirm
        self._asked: dict[Any, tuple[Delivery, Hashable]] = {}

    def ask(self, session: Any, now: float) -> None:
        """Ping a device at its new address. Nothing happens while it is being asked there."""
        _, address = self._asked.get(session, (None, None))
        if address != session.address:
            self._asked[session] = self._endpoint.ping(session, now), session.address

    def take(self, event: Any) -> bool:
        """Whether that event was about a ping of ours."""
        if not isinstance(event, DeliveryReset | DeliveryAcknowledged | DeliveryTimedOut):
            return False
        session = event.delivery.peer
        delivery, address = self._asked.get(session, (None, None))
        if delivery is not event.delivery:
            return False
        del self._asked[session]
        if not isinstance(event, DeliveryTimedOut):
            self._confirm(session, address)
        return True

    def forget(self, session: Any) -> None:
        """The session is no more, or no more here."""
        self._asked.pop(session, None)
