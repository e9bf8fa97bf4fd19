"""A simulated LwM2M client without I/O: it registers, keeps registered, answers, notifies.

The face is that of the cores, with one server as the only peer::

    device = Device("lamp-1", now, seed=7, index=1)
    device.start(now)
    # ConnectRequested: make a session, then device.connected(now) or device.disconnected("why", now)
    device.receive_datagram(data, None, now); device.handle_timer(now)
    for data, _ in device.datagrams_to_send(now): ...
    device.stop(now)          # Stopped, once the server knows

The same seed and index repeat a run: what the lamp measures, when it retries, its message IDs and tokens.
"""

from __future__ import annotations

from random import Random

from lamplighter.coap import events as coap
from lamplighter.coap.endpoint import Endpoint
from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Option
from lamplighter.coap.parameters import Parameters
from lamplighter.simulator.attributes import AttributeTable
from lamplighter.simulator.events import Event
from lamplighter.simulator.instance import Effect, Refused
from lamplighter.simulator.lamp import Lamp
from lamplighter.simulator.management_objects import MAXIMUM_PERIOD, MINIMUM_PERIOD
from lamplighter.simulator.observation import Observation, Observations
from lamplighter.simulator.operations import Operations
from lamplighter.simulator.registration import SERVER, Phase, RegistrationClient

DEFAULT_LIFETIME = 600
"""Seconds."""


class Device:
    """``name`` is the endpoint name, ``lifetime`` in seconds, ``epoch`` what to add to ``now`` for seconds since 1970."""

    def __init__(
        self,
        name: str,
        now: float,
        *,
        seed: int = 0,
        index: int = 1,
        version: str = "1.1",
        lifetime: int = DEFAULT_LIFETIME,
        epoch: float = 0.0,
        parameters: Parameters | None = None,
    ) -> None:
        self.name = name
        self.answered = 0
        """Requests of the server that were answered."""
        self.notified = 0
        """Notifications sent."""
        self.lamp = lamp = Lamp(f"{index:08}", f"{seed}/{index}", now, version=version, lifetime=lifetime, epoch=epoch)
        self.attributes = AttributeTable(self._default_periods)
        self.observations = Observations(self.attributes)
        random = Random(f"{seed}/{index}/protocol")
        self._endpoint = Endpoint(random, parameters)
        self._operations = Operations(lamp.tree, self.attributes, self.observations, version)
        self._registration = RegistrationClient(name, version, lamp, self._endpoint, self.observations, random)
        self._effects: list[Effect] = []

    # The face: datagrams, time, events

    def receive_datagram(self, data: bytes, peer: object, now: float) -> None:
        """Take a datagram of the server; ``peer`` does not matter, as there is only one."""
        self._endpoint.receive_datagram(data, SERVER, now)
        self._take_events(now)

    def handle_timer(self, now: float) -> None:
        """Do what is due: connect, renew the registration, measure, notify, repeat what was not acknowledged."""
        self._endpoint.handle_timer(now)
        self._take_events(now)
        self._registration.handle_timer(now)
        for instance in self.lamp.tree.everything():
            when = instance.due()
            if when is not None and when <= now and (instance.punctual or self.observations.watches(instance.path)):
                instance.advance(now)
        self._apply(self._collect(), now)
        self._notify(now)
        self._take_events(now)

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, object]]:
        datagrams = self._endpoint.datagrams_to_send(now)
        self._take_events(now)
        return [(data, SERVER) for data, _ in datagrams]

    def get_timer(self) -> float | None:
        """When to call ``handle_timer``; what nobody watches costs no timer."""
        times = [self._endpoint.get_timer(), self._registration.due]
        watching = len(self.observations) > 0
        if watching:
            times.append(self.observations.next_due())
        for instance in self.lamp.tree.everything():
            if instance.punctual or (watching and self.observations.watches(instance.path)):
                times.append(instance.due())
        return min((when for when in times if when is not None), default=None)

    def next_event(self) -> Event | None:
        events = self._registration.events
        return events.popleft() if events else None

    # What the program round it says

    def start(self, now: float) -> None:
        """Switch the device on: it asks for a session."""
        self._registration.start()

    def connected(self, now: float) -> None:
        """There is a session: the device registers."""
        self._registration.connected(now)
        self._take_events(now)

    def disconnected(self, reason: str, now: float) -> None:
        """There is no session, or it has ended: the device tries again, each time after a longer wait."""
        self._registration.disconnected(reason, now)
        self._take_events(now)

    def stop(self, now: float) -> None:
        """Switch the device off. A registered one deregisters first; Stopped tells the end, whatever the server says."""
        self._registration.stop(now)
        self._take_events(now)

    @property
    def phase(self) -> Phase:
        return self._registration.phase

    # What the endpoint tells

    def _take_events(self, now: float) -> None:
        while (event := self._endpoint.next_event()) is not None:
            match event:
                case coap.RequestReceived():
                    self._answer(event, now)
                case coap.AnswerSent():
                    effects, self._effects = self._effects, []
                    self._apply(effects, now)
                case coap.ResponseReceived(exchange, message):
                    self._registration.take_response(exchange, message, now)
                case coap.RequestTimedOut(exchange) | coap.RequestReset(exchange) | coap.RequestFailed(exchange):
                    self._registration.take_silence(exchange, now)
                case coap.DeliveryAcknowledged(delivery):
                    for observation in self.observations:
                        if observation.delivery is delivery:
                            observation.delivery = None
                    self._notify(now)
                case coap.DeliveryReset(delivery):
                    for observation in self.observations:
                        if observation.delivery is delivery:
                            self.observations.remove(observation.path)
                case coap.DeliveryTimedOut():
                    self._registration.disconnected("a notification was not acknowledged", now)

    def _answer(self, request: coap.RequestReceived, now: float) -> None:
        response = self._operations.answer(request.message, now)
        self.answered += 1
        effects = self._collect()
        self._effects += effects
        self._endpoint.respond(request, response, now, tell_when_sent=bool(effects))
        self._notify(now)

    # What happens on the device

    def _collect(self) -> list[Effect]:
        """Tell the observations of every change, and give what else follows."""
        effects: list[Effect] = []
        for instance in self.lamp.tree.everything():
            for number in instance.changed:
                content = instance.content[number]
                self.observations.note(instance.path.child(number), None if isinstance(content, dict) else content)
            instance.changed.clear()
            effects += instance.effects
            instance.effects.clear()
        return effects

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
                    self._registration.restart(now)

    def _notify(self, now: float) -> None:
        due = self.observations.take_due(now)
        if not due:
            return
        for instance in self.lamp.tree.everything():
            if self.observations.watches(instance.path):
                instance.advance(now)
        effects = self._collect()
        for observation in due:
            self._send(observation, now)
        self._apply(effects, now)

    def _send(self, observation: Observation, now: float) -> None:
        request = observation.request
        try:
            values, message = self._operations.representation(observation.path, request.accept)
        except Refused as refused:
            # What was observed is gone: the error is the last that the server hears of it (RFC 7641 section 4.2).
            self.observations.remove(observation.path)
            self._endpoint.notify(SERVER, observation.token, Message(refused.code), now, tell=False)
            return
        message.add(Option.OBSERVE, observation.report(values, now))
        observation.delivery = self._endpoint.notify(SERVER, observation.token, message, now, request=request)
        self.notified += 1

    def _default_periods(self) -> tuple[int, int]:
        server = self.lamp.server
        return server.number(MINIMUM_PERIOD), server.number(MAXIMUM_PERIOD)
