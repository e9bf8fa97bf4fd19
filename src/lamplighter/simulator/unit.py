"""A set of objects and what is watched in it: a device's own, or those of one device behind a gateway."""

from __future__ import annotations

from collections.abc import Callable

from lamplighter.simulator.attributes import AttributeTable
from lamplighter.simulator.instance import Effect, Instance
from lamplighter.simulator.observation import Observations
from lamplighter.simulator.operations import Operations
from lamplighter.simulator.profile import Profile
from lamplighter.simulator.tree import Tree


class Unit:
    """``periods`` gives pmin and pmax of the server account, in seconds."""

    def __init__(self, tree: Tree, profile: Profile, periods: Callable[[], tuple[int, int]]) -> None:
        self.tree = tree
        self.attributes = AttributeTable(periods, profile.version)
        self.observations = Observations(self.attributes, one_at_a_time=profile.is_vendor)
        self.operations = Operations(tree, self.attributes, self.observations, profile)

    def due(self, *, held: bool = False) -> float | None:
        """When something happens that must, or that somebody watches; ``held``: no notification may leave for now."""
        watching = len(self.observations) > 0
        times = [self.observations.next_due()] if watching and not held else []
        times += [instance.due() for instance in self.tree.everything() if self._minds(instance, watching)]
        return min((when for when in times if when is not None), default=None)

    def advance(self, now: float) -> None:
        """Let that happen."""
        watching = len(self.observations) > 0
        for instance in self.tree.everything():
            if self._minds(instance, watching):
                when = instance.due()
                if when is not None and when <= now:
                    instance.advance(now)

    def measure(self, now: float) -> None:
        """Bring everything that is watched up to date."""
        for instance in self.tree.everything():
            if self.observations.watches(instance.path):
                instance.advance(now)

    def collect(self, now: float) -> list[Effect]:
        """Tell the observations of every change, and give what else follows."""
        effects: list[Effect] = []
        for instance in self.tree.everything():
            for number in instance.changed:
                content = instance.content[number]
                self.observations.note(instance.path.child(number), None if isinstance(content, dict) else content, now)
            instance.changed.clear()
            effects += instance.effects
            instance.effects.clear()
        return effects

    def _minds(self, instance: Instance, watching: bool) -> bool:
        return instance.punctual or (watching and self.observations.watches(instance.path))
