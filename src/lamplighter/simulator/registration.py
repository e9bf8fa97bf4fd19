"""The life of a registration, from the device's side: OMA LwM2M Core 1.1 section 6.2, wire facts section 3.

Bootstrap where the client does so, connect, register, renew at three quarters of the lifetime, begin anew when the server has
forgotten, wait longer after each failure, deregister at the end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum

from lamplighter.coap.endpoint import Endpoint
from lamplighter.coap.exchange import Exchange
from lamplighter.coap.message import FormatError, Message
from lamplighter.coap.numbers import Code, Option, format_code
from lamplighter.lwm2m.registration import Registration, deregister_request, register_request, update_request
from lamplighter.simulator.account import Account
from lamplighter.simulator.bootstrapping import GUARD, BootstrapFailed, Bootstrapping
from lamplighter.simulator.dialect import Dialect, Waits
from lamplighter.simulator.draws import Draws
from lamplighter.simulator.events import (
    Bootstrapped,
    ConnectionLost,
    ConnectRequested,
    Deregistered,
    Event,
    Registered,
    RegistrationUpdated,
    Restarted,
    Stopped,
)
from lamplighter.simulator.management_objects import DISABLE_TIMEOUT, LIFETIME, Server
from lamplighter.simulator.standard_bootstrap import KeyAccount, StandardBootstrapping

RENEWAL = (0.7, 0.8)
"""The part of the lifetime after which a registration is renewed: not all devices of a fleet at the same moment."""
BOOT_SECONDS = (1.0, 3.0)
"""How long a restart takes, drawn between these."""
BOOTSTRAP_WAITS = Waits(20.0, 100.0, 6 * 3600.0)
"""Before the vendor's client bootstraps again after it was refused."""
#: The only peer of a device's endpoint.
SERVER = "server"
AnyBootstrapping = Bootstrapping | StandardBootstrapping


class Phase(Enum):
    """Where a device is in the life of its registration."""

    OFF = "off"
    WAITING = "waiting to connect"
    BOOTSTRAPPING = "bootstrapping"
    CONNECTING = "connecting"
    REGISTERING = "registering"
    REGISTERED = "registered"
    LEAVING = "deregistering"


