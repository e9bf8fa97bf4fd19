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

from collections.abc import Sequence

from lamplighter.coap import events as coap
from lamplighter.coap.endpoint import Endpoint
from lamplighter.coap.framing import Framing
from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code, Option, is_success
from lamplighter.coap.parameters import Parameters
from lamplighter.coap.tcp import StreamEndpoint
from lamplighter.simulator.account import Account
from lamplighter.simulator.answering import Answering
from lamplighter.simulator.behaviour import Behaviour, Behaviours, Plan
from lamplighter.simulator.bootstrapping import Bootstrapping
from lamplighter.simulator.dialect import Dialect, StandardDialect, VendorDialect
from lamplighter.simulator.draws import Draws
from lamplighter.simulator.errands import Errands
from lamplighter.simulator.events import AddressLost, DownloadRequested, Event
from lamplighter.simulator.image import Fault, Image
from lamplighter.simulator.instance import Effect
from lamplighter.simulator.lamp import Lamp
from lamplighter.simulator.management_objects import MAXIMUM_PERIOD, MINIMUM_PERIOD
from lamplighter.simulator.mischief import Mischief
from lamplighter.simulator.notifier import Notifier
from lamplighter.simulator.profile import Profile, Transport
from lamplighter.simulator.quirks import BLOCK_SIZE, Quirks
from lamplighter.simulator.registration import SERVER, AnyBootstrapping, Phase, RegistrationClient
from lamplighter.simulator.sending import Sending
from lamplighter.simulator.standard_bootstrap import KeyAccount, StandardBootstrapping
from lamplighter.simulator.unit import Unit
from lamplighter.simulator.vendor_device import Household, automatic_observations
from lamplighter.simulator.vendor_objects import ManifestUpdate

