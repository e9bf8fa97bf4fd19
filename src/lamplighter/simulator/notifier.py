"""What a device tells its observers, and when: of its own objects and of those of devices behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lamplighter.coap.endpoint import Endpoint
from lamplighter.coap.exchange import Delivery
from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Option
from lamplighter.simulator.instance import Effect, Refused
from lamplighter.simulator.observation import Observation
from lamplighter.simulator.unit import Unit


class Notifier:
    """``units`` gives the device's own objects first.

    ``vendor``: one notification at a time, with Max-Age 0 (wire facts section 4).
    """

    def __init__(self, endpoint: Endpoint, server: str, units: Callable[[], Sequence[Unit]], *, vendor: bool) -> None:
        self.notified = 0
        self._endpoint = endpoint
        self._server = server
        self._units = units
        self._vendor = vendor

    def collect(self, now: float) -> list[Effect]:
        """Tell the observations of every change, and give what else follows."""
        own, *others = self._units()
        effects = own.collect(now)
        for unit in others:
            # Of what a device behind a gateway does, only a change of its objects concerns the gateway.
            effects += [effect for effect in unit.collect(now) if effect is Effect.UPDATE]
        return effects

    @property
    def held(self) -> bool:
        """Whether the vendor's client waits for an acknowledgement: it sends one notification at a time."""
        return self._vendor and any(each.delivery for unit in self._units() for each in unit.observations)

    def notify(self, now: float) -> list[Effect]:
        """Send what is due; gives what follows of what was measured for it."""
        effects: list[Effect] = []
        for unit in self._units():
            if self.held:
                break
            due = unit.observations.take_due(now)
            if due:
                unit.measure(now)
                effects += self.collect(now)
                for observation in due:
                    self._send(unit, observation, now)
        return effects

    def settle(self, delivery: Delivery, *, wanted: bool) -> None:
        """A notification was acknowledged, or reset by a server that does not want it."""
        for unit in self._units():
            for observation in unit.observations:
                if observation.delivery is delivery:
                    observation.delivery = None
                    if not wanted and not observation.automatic:
                        unit.observations.remove(observation)

    def _send(self, unit: Unit, observation: Observation, now: float) -> None:
        request = observation.request
        try:
            values, message = unit.operations.state_of(observation)
        except Refused as refused:
            # What was observed is gone: the error is the last that the server hears of it (RFC 7641 section 4.2).
            unit.observations.remove(observation)
            self._endpoint.notify(self._server, observation.token, Message(refused.code), now, tell=False)
            return
        message.add(Option.OBSERVE, observation.report(values, now))
        if self._vendor:
            message.add(Option.MAX_AGE, 0)
        observation.delivery = self._endpoint.notify(self._server, observation.token, message, now, request=request)
        self.notified += 1