class RegistrationClient:
    """One exchange at a time with the server, and one moment (``due``) at which to do the next thing."""

    def __init__(
        self,
        dialect: Dialect,
        server: Server,
        endpoint: Endpoint,
        random: Draws,
        *,
        bootstrapping: AnyBootstrapping | None = None,
        on_new: Callable[[float], None],
        on_registered: Callable[[float], None],
    ) -> None:
        """``on_new``: a registration begins or the connection has ended, and with it every observation."""
        self.phase = Phase.OFF
        self.due: float | None = None
        self.events: deque[Event] = deque()
        self.stopping = False
        self.bootstrapping = bootstrapping
        self._dialect = dialect
        self._server = server
        self._endpoint = endpoint
        self._random = random
        self._on_new = on_new
        self._on_registered = on_registered
        self._failures = 0
        self._refused = 0
        self._resuming = False
        self._exchange: Exchange | None = None
        self._told = Registration()
        self._location: tuple[str, ...] = ()
        self._stale = False

    # What the shell and the device say

    def start(self) -> None:
        self.stopping = False
        resume, self._resuming = self._resuming, False
        if self.bootstrapping is not None and self.bootstrapping.account is None:
            self._become(Phase.BOOTSTRAPPING)
            self.events.append(ConnectRequested(bootstrap=True))
        else:
            self._become(Phase.CONNECTING)
            self.events.append(ConnectRequested(resume=resume))

    def connected(self, now: float) -> None:
        if self.phase is Phase.CONNECTING:
            self._register(now)
        elif self.phase is Phase.BOOTSTRAPPING and self.bootstrapping is not None:
            self.due = now + GUARD
            self.bootstrapping.begin(now)

    def disconnected(self, reason: str, now: float, *, refused: bool = False) -> None:
        """``refused``: the server did not want the credential, and said so."""
        if self.phase in (Phase.OFF, Phase.WAITING):
            return
        if self.stopping:
            self._stop(now)
        elif self.phase is Phase.LEAVING:
            self._left(now)
        elif refused and self.bootstrapping is not None and self.bootstrapping.account is not None:
            self._bootstrap_again(reason, now)
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
        elif self.phase is Phase.BOOTSTRAPPING:
            self._retry("the bootstrap was not finished in time", 0.0, now)

    def update(self, now: float) -> None:
        """Tell the server what changed, or only that the device is still there."""
        if self.phase is not Phase.REGISTERED:
            return  # the registration under way, or the next, says it all
        if self._exchange is not None:
            self._stale = True
            return
        update, self._told = self._dialect.update(self._told)
        self._stale = False
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

    def restart(self, now: float, *, reset: bool = False, resume: bool | None = None) -> None:
        """Without deregistering: what restarts is simply gone for a moment. ``reset``: to its factory state, account and all.

        ``resume``: whether it goes on with its session then; None: as is usual for the client.
        """
        if reset and self.bootstrapping is not None:
            self.bootstrapping.forget()
        if not self.stopping and self.phase not in (Phase.OFF, Phase.WAITING):
            resumes = self._dialect.resumes if resume is None else resume
            self._resuming = resumes and self.phase is Phase.REGISTERED
            self._wait(self._random.uniform(*BOOT_SECONDS), now)
            self.events.append(Restarted())

    # What the endpoint says

    def take_response(self, exchange: Exchange, message: Message, now: float) -> None:
        if self.phase is Phase.BOOTSTRAPPING and self.bootstrapping is not None:
            try:
                account = self.bootstrapping.take_response(exchange, message)
            except BootstrapFailed as error:
                self._retry(str(error), 0.0, now)
            else:
                self._take_account(account, now)
            return
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
        ours = exchange is self._exchange
        if ours or (self.bootstrapping is not None and self.bootstrapping.awaits(exchange)):
            self._exchange = None
            self.disconnected("the server did not answer", now)

    def finished_bootstrap(self, now: float) -> None:
        """The answer to the finish of a bootstrap has left."""
        if self.phase is Phase.BOOTSTRAPPING and self.bootstrapping is not None:
            try:
                self._take_account(self.bootstrapping.go_on(now), now)
            except BootstrapFailed as error:
                self._retry(str(error), 0.0, now)

    def _take_account(self, account: Account | KeyAccount | None, now: float) -> None:
        if account is not None:
            self._forget(now)
            self.events.append(Bootstrapped(account.device_id))
            self.start()

    def _take_registration(self, message: Message, now: float) -> None:
        location = _location(message)
        if message.code == Code.CREATED and location:
            self._location = location
            self._failures = self._refused = 0
            self._become(Phase.REGISTERED)
            shortest = self._dialect.shortest_grant
            granted = message.uint(Option.MAX_AGE)
            if shortest is not None and granted is not None and granted >= shortest:
                self._server.put(LIFETIME, granted)
                self._told = self._dialect.registration()
            self._renew_later(now)
            self.events.append(Registered(location))
            self._on_registered(now)
            return
        reason = f"the registration was answered {format_code(message.code)}"
        if message.payload:
            reason += f" ({message.payload.decode(errors='replace')})"
        if message.code in self._dialect.refusals:
            self._bootstrap_again(reason, now)
        else:
            self._retry(reason, message.max_age if message.code == Code.SERVICE_UNAVAILABLE else 0, now)

    # Steps

    def _register(self, now: float) -> None:
        self._told = self._dialect.registration()
        self._stale = False
        # A new registration ends every observation (section 6.4.1).
        self._on_new(now)
        self._become(Phase.REGISTERING)
        self._exchange = self._endpoint.request(SERVER, register_request(self._told), now)

    def _renew_later(self, now: float) -> None:
        self.due = now + self._told.lifetime * self._random.uniform(*RENEWAL)

    def _retry(self, reason: str, least: float, now: float) -> None:
        delay = self._drawn(self._dialect.waits, self._failures)
        self._failures += 1
        self._lose(reason, max(least, delay), now)

    def _bootstrap_again(self, reason: str, now: float) -> None:
        """The certificate is worth nothing any more; the device ID is kept."""
        if self.bootstrapping is not None:
            self.bootstrapping.account = None
        delay = self._drawn(BOOTSTRAP_WAITS, self._refused)
        self._refused += 1
        self._lose(reason, delay, now)

    def _drawn(self, waits: Waits, failures: int) -> float:
        first = self._random.uniform(waits.least, waits.most)
        return min(waits.longest, first * (1 << min(failures, 20)))

    def _lose(self, reason: str, delay: float, now: float) -> None:
        self._wait(delay, now)
        self.events.append(ConnectionLost(reason, delay))

    def _left(self, now: float) -> None:
        if self.stopping:
            self._stop(now)
            return
        delay = float(self._server.number(DISABLE_TIMEOUT))
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
        if self.bootstrapping is not None:
            self.bootstrapping.lost()
        self._on_new(now)
        self._endpoint.forget(SERVER, now)

    def _become(self, phase: Phase) -> None:
        self.phase = phase
        self.due = None


def _location(message: Message) -> tuple[str, ...]:
    try:
        return message.location_path()
    except FormatError:
        return ()