VENDOR_AWAKE = 4.5
"""Seconds of silence after which the vendor's client in queue mode stops listening (wire facts section 3.5)."""
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
        bootstraps: bool = False,
        transport: Transport = Transport.DTLS,
        awake: float | None = None,
        keepalive: float | None = None,
    ) -> None:
        """Raises ValueError when a client of the vendor has nothing to bootstrap with.

        ``made_with``: what a client of the vendor bootstraps with. ``bootstraps``: another client does so too, with its key.
        ``awake``: seconds of silence after which it is deaf, where it sleeps; None: MAX_TRANSMIT_WAIT, as LwM2M has it, or what
        the vendor's client does. ``keepalive``: seconds between pings, 0 for none; None: as usual for profile and transport.
        """
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
        self._life = life = f"{seed}/{index}"
        random = Draws(f"{life}/protocol")
        self._profile = profile
        self._sleeps = Behaviour.SLEEP in behaviours
        queued = self._sleeps and profile.version == "1.0"
        self.lamp = lamp = Lamp(
            f"{index:08}",
            life,
            now,
            version=profile.version,
            lifetime=profile.lifetime if lifetime is None else lifetime,
            epoch=epoch,
            vendor=profile.is_vendor,
            binding="T" if transport.is_stream and not profile.is_vendor else "UQ" if queued else "U",
            behaviours=behaviours,
        )
        self._own = Unit(lamp.tree, profile, self._default_periods)
        self.attributes = self._own.attributes
        self.observations = self._own.observations
        parameters = parameters or (VENDOR_PARAMETERS if profile.is_vendor else Parameters())
        self._awake = (VENDOR_AWAKE if profile.is_vendor else parameters.max_transmit_wait) if awake is None else awake
        # The vendor's client keeps to the messages of UDP over TLS too.
        self._framed = transport.is_stream and not profile.is_vendor
        kind = StreamEndpoint if self._framed else Endpoint
        self._endpoint = kind(Draws(f"{life}/messages"), parameters, block_size=profile.block_size)
        if keepalive is None:
            keepalive = profile.keepalive if transport.is_stream else 0.0
        self._notifier = Notifier(self._endpoint, SERVER, self._units, vendor=profile.is_vendor)
        self._household = Household(lamp, profile, life, now) if profile.is_vendor else None
        bootstrapping: AnyBootstrapping | None = None
        renews: Bootstrapping | None = None
        if made_with is not None:
            bootstrapping = renews = Bootstrapping(made_with, self._endpoint, SERVER)
        elif bootstraps:
            bootstrapping = StandardBootstrapping(name, profile, lamp.server, self._endpoint, SERVER)
        self._errands = Errands(self._endpoint, SERVER, renews=renews, keepalive=0.0 if self._sleeps else keepalive)
        self._registration = RegistrationClient(
            self._dialect(bootstrapping),
            lamp.server,
            self._endpoint,
            random,
            bootstrapping=bootstrapping,
            on_new=self._forget,
            on_registered=self._begin,
        )
        if isinstance(lamp.update, ManifestUpdate):
            lamp.update.told = self._is_told
        # Wire facts section 5.2: builds for UDP get their firmware through the server, those for TCP from the address itself.
        self._fetches_by_server = profile.is_vendor and not transport.is_stream
        self._answering = Answering(
            self._endpoint,
            Draws(f"{life}/{Behaviour.SLOW}"),
            self._answer,
            slow=behaviours.get(Behaviour.SLOW),
            separate_posts=profile.is_vendor,
        )
        self._quirks: Quirks | None = None
        if profile.is_vendor or (Behaviour.MISBEHAVE in behaviours and not self._framed):
            self._quirks = Quirks(block_size=None if profile is Profile.GATEWAY else BLOCK_SIZE)
        self._sending = Sending(lamp, Draws(f"{life}/send"), now) if profile is Profile.LWM2M_1_1 else None
        self._plan = Plan(behaviours, life, now)
        self._mischief = Mischief(Draws(f"{life}/mischief"))
        self._outgoing: list[bytes] = []
        self._unread: list[bytes] = []
        self._awake_until = now
        self._effects: list[Effect] = []

    # The face: datagrams, time, events

    def receive_datagram(self, data: bytes, peer: object, now: float) -> None:
        """Take a datagram of the server; ``peer`` does not matter, as there is only one."""
        if self._is_asleep(now):
            self.unheard += 1
            if self._framed:
                self._unread.append(data)  # a stream loses nothing
            return
        if self._unread:
            data = b"".join((*self._unread, data))
            self._unread.clear()
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
        self._errands.advance(now)
        for unit in self._units():
            unit.advance(now)
        self._apply(self._notifier.collect(now), now)
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
            self._awake_until = now + self._awake
        return [(data, SERVER) for data in datagrams]

    def get_timer(self) -> float | None:
        """When to call ``handle_timer``; what nobody watches costs no timer."""
        times = [self._endpoint.get_timer(), self._registration.due, self._answering.due()]
        if self.phase is Phase.REGISTERED:
            times.append(self._plan.due())
            times.append(self._errands.due())
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
        self._restart(now, resume=resume)
        self._take_events(now)

    def image_ended(self, image: Image, fault: Fault | None, now: float) -> None:
        """A download is over; ``fault`` says why it came to nothing."""
        self.lamp.update.image_ended(image, fault, now)
        self._apply(self._notifier.collect(now), now)
        self._notify(now)

    def open_stream(self, now: float, *, records: bool) -> None:
        """There is a connection: what the device sends and receives is cut into the frames of RFC 8323 on it."""
        if isinstance(self._endpoint, StreamEndpoint):
            self._unread.clear()
            self._endpoint.connected(SERVER, now, records=records, framing=Framing.RFC8323)

    def streams_to_close(self) -> Sequence[tuple[object, str]]:
        """Whether the connection must be closed, and why: the server broke the rules, or said so."""
        return self._endpoint.streams_to_close() if isinstance(self._endpoint, StreamEndpoint) else ()

    @property
    def phase(self) -> Phase:
        return self._registration.phase

    @property
    def notified(self) -> int:
        """Notifications sent."""
        return self._notifier.notified

    @property
    def account(self) -> Account | KeyAccount | None:
        """What a client that bootstraps was given for LwM2M."""
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
                    if not self._errands.take_response(exchange, message, now):
                        self._registration.take_response(exchange, message, now)
                case coap.RequestTimedOut(exchange) | coap.RequestReset(exchange) | coap.RequestFailed(exchange):
                    if not self._errands.take_silence(exchange, now):
                        self._registration.take_silence(exchange, now)
                case coap.DeliveryAcknowledged(delivery) | coap.DeliveryReset(delivery):
                    if not self._errands.settle(delivery):
                        self._notifier.settle(delivery, wanted=isinstance(event, coap.DeliveryAcknowledged))
                        self._notify(now)
                case coap.DeliveryTimedOut(delivery):
                    what = (
                        "ping was not answered"
                        if self._errands.settle(delivery)
                        else "notification was not acknowledged"
                    )
                    self._registration.disconnected(f"a {what}", now)

    def _answer(self, request: coap.RequestReceived, now: float) -> None:
        bootstrapping = self._registration.bootstrapping
        if self.phase is Phase.BOOTSTRAPPING and bootstrapping is not None:
            response = bootstrapping.answer(request.message)
            if bootstrapping.finished:
                self._effects.append(Effect.BOOTSTRAPPED)
        else:
            self.answered += 1
            if self._errands.renew(request, now):
                return
            response = self._response(request.message, now)
            self._effects += self._notifier.collect(now)
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
                    self._restart(now)
                case Effect.INSTALL:
                    self._registration.restart(now)
                    self.lamp.install()
                case Effect.DOWNLOAD:
                    self._download(now)
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
                    self._restart(now)
                    return
        if self._household is not None and self._household.advance(now):
            self._registration.update(now)
        if self._sending is not None and (message := self._sending.take_due(now)) is not None:
            self.sent += 1
            self._endpoint.request(SERVER, message, now)

    def _restart(self, now: float, *, resume: bool | None = None) -> None:
        self._registration.restart(now, resume=resume)
        self.lamp.update.restarted(now)

    def _download(self, now: float) -> None:
        """Fetch the image of an update, or go on with it."""
        image = self.lamp.update.image
        if image is None:
            return
        if not self._fetches_by_server:
            self._registration.events.append(DownloadRequested(image))
        elif self.phase is Phase.REGISTERED:
            self._errands.fetch(image, self.image_ended, self._life, self._profile.block_size, now)

    def _is_asleep(self, now: float) -> bool:
        return self._sleeps and now > self._awake_until and self.phase is Phase.REGISTERED

    def _notify(self, now: float) -> None:
        if self.phase is Phase.REGISTERED:
            self._apply(self._notifier.notify(now), now)

    def _begin(self, now: float) -> None:
        """The device is registered."""
        self._errands.begin(now)
        update = self.lamp.update
        if self._fetches_by_server and isinstance(update, ManifestUpdate) and update.is_downloading:
            self._download(now)

    def _forget(self, now: float) -> None:
        """A registration begins, or there is no session: only what the client observes by itself goes on."""
        self._errands.stop()
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

    def _dialect(self, bootstrapping: AnyBootstrapping | None) -> Dialect:
        household = self._household
        if household is None or not isinstance(bootstrapping, Bootstrapping):
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
