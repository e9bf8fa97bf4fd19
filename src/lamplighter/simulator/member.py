"""One device of a fleet on the event loop: its socket, its DTLS session, its timer."""

from __future__ import annotations

import asyncio

from lamplighter.clock import MICROSECONDS, Clock
from lamplighter.dtls import CloseReason, TrustAnchor
from lamplighter.dtls.client_configuration import ClientConfig
from lamplighter.dtls.failures import FailureReason
from lamplighter.simulator.account import Account
from lamplighter.simulator.behaviour import Behaviours
from lamplighter.simulator.device import Device
from lamplighter.simulator.events import (
    AddressLost,
    ConnectionLost,
    ConnectRequested,
    Event,
    Registered,
    Stopped,
)
from lamplighter.simulator.registration import Phase
from lamplighter.simulator.weather import Weather, WeatheredClient
from lamplighter.transport.dtls_client import DtlsClientTransport, HandshakeRefused

HANDSHAKE_AGE = 30.0
"""Seconds after which a device takes an unanswered handshake for a failure."""


class Member:
    """``port`` is that of the server which the device knows at first: the bootstrap server's for a client of the vendor."""

    def __init__(
        self, device: Device, key: bytes, host: str, port: int, clock: Clock, behaviours: Behaviours, weather: str
    ) -> None:
        """``key``: the pre-shared key; empty where the device has an account. ``weather``: the seed of the network's."""
        self.device = device
        self.connected = False
        self.failure = ""
        self.ended = asyncio.Event()
        self._key = key
        self._host = host
        self._port = port
        self._clock = clock
        self._behaviours = behaviours
        self._weather = weather
        self._loop = asyncio.get_running_loop()
        self._connecting: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._transport: DtlsClientTransport | None = None
        self._account: Account | None = None

    def start(self) -> None:
        self.device.start(self._loop.time())
        self._go_on_without_socket()

    def stop(self) -> None:
        self.device.stop(self._loop.time())
        if self.connected and self._transport is not None:
            self._transport.flush()
        else:
            self._go_on_without_socket()

    def close(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.close()

    def _take(self, event: Event) -> None:
        match event:
            case ConnectRequested():
                self._connecting = self._loop.create_task(self._connect(event))
            case AddressLost():
                self._rebind()
            case Registered():
                self.failure = ""
            case ConnectionLost(reason):
                self.failure = reason
            case Stopped():
                self.ended.set()

    def _lose(self, transport: DtlsClientTransport, reason: CloseReason) -> None:
        idle = (Phase.OFF, Phase.WAITING, Phase.CONNECTING)
        if transport is not self._transport or reason is CloseReason.REPLACED or self.device.phase in idle:
            return  # a session that the device has left behind
        self.connected = False
        self.device.disconnected(f"the session ended ({reason.value})", self._loop.time())

    async def _connect(self, wanted: ConnectRequested) -> None:
        self.connected = False
        try:
            if wanted.resume and self._transport is not None and self._transport.client.session is not None:
                self._transport.open(self._host, self._lwm2m_port)
            else:
                await self._handshake(wanted.bootstrap)
        except HandshakeRefused as error:
            refused = str(error).startswith(FailureReason.PEER_ALERT.value)
            self.device.disconnected(f"no session: {error}", self._loop.time(), refused=refused)
            self._go_on()
        except OSError as error:
            self.device.disconnected(f"no socket: {error.strerror or error}", self._loop.time())
            self._go_on_without_socket()
        else:
            self.connected = True
            self.device.connected(self._loop.time())
            self._go_on()

    async def _handshake(self, bootstrap: bool) -> None:
        """Raises HandshakeRefused, OSError."""
        account = self.device.made_with if bootstrap else self.device.account
        if self._transport is None or account is not self._account:
            self._replace_transport(account)
        assert self._transport is not None
        port = self._port if bootstrap or account is None else self._lwm2m_port
        await self._transport.connect(self._host, port)

    def _replace_transport(self, account: Account | None) -> None:
        """Another credential needs another engine. The old session ends."""
        former, self._transport = self._transport, None
        if former is not None:
            former.close()
        config = self._config(account)
        transport = DtlsClientTransport(
            config, self.device, self._take, on_close=lambda reason: self._lose(transport, reason)
        )
        if not Weather.is_fair(self._behaviours):
            transport.client = WeatheredClient(config, self._behaviours, self._weather)
        self._transport = transport
        self._account = account

    def _config(self, account: Account | None) -> ClientConfig:
        if account is None:
            return ClientConfig(
                wall_time=self._wall_time,
                psk_identity=self.device.name.encode(),
                psk=self._key,
                handshake_age=HANDSHAKE_AGE,
            )
        return ClientConfig(
            wall_time=self._wall_time,
            certificate_chain=(account.certificate,),
            private_key=account.key,
            trust_anchors=(TrustAnchor.from_der(account.anchor),),
            connection_id_draft=True,  # as mbed TLS 2.28, which the vendor's client has
            handshake_age=HANDSHAKE_AGE,
        )

    def _wall_time(self) -> float:
        return self._clock.now() / MICROSECONDS

    @property
    def _lwm2m_port(self) -> int:
        account = self.device.account
        return self._port if account is None else account.port

    def _rebind(self) -> None:
        """The same session from another port."""
        if self._transport is not None:
            try:
                self._transport.open(self._host, self._lwm2m_port)
            except OSError as error:
                self.device.disconnected(f"no socket: {error.strerror or error}", self._loop.time())

    def _go_on(self) -> None:
        if self._transport is not None:
            self._transport.flush()

    def _go_on_without_socket(self) -> None:
        """What the transport does as long as it has a socket: hand on events, wait for the timer."""
        while (event := self.device.next_event()) is not None:
            self._take(event)
        when = self.device.get_timer()
        if self.device.phase is Phase.WAITING and when is not None:
            self._timer = self._loop.call_at(when, self._tick)

    def _tick(self) -> None:
        self.device.handle_timer(self._loop.time())
        self._go_on_without_socket()
