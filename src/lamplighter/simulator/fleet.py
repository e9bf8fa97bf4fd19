"""Thousands of simulated devices in one process: each with its own socket and DTLS session, all on one event loop."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lamplighter.clock import MICROSECONDS, Clock
from lamplighter.dtls import CloseReason
from lamplighter.dtls.client_configuration import ClientConfig
from lamplighter.simulator.device import DEFAULT_LIFETIME, Device
from lamplighter.simulator.events import ConnectionLost, ConnectRequested, Event, Registered, Stopped
from lamplighter.simulator.registration import Phase
from lamplighter.transport.dtls_client import DtlsClientTransport, HandshakeRefused

STARTS_PER_SECOND = 200.0
"""Devices switched on in a second: a fleet does not arrive at once."""
HANDSHAKE_AGE = 30.0
"""Seconds after which a device takes an unanswered handshake for a failure."""
FAREWELL = 10.0
"""Seconds that devices get to deregister when the fleet stops."""
REPORT_SECONDS = 1.0
#: File descriptors that the process needs for itself.
_SPARE_FILES = 128


class TooManyDevices(OSError):
    """The system does not let one process have that many sockets."""


class Credential(NamedTuple):
    """A device's endpoint name, which is its PSK identity too, and its pre-shared key."""

    endpoint_name: str
    key: bytes


@dataclass(frozen=True, slots=True)
class Summary:
    """How a fleet is doing."""

    devices: int
    connected: int
    """With a DTLS session."""
    registered: int
    failures: tuple[tuple[str, int], ...]
    """Why devices are not registered, the most frequent reason first."""
    answered: int
    notified: int

    def __str__(self) -> str:
        text = f"{self.devices} devices: {self.connected} connected, {self.registered} registered"
        text += f"; {self.answered} requests answered, {self.notified} notifications sent"
        failures = ", ".join(f"{count} x {reason}" for reason, count in self.failures[:3])
        return f"{text}; failing: {failures}" if failures else text


class Fleet:
    """Devices with these credentials, connecting to one server. The same seed gives the same devices again."""

    def __init__(
        self,
        credentials: Sequence[Credential],
        host: str,
        port: int,
        *,
        clock: Clock,
        seed: int = 0,
        lifetime: int = DEFAULT_LIFETIME,
        starts_per_second: float = STARTS_PER_SECOND,
    ) -> None:
        """``lifetime`` of the registrations, in seconds."""
        self._credentials = credentials
        self._host = host
        self._port = port
        self._clock = clock
        self._seed = seed
        self._lifetime = lifetime
        self._rate = starts_per_second
        self._members: list[_Member] = []

    async def run(self, stop: asyncio.Event, report: Callable[[Summary], None] = lambda summary: None) -> Summary:
        """Connect, stay connected until ``stop``, deregister. ``report`` hears every second how it goes.

        Gives the state just before the end. Raises OSError when there is no such host, TooManyDevices when the system allows
        fewer sockets.
        """
        _allow_sockets(len(self._credentials))
        loop = asyncio.get_running_loop()
        address = await _address(self._host, self._port)
        epoch = self._clock.now() / MICROSECONDS - loop.time()
        started = reported = loop.time()
        while not stop.is_set():
            now = loop.time()
            while len(self._members) < min(len(self._credentials), 1 + int((now - started) * self._rate)):
                index = len(self._members) + 1
                member = _Member(
                    self._device(index, now, epoch), self._credentials[index - 1], address, self._port, self._clock
                )
                self._members.append(member)
                member.start()
            if now - reported >= REPORT_SECONDS:
                reported = now
                report(self.summary())
            waits = REPORT_SECONDS if len(self._members) == len(self._credentials) else 0.05
            try:
                await asyncio.wait_for(stop.wait(), waits)
            except TimeoutError:
                continue
        last = self.summary()
        await self._close()
        return last

    def summary(self) -> Summary:
        members = self._members
        failures = Counter(member.failure for member in members if member.failure)
        return Summary(
            len(self._credentials),
            sum(member.connected for member in members),
            sum(member.device.phase is Phase.REGISTERED for member in members),
            tuple(failures.most_common()),
            sum(member.device.answered for member in members),
            sum(member.device.notified for member in members),
        )

    def _device(self, index: int, now: float, epoch: float) -> Device:
        name = self._credentials[index - 1].endpoint_name
        # Both versions live in every fleet.
        version = "1.1" if index % 2 else "1.0"
        return Device(name, now, seed=self._seed, index=index, version=version, lifetime=self._lifetime, epoch=epoch)

    async def _close(self) -> None:
        for number, member in enumerate(self._members):
            member.stop()
            if number % 100 == 99:
                await asyncio.sleep(0.05)  # the answers want to be read before the next hundred ask
        try:
            async with asyncio.timeout(FAREWELL):
                for member in self._members:
                    await member.ended.wait()
        except TimeoutError:
            pass  # the server is not there to say goodbye to; registrations end with their lifetime
        for member in self._members:
            member.close()


class _Member:
    """A device and its transport."""

    def __init__(self, device: Device, credential: Credential, host: str, port: int, clock: Clock) -> None:
        self.device = device
        self.connected = False
        self.failure = ""
        self.ended = asyncio.Event()
        self._host = host
        self._port = port
        self._loop = asyncio.get_running_loop()
        self._connecting: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        config = ClientConfig(
            wall_time=lambda: clock.now() / MICROSECONDS,
            psk_identity=credential.endpoint_name.encode(),
            psk=credential.key,
            handshake_age=HANDSHAKE_AGE,
        )
        self._transport = DtlsClientTransport(config, device, self._take, on_close=self._lose)

    def start(self) -> None:
        self.device.start(self._loop.time())
        self._go_on_without_socket()

    def stop(self) -> None:
        self.device.stop(self._loop.time())
        if self.connected:
            self._transport.flush()
        else:
            self._go_on_without_socket()

    def close(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
        if self._timer is not None:
            self._timer.cancel()
        self._transport.close()

    def _take(self, event: Event) -> None:
        match event:
            case ConnectRequested():
                self._connecting = self._loop.create_task(self._connect())
            case Registered():
                self.failure = ""
            case ConnectionLost(reason):
                self.failure = reason
            case Stopped():
                self.ended.set()

    def _lose(self, reason: CloseReason) -> None:
        if reason is CloseReason.REPLACED or self.device.phase in (Phase.OFF, Phase.WAITING, Phase.CONNECTING):
            return  # a session that the device has left behind
        self.connected = False
        self.device.disconnected(f"the session ended ({reason.value})", self._loop.time())

    async def _connect(self) -> None:
        self.connected = False
        try:
            await self._transport.connect(self._host, self._port)
        except HandshakeRefused as error:
            self.device.disconnected(f"no session: {error}", self._loop.time())
            self._transport.flush()
        except OSError as error:
            self.device.disconnected(f"no socket: {error.strerror or error}", self._loop.time())
            self._go_on_without_socket()
        else:
            self.connected = True
            self.device.connected(self._loop.time())
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


async def _address(host: str, port: int) -> str:
    """Looked up once for all devices. Raises OSError."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except UnicodeError:
        raise OSError(f"{host[:64]!r} cannot be the name of a host") from None
    return str(found[0][4][0])


def _allow_sockets(count: int) -> None:
    """Raise the limit of open files as far as it takes. Raises TooManyDevices, which says what to do."""
    needed = count + _SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise TooManyDevices(
            f"{count} devices need {needed} open files, and this process may have {hard}: "
            f"raise the limit (ulimit -Hn), or simulate fewer."
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
