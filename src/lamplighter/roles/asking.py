"""What is asked of devices through one port, and who waits for the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

from lamplighter.coap.endpoint import Endpoint, TooManyRequests
from lamplighter.coap.events import RequestFailed, RequestReset, RequestTimedOut, ResponseReceived
from lamplighter.coap.exchange import Exchange, Failure
from lamplighter.coap.message import Message
from lamplighter.roles.below import Below
from lamplighter.services.connect.peer import AnswerTooLarge, ConnectionBroken, NoAnswer, PeerGone

Outcome = ResponseReceived | RequestTimedOut | RequestReset | RequestFailed
"""How an exchange can end."""


class _Waiting(NamedTuple):
    answer: asyncio.Future[Message]
    address: Hashable
    """Where the request was sent."""


class Asking:
    """The exchanges that somebody waits for. Hand in each ``Outcome`` of the endpoint.

    :param flush: sends what the endpoint has
    """

    def __init__(self, endpoint: Endpoint, below: Below, flush: Callable[[], None]) -> None:
        self._endpoint = endpoint
        self._on_answer = below.on_answer
        self._gone = ConnectionBroken if below.stream else PeerGone
        self._flush = flush
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[Exchange, _Waiting] = {}

    async def ask(self, peer: Any, message: Message, token: bytes | None = None) -> Message:
        """The answer. Raises NoAnswer, PeerGone, AnswerTooLarge."""
        try:
            exchange = self._endpoint.request(peer, message, self._loop.time(), token=token)
        except TooManyRequests:
            raise NoAnswer from None
        answer: asyncio.Future[Message] = self._loop.create_future()
        self._waiting[exchange] = _Waiting(answer, getattr(peer, "address", None))
        self._flush()
        try:
            return await answer
        finally:
            del self._waiting[exchange]
            if answer.cancelled():
                self._endpoint.abandon(exchange, self._loop.time())
                self._flush()

    def take(self, outcome: Outcome) -> None:
        """An exchange has ended."""
        waiting = self._waiting.get(outcome.exchange)
        if isinstance(outcome, ResponseReceived):
            self._on_answer(outcome.exchange.peer, waiting.address if waiting is not None else None)
        if waiting is None or waiting.answer.done():
            return
        if isinstance(outcome, ResponseReceived):
            waiting.answer.set_result(outcome.message)
        else:
            waiting.answer.set_exception(self._failure(outcome))

    def close(self) -> None:
        """Who waits for a device is told that it is gone."""
        for waiting in self._waiting.values():
            if not waiting.answer.done():
                waiting.answer.set_exception(PeerGone())

    def _failure(self, outcome: RequestTimedOut | RequestReset | RequestFailed) -> NoAnswer:
        match outcome:
            case RequestTimedOut(exchange, retransmissions) if exchange.acknowledged:
                why = "The device acknowledged the request and did not answer it in time."
                return NoAnswer(retransmissions=retransmissions, why=why)
            case RequestTimedOut(_, retransmissions):
                return NoAnswer(retransmissions=retransmissions)
            case RequestReset():
                return PeerGone(why="The device reset the request: it does not know this session's requests any more.")
            case RequestFailed(_, Failure.FORGOTTEN):
                return self._gone()
            case RequestFailed(_, Failure.BODY_TOO_LARGE):
                return AnswerTooLarge()
        return NoAnswer()
