"""The devices behind an edge gateway, which come and go (wire facts section 7)."""

from __future__ import annotations

from lamplighter.lwm2m.link import Link
from lamplighter.simulator.draws import Draws
from lamplighter.simulator.instance import Instance
from lamplighter.simulator.profile import Profile
from lamplighter.simulator.sensors import DigitalInput, Light, Temperature
from lamplighter.simulator.tree import Tree
from lamplighter.simulator.unit import Unit
from lamplighter.simulator.vendor_links import vendor_links

FIRST = 4
"""Devices behind a gateway when it starts."""
MOST = 8
COMING_SECONDS = 120.0
"""Seconds from one coming or going to the next, on average."""


class Mediated:
    """``units`` by name. Names repeat from gateway to gateway, as they do in the field."""

    def __init__(self, seed: str, now: float) -> None:
        self.units: dict[str, Unit] = {}
        self._seed = seed
        self._random = Draws(f"{seed}/mediated")
        self._made = 0
        for _ in range(FIRST):
            self._come(now)
        self._next = now + self._random.expovariate(1 / COMING_SECONDS)

    def due(self) -> float:
        """When the next one comes or goes."""
        return self._next

    def advance(self, now: float) -> bool:
        """Whether one came or went: the server must be told."""
        changed = False
        while self._next <= now:
            if len(self.units) > 1 and (len(self.units) >= MOST or self._random.random() < 0.5):
                del self.units[self._random.choice(sorted(self.units))]
            else:
                self._come(self._next)
            self._next += self._random.expovariate(1 / COMING_SECONDS)
            changed = True
        return changed

    def links(self) -> list[Link]:
        links: list[Link] = []
        for name, unit in self.units.items():
            links.append(Link(f"/d/{name}", (("name", name),)))
            links += vendor_links(unit.tree, {}, f"/d/{name}")
        return links

    def _come(self, now: float) -> None:
        self._made += 1
        name = f"sensor-{self._made}"

        def random(part: str) -> Draws:
            return Draws(f"{self._seed}/{name}/{part}")

        instances: list[Instance] = [
            Temperature(random("temperature"), now),
            DigitalInput(random("input"), now),
            Light(),
        ]
        self.units[name] = Unit(Tree(instances, {}), Profile.GATEWAY, lambda: (0, 0))
