"""What is below a port for devices: how they come to it, and what it may ask of that."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from random import Random
from typing import Any

from lamplighter.coap.endpoint import MAX_MESSAGE, Endpoint
from lamplighter.coap.parameters import Parameters
from lamplighter.coap.tcp import StreamEndpoint
from lamplighter.dtls.halfopen import network_of

DELIVERY = 126.0
"""Seconds that a delivery takes to fail: waits of 2, 4, 8, 16, 32 and 64 (contract: device requests)."""
PARAMETERS = Parameters(max_retransmit=5, response_timeout=DELIVERY)
"""A device that acknowledges a request and never answers it holds up the others no longer than one that is gone."""
STREAM_PARAMETERS = Parameters(ack_timeout=DELIVERY, ack_random_factor=1, max_retransmit=0, response_timeout=DELIVERY)
"""Over a stream nothing is sent twice, and a delivery takes as long to fail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Below:
    """One of the four ways to a role: datagrams or streams, with security or without."""

    stream: bool
    secure: bool
    end_session: Callable[[Any], None] | None = None
    """Ends the session below; None where there is none."""
    on_answer: Callable[[Any, Hashable], None] = lambda peer, address: None
    """To be told of each answer of a peer, and of the address that the request for it was sent to."""

    @property
    def name(self) -> str:
        """For metrics."""
        return f"{'coaps' if self.secure else 'coap'}+{'tcp' if self.stream else 'udp'}"

    def endpoint(self, first_token: int | None = None) -> Endpoint:
        """The CoAP endpoint for a port there. ``first_token``: see ``Endpoint``."""
        random = Random(secrets.randbits(64))
        if self.stream:
            return StreamEndpoint(random, STREAM_PARAMETERS)
        if not self.secure:
            return Endpoint(random, PARAMETERS, verified=False, network_of=network_of)
        return Endpoint(random, PARAMETERS, first_token=first_token, max_message=_largest)


def _largest(peer: Any) -> int:
    """Bytes of the largest message that a session takes: a device may have agreed on short records (gateway rule 2.5)."""
    return getattr(peer, "max_message_size", MAX_MESSAGE)
