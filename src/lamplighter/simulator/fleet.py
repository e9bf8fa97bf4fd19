"""Thousands of simulated devices in one process: each with its own socket and session, all on one event loop."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lamplighter.clock import MICROSECONDS, Clock
from lamplighter.simulator.account import Account
from lamplighter.simulator.behaviour import Behaviours
from lamplighter.simulator.device import Device
from lamplighter.simulator.downloads import AT_ONCE, Downloads
from lamplighter.simulator.events import Event, Registered
from lamplighter.simulator.member import Member, Server
from lamplighter.simulator.profile import Profile, Transport
from lamplighter.simulator.registration import Phase

STARTS_PER_SECOND = 200.0
"""Devices switched on in a second: a fleet does not arrive at once."""
FAREWELL = 10.0
"""Seconds that a hundred devices get to deregister when the fleet stops; a server that needs longer is not waited for."""
REPORT_SECONDS = 1.0
#: Both versions live in every fleet of which nothing else is said.
MIXED = (Profile.LWM2M_1_1, Profile.LWM2M_1_0)
#: File descriptors that the process needs for itself.
_SPARE_FILES = 128 + AT_ONCE
#: Devices that deregister together, so that the server's answers are read before the next ask.
_TOGETHER = 100
_NO_BEHAVIOURS: Behaviours = {}


class TooManyDevices(OSError):
    """The system does not let one process have that many sockets."""


class Credential(NamedTuple):
    """A device's endpoint name, which is its PSK identity too, and its pre-shared key."""

    endpoint_name: str
    key: bytes


class Certified(NamedTuple):
    """A device's endpoint name, and the certificate that it comes to the LwM2M server with."""

    endpoint_name: str
    account: Account


@dataclass(frozen=True, slots=True)
class Summary:
    """How a fleet is doing."""

    devices: int
    connected: int
    """With a session."""
    registered: int
    failures: tuple[tuple[str, int], ...]
    """Why devices are not registered, the most frequent reason first."""
    answered: int
    notified: int

    def __str__(self) -> str:
        things = "device" if self.devices == 1 else "devices"
        text = f"{self.devices} {things}: {self.connected} connected, {self.registered} registered"
        text += f"; {self.answered} requests answered, {self.notified} notifications sent"
        failures = ", ".join(f"{count} x {reason}" for reason, count in self.failures[:3])
        return f"{text}; failing: {failures}" if failures else text


