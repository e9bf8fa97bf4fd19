"""One device of a fleet on the event loop: its line to the server, its timer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from lamplighter.clock import MICROSECONDS, Clock
from lamplighter.dtls import TrustAnchor
from lamplighter.dtls.client_configuration import ClientConfig
from lamplighter.simulator.account import Account
from lamplighter.simulator.behaviour import Behaviours
from lamplighter.simulator.device import Device
from lamplighter.simulator.downloads import Downloads
from lamplighter.simulator.events import (
    AddressLost,
    ConnectionLost,
    ConnectRequested,
    DownloadRequested,
    Event,
    Registered,
    Stopped,
)
from lamplighter.simulator.image import Image
from lamplighter.simulator.line import HANDSHAKE_AGE, DatagramLine, Line, NoSession, PlainLine, StreamLine
from lamplighter.simulator.profile import Transport
from lamplighter.simulator.registration import Phase
from lamplighter.simulator.standard_bootstrap import KeyAccount

NO_ANSWER = "no answer yet"
#: Seconds after which a device that still waits for its server is worth a word.
_QUICK = 4.0


@dataclass(frozen=True, slots=True)
class Server:
    """Where devices go first: the bootstrap server for those that bootstrap, else the LwM2M server."""

    host: str
    port: int
    transport: Transport = Transport.DTLS
    behaviours: Behaviours = field(default_factory=dict)
    """Those of the network between."""
    source: str = ""
    """The address of this machine that devices connect from; empty: any."""


class Member:
    def __init__(
        self,
        device: Device,
        key: bytes,
        server: Server,
        clock: Clock,
        weather: str,
        downloads: Downloads,
        *,
        certified: Account | None = None,
        told: Callable[[Member, Event], None] = lambda member, event: None,
    ) -> None:
        """``key``: the pre-shared key; empty where the device has a certificate: ``certified`` for LwM2M, or one to
        bootstrap with. ``weather``: the seed of the network's. ``told`` hears every event of the device.
        """
        self.device = device
        self.connected = False
        self.failure = ""
        self.registrations = 0
        self.ended = asyncio.Event()
        self._key = key
        self._certified = certified
        self._told = told
        self._server = server
        self._clock = clock
        self._weather = weather
        self._downloads = downloads
        self._downloading: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._asked_at = 0.0
        self._connecting: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._line: Line | None = None
        self._account: Account | KeyAccount | None = None

    def start(self) -> None:
        self.device.start(self._loop.time())
        self._go_on()

    def stop(self) -> None:
        self.device.stop(self._loop.time())
        self._go_on()

    def close(self) -> None:
        for task in (self._connecting, self._downloading):
            if task is not None:
                task.cancel()
        if self._timer is not None:
            self._timer.cancel()
        if self._line is not None:
            self._line.close()

    def move(self, server: Server) -> None:
        """Go on with the session at another server's port, as behind a load balancer, from another port of our own."""
        self._server = server
        self._rebind()
        self._go_on()

    def flush(self) -> None:
        """Call this after acting on the device from outside."""
        self._go_on()

    def trouble(self) -> str:
        """Why the device is not registered, or nothing."""
        asking = self.device.phase in (Phase.CONNECTING, Phase.BOOTSTRAPPING, Phase.REGISTERING)
        if not self.failure and asking and self._loop.time() > self._asked_at + _QUICK:
            return NO_ANSWER
        return self.failure

    def _take(self, event: Event) -> None:
        self._told(self, event)
        match event:
            case ConnectRequested():
                self._asked_at = self._loop.time()
                self._connecting = self._loop.create_task(self._connect(event))
            case AddressLost():
                self._rebind()
            case DownloadRequested(image):
                self._downloading = self._loop.create_task(self._download(image))
            case Registered():
                self.failure = ""
                self.registrations += 1
            case ConnectionLost(reason):
                self.failure = reason
            case Stopped():
                self.ended.set()

    def _lose(self, line: Line | None, reason: str) -> None:
        idle = (Phase.OFF, Phase.WAITING, Phase.CONNECTING)
        if line is not self._line or self.device.phase in idle:
            return  # a session that the device has left behind
        self.connected = False
        self.device.disconnected(f"the session ended ({reason})", self._loop.time())
        if line is not None and not line.alive:
            self._go_on()

    async def _connect(self, wanted: ConnectRequested) -> None:
        self.connected = False
        account = self.device.made_with if wanted.bootstrap else self.device.account or self._certified
        if self._line is None or account is not self._account:
            self._replace_line(account)
        assert self._line is not None
        port = self._server.port if wanted.bootstrap else self._lwm2m_port
        try:
            await self._line.connect(self._server.host, port, resume=wanted.resume)
        except NoSession as error:
            self.device.disconnected(f"no session: {error}", self._loop.time(), refused=error.refused)
        except OSError as error:
            self.device.disconnected(f"no socket: {error.strerror or error or 'no answer'}", self._loop.time())
        else:
            self.connected = True
            self.device.connected(self._loop.time())
        self._go_on()

    async def _download(self, image: Image) -> None:
        fault = await self._downloads.fetch(image, self._config(self._account), f"{self._weather}/{image.uri}")
        self.device.image_ended(image, fault, self._loop.time())
        self._go_on()

    def _replace_line(self, account: Account | KeyAccount | None) -> None:
        """Another credential needs another engine. The old session ends."""
        former, self._line = self._line, None
        if former is not None:
            former.close()
        config = self._config(account)

        def lose(reason: str) -> None:
            self._lose(line, reason)

        server, device = self._server, self.device
        line: Line
        if server.transport.is_stream:
            line = StreamLine(config, device, self._take, lose, vendor=isinstance(account, Account))
        elif config is None:
            line = PlainLine(device, self._take, server.behaviours, self._weather)
        else:
            line = DatagramLine(config, device, self._take, lose, server.behaviours, self._weather, server.source)
        self._line = line
        self._account = account

    def _config(self, account: Account | KeyAccount | None) -> ClientConfig | None:
        """None: there is no security."""
        if not self._server.transport.is_secure:
            return None
        if not isinstance(account, Account):
            return ClientConfig(
                wall_time=self._wall_time,
                psk_identity=self.device.name.encode() if account is None else account.identity,
                psk=self._key if account is None else account.key,
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
        return self._server.port if account is None else account.port

    def _rebind(self) -> None:
        """The same session from another port, where there is Connection ID."""
        if self._line is not None:
            try:
                self._line.rebind(self._server.host, self._lwm2m_port)
            except OSError as error:
                self.device.disconnected(f"no socket: {error.strerror or error}", self._loop.time())

    def _go_on(self) -> None:
        """Hand on events and wait for the timer: what the line does as long as it is alive."""
        if self._line is not None and self._line.alive:
            self._line.flush()
            return
        while (event := self.device.next_event()) is not None:
            self._take(event)
        when = self.device.get_timer()
        if self._timer is not None:
            self._timer.cancel()
        if self.device.phase is Phase.WAITING and when is not None:
            self._timer = self._loop.call_at(when, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.device.handle_timer(self._loop.time())
        self._go_on()
