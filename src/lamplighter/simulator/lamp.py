"""The model of the simulated device: a street lamp with sensors. Each lamp lives from its own seed."""

from __future__ import annotations

from random import Random

from lamplighter.simulator.firmware import FirmwareUpdate
from lamplighter.simulator.instance import Instance
from lamplighter.simulator.management_objects import FIRMWARE_VERSION, Device, Server
from lamplighter.simulator.sensors import DigitalInput, Light, PushButton, Temperature
from lamplighter.simulator.tree import Tree


class Lamp:
    """All objects of one device. The security object is not among them: no server may see it."""

    def __init__(self, serial_number: str, seed: str, now: float, *, version: str, lifetime: int, epoch: float) -> None:
        """``seed`` decides all that the lamp will measure; ``epoch``: what to add to ``now`` for seconds since 1970."""

        def random(part: str) -> Random:
            # One for each object, so that what happens to one does not depend on when another is looked at.
            return Random(f"{seed}/{part}")

        self.server = Server(lifetime, version)
        self.device = Device(serial_number, random("device"), now, epoch)
        instances: list[Instance] = [
            self.server,
            self.device,
            FirmwareUpdate(random("firmware")),
            DigitalInput(random("input"), now),
            Temperature(random("temperature"), now),
            Light(),
            PushButton(random("button"), now),
        ]
        self.tree = Tree(instances, {Light.object_id: Light})

    def reset(self) -> None:
        """Every value is again as at the first start."""
        for instance in self.tree.everything():
            instance.reset()

    def install(self) -> None:
        """Other firmware runs now: the last part of its version is one higher."""
        *parts, last = str(self.device.content[FIRMWARE_VERSION]).split(".")
        self.device.put(FIRMWARE_VERSION, ".".join((*parts, str(int(last) + 1))))
