"""Connections to Kafka brokers: aiokafka's, made to addresses that were judged, and bounded.

A cluster tells its clients where its brokers are, so whoever answers for one chooses where we connect to. Therefore the
address is judged at each of these connections, and not only at the servers that a user named.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from aiokafka.conn import AIOKafkaConnection, AIOKafkaProtocol, ScramAuthenticator
from aiokafka.errors import IncompatibleBrokerVersion, KafkaConnectionError, KafkaError

from lamplighter.outbound.failure import OutboundFailed
from lamplighter.outbound.kafka import KafkaAddress
from lamplighter.outbound.network import GuardedNetwork

LARGEST_ANSWER = 1024 * 1024
"""Bytes of an answer: what a broker says of one topic with 10,000 partitions."""
MOST_ITERATIONS = 50_000
"""Of SCRAM's key derivation: three times what Kafka lets an administrator set (KIP-554)."""

# What fails here is told to whoever waits for it; a stranger's broker writes nothing into our log.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


class KafkaConnection(AIOKafkaConnection):  # type: ignore[misc]  # aiokafka's connection has no types
    """A connection to one broker.

    :param timeout: seconds that an answer may take
    """

    def __init__(
        self,
        network: GuardedNetwork,
        address: KafkaAddress,
        host: str,
        port: int,
        tls: ssl.SSLContext | None,
        timeout: float,
    ) -> None:
        login = address.login
        super().__init__(
            host,
            port,
            client_id=address.client_id,
            request_timeout_ms=timeout * 1000,
            # Says no more than whether the password would be sent in the clear: the address and TLS are ours.
            security_protocol="SASL_SSL" if tls is not None else "SASL_PLAINTEXT",
            sasl_mechanism=address.mechanism if login is not None else None,
            sasl_plain_username=login.user if login is not None else None,
            sasl_plain_password=login.password if login is not None else None,
        )
        self._network = network
        self._tls = tls

    async def connect(self) -> None:
        """Connect and authenticate. Raises OutboundFailed."""
        loop = asyncio.get_running_loop()
        self._closed_fut = loop.create_future()
        reader = _Reader(loop=loop)
        transport, protocol = await self._network.create_connection(
            lambda: cast(asyncio.Protocol, AIOKafkaProtocol(self._closed_fut, reader, loop=loop)),
            self.host,
            self.port,
            self._tls,
        )
        self._reader, self._protocol = reader, protocol
        self._writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        self._read_task = self._create_reader_task()
        with told():
            await self._do_version_lookup()
            if self._sasl_mechanism is not None:
                await self._do_sasl_handshake()

    async def ask(self, request: Any) -> Any:
        """The answer to a request. Raises OutboundFailed where there is none."""
        with told():
            return await self.send(request)

    def authenticator_scram(self) -> Any:
        return _Scram(
            loop=self._loop,
            sasl_plain_password=self._sasl_plain_password,
            sasl_plain_username=self._sasl_plain_username,
            sasl_mechanism=self._sasl_mechanism,
        )


class _Reader(asyncio.StreamReader):
    """Reads answers, none larger than the bound."""

    async def readexactly(self, n: int) -> bytes:
        if not 0 <= n <= LARGEST_ANSWER:
            raise OutboundFailed("protocol", "the answer is not Kafka's, or too large")
        return await super().readexactly(n)


class _Scram(ScramAuthenticator):  # type: ignore[misc]
    """SCRAM (RFC 5802) with a bound on the work that the other end may ask for, and an ear for what it refuses."""

    def process_server_final_message(self, server_final: str) -> None:
        if server_final.startswith("e="):  # section 7; Kafka itself answers with an error code
            raise OutboundFailed("refused", _REASONS[58])
        super().process_server_final_message(server_final)

    def create_salted_password(self, salt: bytes, iterations: int) -> None:
        if not 0 < iterations <= MOST_ITERATIONS:
            raise OutboundFailed("protocol", f"it asks for {iterations} rounds of SCRAM; {MOST_ITERATIONS} are taken")
        self._salted_password = hashlib.pbkdf2_hmac(self._hashname, self._sasl_plain_password, salt, iterations)


@contextmanager
def told() -> Iterator[None]:
    """Raise OutboundFailed instead of whatever else: the library has many ways to say that the other end is no broker, or no
    honest one."""
    try:
        yield
    except Exception as error:
        raise failure_of(error) from error


def failure_of(error: BaseException) -> OutboundFailed:
    """Why a broker did not take it, in words for whoever named it."""
    if isinstance(error, OutboundFailed):
        return error
    if isinstance(error.__cause__, OutboundFailed):
        return error.__cause__
    if isinstance(error, TimeoutError):
        return OutboundFailed("timeout", "a broker did not answer in time")
    if isinstance(error, IncompatibleBrokerVersion | NotImplementedError):
        return OutboundFailed("protocol", "the broker speaks no version of Kafka's protocol that this server does")
    code = getattr(error, "errno", None)
    if isinstance(error, KafkaError) and isinstance(code, int):
        return OutboundFailed("refused", _REASONS.get(code) or f"it answered {getattr(error, 'message', code)}")
    if isinstance(error, OSError | EOFError) or (
        isinstance(error, KafkaConnectionError) and isinstance(error.__cause__, OSError | EOFError | None)
    ):
        return OutboundFailed("connection", "the connection was closed before the answer")
    return OutboundFailed("protocol", "the answer is not Kafka's")


_REASONS = {
    3: "the topic does not exist, and the cluster does not make it",
    10: "a record is larger than the topic takes (its max.message.bytes)",
    18: "a record is larger than the topic takes (its segment.bytes)",
    19: "too few replicas of a partition are in sync (its min.insync.replicas)",
    20: "too few replicas of a partition are in sync (its min.insync.replicas)",
    29: "the user may not write to the topic",
    31: "the user may not do that in the cluster",
    33: "it does not have this SASL mechanism",
    58: "user or password is wrong",
}
"""By error code; for others the name of it says enough."""
