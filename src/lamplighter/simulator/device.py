"""A simulated LwM2M client without I/O: it registers, keeps registered, answers, notifies.

The face is that of the cores, with one server as the only peer::

    device = Device("lamp-1", now, seed=7, index=1)
    device.start(now)
    # ConnectRequested: make a session, then device.connected(now) or device.disconnected("why", now)
    device.receive_datagram(data, None, now); device.handle_timer(now)
    for data, _ in device.datagrams_to_send(now): ...
    device.stop(now)          # Stopped, once the server knows

The same seed and index repeat a run: what the lamp measures, when it retries, what it does by itself, its message IDs and tokens.
"""

from __future__ import annotations

from random import Random

from lamplighter.coap import events as coap
from lamplighter.coap.endpoint import Endpoint
from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code, Option, is_success
from lamplighter.coap.parameters import Parameters
from lamplighter.simulator.account import Account
from lamplighter.simulator.answering import Answering
from lamplighter.simulator.behaviour import Behaviour, Behaviours, Plan
from lamplighter.simulator.bootstrapping import Bootstrapping
from lamplighter.simulator.dialect import Dialect, StandardDialect, VendorDialect
from lamplighter.simulator.draws import Draws
from lamplighter.simulator.events import AddressLost, Event
from lamplighter.simulator.instance import Effect
from lamplighter.simulator.lamp import Lamp
from lamplighter.simulator.management_objects import MAXIMUM_PERIOD, MINIMUM_PERIOD
from lamplighter.simulator.mischief import Mischief
from lamplighter.simulator.notifier import Notifier
from lamplighter.simulator.profile import Profile
from lamplighter.simulator.quirks import BLOCK_SIZE, Quirks
from lamplighter.simulator.registration import SERVER, Phase, RegistrationClient
from lamplighter.simulator.sending import Sending
from lamplighter.simulator.unit import Unit
from lamplighter.simulator.vendor_device import Household, automatic_observations

AWAKE = 4.5
"""Seconds after its last datagram that a device in queue mode still listens (wire facts section 3.5)."""
VENDOR_PARAMETERS = Parameters(ack_timeout=3.0, max_retransmit=3)
"""Wire facts section 1."""
_NO_BEHAVIOURS: Behaviours = {}


