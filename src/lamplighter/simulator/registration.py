"""The life of a registration, from the device's side: OMA LwM2M Core 1.1 section 6.2.

Connect, register, renew at three quarters of the lifetime, begin anew when the server has forgotten, wait longer after each
failure, deregister at the end.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from random import Random

from lamplighter.coap.endpoint import Endpoint
from lamplighter.coap.exchange import Exchange
from lamplighter.coap.message import FormatError, Message
from lamplighter.coap.numbers import Code, format_code
from lamplighter.lwm2m.registration import (
    Registration,
    RegistrationUpdate,
    deregister_request,
    register_request,
    update_request,
)
from lamplighter.simulator.events import (
    ConnectionLost,
    ConnectRequested,
    Deregistered,
    Event,
    Registered,
    RegistrationUpdated,
    Restarted,
    Stopped,
)
from lamplighter.simulator.lamp import Lamp
from lamplighter.simulator.management_objects import DISABLE_TIMEOUT
from lamplighter.simulator.observation import Observations

FIRST_DELAY = (2.0, 10.0)
"""Seconds before the first retry, drawn between these; each failure doubles it, as real clients do."""
LONGEST_DELAY = 3600.0
"""Seconds that the wait between retries grows to at most."""
RENEWAL = (0.7, 0.8)
"""The part of the lifetime after which a registration is renewed: not all devices of a fleet at the same moment."""
BOOT_SECONDS = (1.0, 3.0)
"""How long a restart takes, drawn between these."""
#: The only peer of a device's endpoint.
SERVER = "server"


class Phase(Enum):
    """Where a device is in the life of its registration."""

    OFF = "off"
    WAITING = "waiting to connect"
    CONNECTING = "connecting"
    REGISTERING = "registering"
    REGISTERED = "registered"
    LEAVING = "deregistering"


class RegistrationClient:
    """One exchange at a time with the server, and one moment (``due``) at which to do the next thing."""

    def __init__(
        self, name: str, version: str, lamp: Lamp, endpoint: Endpoint, observations: Observations, random: Random
    ) -> None:
        self.phase = Phase.OFF
        self.due: float | None = None
        self.events: deque[Event] = deque()
        self.stopping = False
        self._name = name
        self._version = version
        self._lamp = lamp
        self._endpoint = endpoint
        self._observations = observations
        self._random = random
        self._failures = 0
        self._exchange: Exchange | None = None
        self._told = Registration()
        self._location: tuple[str, ...] = ()
        self._stale = False

    # What the shell and the device say

    def start(self) -> None:
        self.stopping = False
        self._become(Phase.CONNECTING)
        self.events.append(ConnectRequested())

    def connected(self, now: float) -> None:
        if self.phase is Phase.CONNECTING:
            self._register(now)

    def disconnected(self, reason: str, now: float) -> None:
        if self.phase in (Phase.OFF, Phase.WAITING):
            return
        if self.stopping:
            self._stop(now)
        elif self.phase is Phase.LEAVING:
            self._left(now)
        else:
            self._retry(reason, 0.0, now)

    def stop(self, now: float) -> None:
        self.stopping = True
        if self.phase is Phase.REGISTERED:
            self.leave(now)
        elif self.phase is not Phase.LEAVING:
            self._stop(now)

    def handle_timer(self, now: float) -> None:
        if self.due is None or self.due > now:
            return
        self.due = None
        if self.phase is Phase.WAITING:
            self.start()
        elif self.phase is Phase.REGISTERED:
            self.update(now)

    def update(self, now: float) -> None:
        """Tell the server what changed, or only that the device is still there."""
        if self.phase is not Phase.REGISTERED:
            return  # the registration under way, or the next, says it all
        if self._exchange is not None:
            self._stale = True
            return
        server, told = self._lamp.server, self._told
        links = tuple(self._lamp.tree.links(self._version))
        update = RegistrationUpdate(
            lifetime=server.lifetime if server.lifetime != told.lifetime else None,
            binding=server.binding if server.binding != told.binding else None,
            links=links if links != told.links else (),
        )
        self._stale = False
        self._told = Registration(lifetime=server.lifetime, binding=server.binding, links=links)
        self._exchange = self._endpoint.request(SERVER, update_request(self._location, update), now)

    def leave(self, now: float) -> None:
        """Deregister: to be off, or to come back after the disable time-out."""
        if self.phase is not Phase.REGISTERED:
            return
        if self._exchange is not None:
            exchange, self._exchange = self._exchange, None
            self._endpoint.abandon(exchange, now)
        self._become(Phase.LEAVING)
        self._exchange = self._endpoint.request(SERVER, deregister_request(self._location), now)

    def restart(self, now: float) -> None:
        """Without deregistering: what restarts is simply gone for a moment."""
        if not self.stopping:
            self._wait(self._random.uniform(*BOOT_SECONDS), now)
            self.events.append(Restarted())

    # What the endpoint says

    def take_response(self, exchange: Exchange, message: Message, now: float) -> None:
        if exchange is not self._exchange:
            return
        self._exchange = None
        if self.phase is Phase.REGISTERING:
            self._take_registration(message, now)
        elif self.phase is Phase.LEAVING:
            self._left(now)
        elif message.code == Code.CHANGED:
            self._renew_later(now)
            self.events.append(RegistrationUpdated())
            if self._stale:
                self.update(now)
        else:
            # 4.04: the server does not know the registration any more. Other errors leave nothing better to do.
            self._register(now)

    def take_silence(self, exchange: Exchange, now: float) -> None:
        """A request was given up, or reset."""
        if exchange is self._exchange:
            self._exchange = None
            self.disconnected("the server did not answer", now)

    def _take_registration(self, message: Message, now: float) -> None:
        location = _location(message)
        if message.code == Code.CREATED and location:
            self._location = location
            self._failures = 0
            self._become(Phase.REGISTERED)
            self._renew_later(now)
            self.events.append(Registered(location))
            return
        reason = f"the registration was answered {format_code(message.code)}"
        if message.payload:
            reason += f" ({message.payload.decode(errors='replace')})"
        self._retry(reason, message.max_age if message.code == Code.SERVICE_UNAVAILABLE else 0, now)

    # Steps

    def _register(self, now: float) -> None:
        server = self._lamp.server
        self._told = Registration(
            endpoint_name=self._name,
            lifetime=server.lifetime,
            version=self._version,
            binding=server.binding,
            queue_mode="Q" in server.binding,
            links=tuple(self._lamp.tree.links(self._version)),
        )
        self._stale = False
        # A new registration ends every observation (section 6.4.1).
        self._observations.clear()
        self._become(Phase.REGISTERING)
        self._exchange = self._endpoint.request(SERVER, register_request(self._told), now)

    def _renew_later(self, now: float) -> None:
        self.due = now + self._told.lifetime * self._random.uniform(*RENEWAL)

    def _retry(self, reason: str, least: float, now: float) -> None:
        delay = self._random.uniform(*FIRST_DELAY) * 2 ** min(self._failures, 20)
        self._failures += 1
        delay = max(least, min(LONGEST_DELAY, delay))
        self._wait(delay, now)
        self.events.append(ConnectionLost(reason, delay))

    def _left(self, now: float) -> None:
        if self.stopping:
            self._stop(now)
            return
        delay = float(self._lamp.server.number(DISABLE_TIMEOUT))
        self._wait(delay, now)
        self.events.append(Deregistered(delay))

    def _wait(self, delay: float, now: float) -> None:
        self._forget(now)
        self._become(Phase.WAITING)
        self.due = now + delay

    def _stop(self, now: float) -> None:
        self._forget(now)
        if self.phase is not Phase.OFF:
            self._become(Phase.OFF)
            self.events.append(Stopped())

    def _forget(self, now: float) -> None:
        self._exchange = None
        self._observations.clear()
        self._endpoint.forget(SERVER, now)

    def _become(self, phase: Phase) -> None:
        self.phase = phase
        self.due = None


def _location(message: Message) -> tuple[str, ...]:
    try:
        return message.location_path()
    except FormatError:
        return ()
