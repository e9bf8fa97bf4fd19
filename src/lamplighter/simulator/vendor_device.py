"""What the vendor's client has beside its lamp: observations that it begins by itself, and a gateway's devices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lamplighter.coap.message import FormatError, Message, path_options
from lamplighter.coap.numbers import Code, Option
from lamplighter.lwm2m.link import Link
from lamplighter.lwm2m.path import Path
from lamplighter.simulator.draws import Draws
from lamplighter.simulator.lamp import Lamp
from lamplighter.simulator.mediated import Mediated
from lamplighter.simulator.observation import Observation
from lamplighter.simulator.profile import Profile
from lamplighter.simulator.unit import Unit
from lamplighter.simulator.vendor_links import vendor_links
from lamplighter.simulator.vendor_objects import AUTOMATIC

HIGHEST_TOKEN = 1023
"""The first number of an automatic observation is drawn up to this; wire facts section 3.2."""
_MEDIATED = "d"


class Household:
    """``tokens``: the number of each automatic observation, given at the start of the client, in a row."""

    def __init__(self, lamp: Lamp, profile: Profile, seed: str, now: float) -> None:
        first = Draws(f"{seed}/tokens").randint(1, HIGHEST_TOKEN)
        self.tokens = {path: first + number for number, path in enumerate(sorted(AUTOMATIC))}
        self.endpoint_type = "MBED_GW" if profile is Profile.GATEWAY else "default"
        self._lamp = lamp
        self._mediated = Mediated(seed, now) if profile is Profile.GATEWAY else None

    def units(self) -> list[Unit]:
        """Of the devices behind a gateway."""
        return [] if self._mediated is None else list(self._mediated.units.values())

    def links(self) -> list[Link]:
        own = vendor_links(self._lamp.tree, self.tokens)
        return own if self._mediated is None else own + self._mediated.links()

    def due(self) -> float | None:
        """When a device behind the gateway comes or goes."""
        return None if self._mediated is None else self._mediated.due()

    def advance(self, now: float) -> bool:
        """Whether one came or went."""
        return self._mediated is not None and self._mediated.advance(now)

    def answer(self, message: Message, now: float) -> Message | None:
        """What a device behind the gateway answers; None: the request is for the gateway itself."""
        try:
            path = message.uri_path()
        except FormatError:
            return None
        if self._mediated is None or len(path) < 2 or path[0] != _MEDIATED:
            return None
        unit = self._mediated.units.get(path[1])
        if unit is None:
            return Message(Code.NOT_FOUND)
        if len(path) == 2:
            return Message(Code.METHOD_NOT_ALLOWED)
        options = path_options(path[2:]) + message.without(Option.URI_PATH)
        return unit.operations.answer(Message(message.code, options, message.payload, message.token), now)


def automatic_observations(unit: Unit, tokens: Mapping[Path, int], now: float) -> Iterator[Observation]:
    """As the client begins them at each registration: with the values that the registration has."""
    for path, number in tokens.items():
        request = Message(Code.GET, path_options(path.segments()))
        token = number.to_bytes(2, "big")
        yield Observation((path,), token, request, unit.tree.read(path), now, automatic=True)
