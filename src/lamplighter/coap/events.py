"""What the endpoint tells its caller. The names are in the past: each has happened."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from lamplighter.coap.exchange import Delivery, Exchange, Failure
from lamplighter.coap.message import Message
from lamplighter.coap.peers import Incoming


@dataclass(slots=True, eq=False)
class RequestReceived:
    """A peer asks for something. Answer with ``Endpoint.respond``. Not frozen: that triples the cost of the hottest event.

    Fields: ``message`` carries the whole body, however many blocks it came in; ``incoming`` is the endpoint's own record.
    """

    peer: Hashable
    message: Message
    incoming: Incoming


@dataclass(frozen=True, slots=True)
class ResponseReceived:
    """A request of ours is answered, well or badly; ``message`` carries the whole body."""

    exchange: Exchange
    message: Message


@dataclass(frozen=True, slots=True)
class NotificationReceived:
    """An observed resource changed. Keep it, then call ``Endpoint.accept_notification``, or ``reject_notification``.

    A code that is not a success ends the observation (RFC 7641 section 4.2). ``incoming`` is None when there is nothing
    left to acknowledge: a long notification is acknowledged before its rest is fetched. When that fails, the exchange of
    the RequestTimedOut, RequestReset or RequestFailed has the observation's token as ``notification_of``.
    """

    peer: Hashable
    token: bytes
    message: Message
    incoming: Incoming | None


@dataclass(frozen=True, slots=True)
class RequestTimedOut:
    """No response came: no acknowledgement after that many retransmissions, or no separate response after one."""

    exchange: Exchange
    retransmissions: int


@dataclass(frozen=True, slots=True)
class RequestReset:
    """The peer answered with a Reset: it does not understand the request, or has forgotten us."""

    exchange: Exchange


@dataclass(frozen=True, slots=True)
class RequestFailed:
    """A request ended for a reason of our own."""

    exchange: Exchange
    reason: Failure


@dataclass(frozen=True, slots=True)
class AnswerSent:
    """The answer to that request was handed to the socket: what must wait for it may happen now."""

    request: RequestReceived


@dataclass(frozen=True, slots=True)
class DeliveryAcknowledged:
    """The peer acknowledged a notification of ours."""

    delivery: Delivery


@dataclass(frozen=True, slots=True)
class DeliveryReset:
    """The peer does not want notifications with that token (RFC 7641 section 3.6)."""

    delivery: Delivery


@dataclass(frozen=True, slots=True)
class DeliveryTimedOut:
    """The peer never acknowledged a notification of ours."""

    delivery: Delivery


Event = (
    RequestReceived
    | ResponseReceived
    | NotificationReceived
    | RequestTimedOut
    | RequestReset
    | RequestFailed
    | AnswerSent
    | DeliveryAcknowledged
    | DeliveryReset
    | DeliveryTimedOut
)