class Device:
    """``name`` is the endpoint name, ``lifetime`` in seconds, ``epoch`` what to add to ``now`` for seconds since 1970."""

    def __init__(
        self,
        name: str,
        now: float,
        *,
        seed: int = 0,
        index: int = 1,
        profile: Profile = Profile.LWM2M_1_1,
        lifetime: int | None = None,
        epoch: float = 0.0,
        parameters: Parameters | None = None,
        behaviours: Behaviours = _NO_BEHAVIOURS,
        made_with: Account | None = None,
    ) -> None:
        """``made_with``: what a client of the vendor bootstraps with. Raises ValueError when such a one has none."""
        if profile.is_vendor and made_with is None:
            raise ValueError("a client of the vendor needs an account for bootstrap")
        self.name = name
        self.made_with = made_with
        self.answered = 0
        """Requests of the server that were answered."""
        self.sent = 0
        """Times that values were sent unasked."""
        self.unheard = 0
        """Datagrams that came while the device slept."""
        life = f"{seed}/{index}"
        random = Draws(f"{life}/protocol")
        self._profile = profile
        self._sleeps = Behaviour.SLEEP in behaviours
        self.lamp = lamp = Lamp(
            f"{index:08}",
            life,
            now,
            version=profile.version,
            lifetime=profile.lifetime if lifetime is None else lifetime,
            epoch=epoch,
            vendor=profile.is_vendor,
            binding="UQ" if self._sleeps and profile.version == "1.0" else "U",
            failing=behaviours.get(Behaviour.FIRMWARE, 0.0),
        )
        self._own = Unit(lamp.tree, profile, self._default_periods)
        self.attributes = self._own.attributes
        self.observations = self._own.observations
        parameters = parameters or (VENDOR_PARAMETERS if profile.is_vendor else None)
        self._endpoint = Endpoint(Random(f"{life}/messages"), parameters, block_size=profile.block_size)
        self._notifier = Notifier(self._endpoint, SERVER, self._units, vendor=profile.is_vendor)
        self._household = Household(lamp, profile, life, now) if profile.is_vendor else None
        bootstrapping = None if made_with is None else Bootstrapping(made_with, self._endpoint, SERVER)
        self._registration = RegistrationClient(
            self._dialect(bootstrapping),
            lamp.server,
            self._endpoint,
            random,
            bootstrapping=bootstrapping,
            on_new=self._forget_observations,
        )
        if lamp.manifest_update is not None:
            lamp.manifest_update.told = self._is_told
        self._answering = Answering(
            self._endpoint,
            Draws(f"{life}/{Behaviour.SLOW}"),
            self._answer,
            slow=behaviours.get(Behaviour.SLOW),
            separate_posts=profile.is_vendor,
        )
        self._quirks: Quirks | None = None
        if profile.is_vendor or Behaviour.MISBEHAVE in behaviours:
            self._quirks = Quirks(block_size=None if profile is Profile.GATEWAY else BLOCK_SIZE)
        self._sending = Sending(lamp, Draws(f"{life}/send"), now) if profile is Profile.LWM2M_1_1 else None
        self._plan = Plan(behaviours, life, now)
        self._mischief = Mischief(Draws(f"{life}/mischief"))
        self._outgoing: list[bytes] = []
        self._awake_until = now
        self._effects: list[Effect] = []

    # The face: datagrams, time, events

    def receive_datagram(self, data: bytes, peer: object, now: float) -> None:
        """Take a datagram of the server; ``peer`` does not matter, as there is only one."""
        if self._sleeps and now > self._awake_until and self.phase is Phase.REGISTERED:
            self.unheard += 1
            return
        if self._quirks is not None:
            taken, answer = self._quirks.incoming(data)
            if answer is not None:
                self._outgoing.append(answer)
            if taken is None:
                return
            data = taken
        self._endpoint.receive_datagram(data, SERVER, now)
        self._take_events(now)

    def handle_timer(self, now: float) -> None:
        """Do what is due: connect, renew the registration, measure, notify, repeat what was not acknowledged."""
        self._endpoint.handle_timer(now)
        self._take_events(now)
        self._registration.handle_timer(now)
        self._answering.advance(now)
        self._act(now)
        for unit in self._units():
            unit.advance(now)
        self._apply(self._notifier.collect(), now)
        self._notify(now)
        self._take_events(now)

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, object]]:
        datagrams = [data for data, _ in self._endpoint.datagrams_to_send(now)]
        self._take_events(now)
        if self._quirks is not None:
            datagrams = [self._quirks.outgoing(data) for data in datagrams]
        if self._outgoing:
            datagrams += self._outgoing
            self._outgoing = []
        if datagrams:
            self._awake_until = now + AWAKE
        return [(data, SERVER) for data in datagrams]

    def get_timer(self) -> float | None:
        """When to call ``handle_timer``; what nobody watches costs no timer."""
        times = [self._endpoint.get_timer(), self._registration.due, self._answering.due()]
        if self.phase is Phase.REGISTERED:
            times.append(self._plan.due())
            if self._sending is not None:
                times.append(self._sending.due)
            if self._household is not None:
                times.append(self._household.due())
            held = self._notifier.held
            times += [unit.due(held=held) for unit in self._units()]
        return min((when for when in times if when is not None), default=None)

    def next_event(self) -> Event | None:
        events = self._registration.events
        return events.popleft() if events else None

    # What the program round it says

    def start(self, now: float) -> None:
        """Switch the device on: it asks for a session."""
        self._registration.start()

    def connected(self, now: float) -> None:
        """There is a session: the device registers, or bootstraps."""
        self._registration.connected(now)
        self._take_events(now)

    def disconnected(self, reason: str, now: float, *, refused: bool = False) -> None:
        """There is no session, or it has ended: the device tries again, each time after a longer wait.

        ``refused``: the server said that it does not want the device's credential.
        """
        self._registration.disconnected(reason, now, refused=refused)
        self._take_events(now)

    def stop(self, now: float) -> None:
        """Switch the device off. A registered one deregisters first; Stopped tells the end, whatever the server says."""
        self._registration.stop(now)
        self._take_events(now)

    def update(self, now: float) -> None:
        """Tell the server that the device is there, before its lifetime makes it."""
        self._registration.update(now)

    def lose_address(self) -> None:
        """The NAT between forgets the device: what it sends next comes from another port."""
        self._registration.events.append(AddressLost())

    def restart(self, now: float, *, resume: bool) -> None:
        """Switch off and on again: it registers anew, in the session that there was or in a new one."""
        self._registration.restart(now, resume=resume)
        self._take_events(now)

    @property
    def phase(self) -> Phase:
        return self._registration.phase

    @property
    def notified(self) -> int:
        """Notifications sent."""
        return self._notifier.notified

    @property
    def account(self) -> Account | None:
        """What a client of the vendor was given for LwM2M."""
        bootstrapping = self._registration.bootstrapping
        return None if bootstrapping is None else bootstrapping.account

    # What the endpoint tells

    def _take_events(self, now: float) -> None:
        while (event := self._endpoint.next_event()) is not None:
            match event:
                case coap.RequestReceived():
                    self._answering.take(event, now)
                case coap.AnswerSent():
                    effects, self._effects = self._effects, []
                    self._apply(effects, now)
                case coap.ResponseReceived(exchange, message):
                    self._registration.take_response(exchange, message, now)
                case coap.RequestTimedOut(exchange) | coap.RequestReset(exchange) | coap.RequestFailed(exchange):
                    self._registration.take_silence(exchange, now)
                case coap.DeliveryAcknowledged(delivery):
                    self._notifier.settle(delivery, wanted=True)
                    self._notify(now)
                case coap.DeliveryReset(delivery):
                    self._notifier.settle(delivery, wanted=False)
                case coap.DeliveryTimedOut():
                    self._registration.disconnected("a notification was not acknowledged", now)

    def _answer(self, request: coap.RequestReceived, now: float) -> None:
        bootstrapping = self._registration.bootstrapping
        if self.phase is Phase.BOOTSTRAPPING and bootstrapping is not None:
            response = bootstrapping.answer(request.message)
            if bootstrapping.records.finished:
                self._effects.append(Effect.BOOTSTRAPPED)
        else:
            response = self._response(request.message, now)
            self.answered += 1
            self._effects += self._notifier.collect()
        if self._profile.is_vendor:
            self._add_vendor_options(request.message, response)
        self._endpoint.respond(request, response, now, tell_when_sent=bool(self._effects))
        self._notify(now)

    def _response(self, message: Message, now: float) -> Message:
        mediated = None if self._household is None else self._household.answer(message, now)
        return self._own.operations.answer(message, now) if mediated is None else mediated

    def _add_vendor_options(self, request: Message, response: Message) -> None:
        """What the header of the vendor's client still holds (wire facts section 1)."""
        if response.content_format is None and is_success(response.code):
            response.add(Option.CONTENT_FORMAT, 0)
        if request.code == Code.POST and self._quirks is not None and not self._effects:
            # What takes longer, such as a restart, is answered under a Message ID of its own.
            self._quirks.separate(request)

    # What happens on the device

    def _units(self) -> list[Unit]:
        return [self._own] if self._household is None else [self._own, *self._household.units()]

    def _apply(self, effects: list[Effect], now: float) -> None:
        for effect in effects:
            match effect:
                case Effect.UPDATE:
                    self._registration.update(now)
                case Effect.DISABLE:
                    self._registration.leave(now)
                case Effect.REBOOT:
                    self._registration.restart(now)
                case Effect.INSTALL:
                    self.lamp.install()
                    self._registration.restart(now)
                case Effect.FACTORY_RESET:
                    self.lamp.reset()
                    self.attributes.clear()
                    self._registration.restart(now, reset=True)
                case Effect.BOOTSTRAPPED:
                    self._registration.finished_bootstrap(now)

    def _act(self, now: float) -> None:
        """What the device does by itself, once it is registered."""
        if self.phase is not Phase.REGISTERED:
            return
        for behaviour in self._plan.take_due(now):
            match behaviour:
                case Behaviour.SLEEP:
                    self._registration.update(now)
                case Behaviour.REBIND:
                    self._registration.events.append(AddressLost())
                case Behaviour.MISBEHAVE:
                    self._outgoing.append(self._mischief.draw())
                case Behaviour.REBOOT:
                    self._registration.restart(now)
                    return
        if self._household is not None and self._household.advance(now):
            self._registration.update(now)
        if self._sending is not None and (message := self._sending.take_due(now)) is not None:
            self.sent += 1
            self._endpoint.request(SERVER, message, now)

    def _notify(self, now: float) -> None:
        if self.phase is Phase.REGISTERED:
            self._apply(self._notifier.notify(now), now)

    def _forget_observations(self, now: float) -> None:
        """A registration begins, or there is no session: only what the client observes by itself goes on."""
        for unit in self._units():
            unit.observations.clear()
        self._answering.clear()
        if self._quirks is not None:
            self._quirks.clear()
        if self._household is not None and self.phase is not Phase.OFF:
            for observation in automatic_observations(self._own, self._household.tokens, now):
                self.observations.add(observation)

    def _is_told(self) -> bool:
        """Whether the server has acknowledged everything that the client observes by itself."""
        automatic = [each for each in self.observations if each.automatic]
        return self.phase is Phase.REGISTERED and not any(
            each.pending or each.delivery is not None for each in automatic
        )

    def _dialect(self, bootstrapping: Bootstrapping | None) -> Dialect:
        household = self._household
        if household is None or bootstrapping is None:
            return StandardDialect(self.name, self._profile.version, self.lamp, queue_mode=self._sleeps)
        return VendorDialect(
            self.lamp,
            lambda: bootstrapping.account,
            household.links,
            endpoint_type=household.endpoint_type,
            queue_mode=self._sleeps,
        )

    def _default_periods(self) -> tuple[int, int]:
        server = self.lamp.server
        return server.number(MINIMUM_PERIOD), server.number(MAXIMUM_PERIOD)