class Fleet:
    """Devices with these credentials, connecting to one server. The same seed gives the same devices again."""

    def __init__(
        self,
        credentials: Sequence[Credential | Certified | Account],
        host: str,
        port: int,
        *,
        clock: Clock,
        seed: int = 0,
        first: int = 1,
        profile: Profile | None = None,
        behaviours: Behaviours = _NO_BEHAVIOURS,
        lifetime: int | None = None,
        starts_per_second: float = STARTS_PER_SECOND,
        transport: Transport = Transport.DTLS,
        bootstraps: bool = False,
        awake: float | None = None,
        keepalive: float | None = None,
        anchors: str = "",
        source: str = "",
        told: Callable[[Member, Event], None] = lambda member, event: None,
        starting_together: int | None = None,
    ) -> None:
        """A client of the vendor has an ``Account`` for its bootstrap, of which several may have the same.

        ``first``: the number of the first device, so that several processes share one seed without sharing devices.
        ``profile`` None: half of the devices are of LwM2M 1.0, half of 1.1. ``lifetime`` of the registrations, in seconds.
        ``bootstraps``: the port is that of a bootstrap server, for others than clients of the vendor too. ``awake`` and
        ``keepalive``: see ``Device``. ``anchors``: see ``Downloads``. Raises ValueError as ``require_transport``.
        ``source``: see ``Server``. ``told`` hears every event of every device. ``starting_together``: so many are switched on
        and not yet registered at the most; None: as many as it takes.
        """
        require_transport(profile, transport)
        self._credentials = credentials
        self._host = host
        self._port = port
        self._clock = clock
        self._seed = seed
        self._first = first
        self._profile = profile
        self._behaviours = behaviours
        self._lifetime = lifetime
        self._rate = starts_per_second
        self._transport = transport
        self._bootstraps = bootstraps
        self._awake = awake
        self._keepalive = keepalive
        self._downloads = Downloads(anchors)
        self._source = source
        self._told = told
        self._starting_together = starting_together
        self._arrived = 0
        """Devices that have registered once."""
        self.members: list[Member] = []
        """Those that were switched on, in order."""

    async def run(self, stop: asyncio.Event, report: Callable[[Summary], None] = lambda summary: None) -> Summary:
        """Connect, stay connected until ``stop``, deregister. ``report`` hears every second how it goes.

        Gives the state just before the end. Raises OSError when there is no such host, TooManyDevices when the system allows
        fewer sockets.
        """
        _allow_sockets(len(self._credentials))
        loop = asyncio.get_running_loop()
        address = await _address(self._host, self._port)
        server = Server(address, self._port, self._transport, self._behaviours, self._source)
        epoch = self._clock.now() / MICROSECONDS - loop.time()
        started = reported = loop.time()
        while not stop.is_set():
            now = loop.time()
            while len(self.members) < min(len(self._credentials), self._most_started(now - started)):
                member = self._member(len(self.members), server, now, epoch)
                self.members.append(member)
                member.start()
            if now - reported >= REPORT_SECONDS:
                reported = now
                report(self.summary())
            waits = REPORT_SECONDS if len(self.members) == len(self._credentials) else 0.05
            try:
                await asyncio.wait_for(stop.wait(), waits)
            except TimeoutError:
                continue
        last = self.summary()
        await self._close()
        return last

    def summary(self) -> Summary:
        members = self.members
        failures = Counter(failure for member in members if (failure := member.trouble()))
        return Summary(
            len(self._credentials),
            sum(member.connected for member in members),
            sum(member.device.phase is Phase.REGISTERED for member in members),
            tuple(failures.most_common()),
            sum(member.device.answered for member in members),
            sum(member.device.notified for member in members),
        )

    def _member(self, place: int, server: Server, now: float, epoch: float) -> Member:
        credential = self._credentials[place]
        index = self._first + place
        account = credential if isinstance(credential, Account) else None
        device = Device(
            credential.endpoint_name,
            now,
            seed=self._seed,
            index=index,
            profile=self._profile or (MIXED[(index + 1) % 2] if not self._transport.is_stream else MIXED[0]),
            lifetime=self._lifetime,
            epoch=epoch,
            behaviours=self._behaviours,
            made_with=account,
            bootstraps=self._bootstraps,
            transport=self._transport,
            awake=self._awake,
            keepalive=self._keepalive,
        )
        return Member(
            device,
            credential.key if isinstance(credential, Credential) else b"",
            server,
            self._clock,
            f"{self._seed}/{index}/weather",
            self._downloads,
            certified=credential.account if isinstance(credential, Certified) else None,
            told=self._take,
        )

    def _most_started(self, seconds: float) -> int:
        """How many devices may have been switched on after so many seconds."""
        most = 1 + int(seconds * self._rate)
        return most if self._starting_together is None else min(most, self._arrived + self._starting_together)

    def _take(self, member: Member, event: Event) -> None:
        if isinstance(event, Registered) and not member.registrations:
            self._arrived += 1
        self._told(member, event)

    async def _close(self) -> None:
        answered = True
        for number, member in enumerate(self.members):
            member.stop()
            if number % _TOGETHER == _TOGETHER - 1 and answered:
                answered = await self._farewell(self.members[number - _TOGETHER + 1 : number + 1])
        if answered:
            await self._farewell(self.members)
        for member in self.members:
            member.close()

    async def _farewell(self, members: Sequence[Member]) -> bool:
        """Whether they have deregistered in time. Otherwise nobody is waited for: registrations end with their lifetime."""
        try:
            async with asyncio.timeout(FAREWELL):
                for member in members:
                    await member.ended.wait()
        except TimeoutError:
            return False
        return True


def require_transport(profile: Profile | None, transport: Transport) -> None:
    """Raises ValueError where there is no such client."""
    if profile is not None and profile.is_vendor and not transport.is_secure:
        raise ValueError("the vendor's client comes with security only: dtls or tls")
    if profile is Profile.LWM2M_1_0 and transport.is_stream:
        raise ValueError("LwM2M 1.0 knows no TCP: dtls or udp, or lwm2m-1.1")


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
