"""The model of the simulated device: a street lamp with sensors. Each lamp lives from its own seed."""

from __future__ import annotations

from lamplighter.simulator.behaviour import Behaviours
from lamplighter.simulator.draws import Draws
from lamplighter.simulator.firmware import FirmwareUpdate
from lamplighter.simulator.image import Failures
from lamplighter.simulator.instance import Instance
from lamplighter.simulator.management_objects import FIRMWARE_VERSION, Device, Server
from lamplighter.simulator.sensors import DigitalInput, Light, PushButton, Temperature
from lamplighter.simulator.tree import Tree
from lamplighter.simulator.vendor_objects import (
    VERSION,
    CertificateEnrolment,
    Component,
    ManifestUpdate,
    Metadata,
)

VENDOR_LEAST_LIFETIME = 60
"""Seconds; the vendor's client refuses less."""


class Lamp:
    """All objects of one device. The security object is not among them: no server may see it."""

    def __init__(
        self,
        serial_number: str,
        seed: str,
        now: float,
        *,
        version: str,
        lifetime: int,
        epoch: float,
        vendor: bool = False,
        binding: str = "U",
        behaviours: Behaviours,
    ) -> None:
        """``seed`` decides all that the lamp will measure; ``epoch``: what to add to ``now`` for seconds since 1970.

        ``vendor``: updates by manifest in the place of object 5. ``behaviours`` says which firmware updates fail.
        """

        def random(part: str) -> Draws:
            # One for each object, so that what happens to one does not depend on when another is looked at.
            return Draws(f"{seed}/{part}")

        least = VENDOR_LEAST_LIFETIME if vendor else 1
        self.server = Server(lifetime, version, binding=binding, least_lifetime=least)
        self.device = Device(serial_number, random("device"), now, epoch)
        kind = ManifestUpdate if vendor else FirmwareUpdate
        self.update = kind(random("firmware"), Failures(behaviours, f"{seed}/failures"))
        self.component = Component() if vendor else None
        vendors = [] if self.component is None else [self.component, Metadata(), CertificateEnrolment()]
        instances: list[Instance] = [
            self.server,
            self.device,
            self.update,
            *vendors,
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
        """Other firmware runs now, if it starts: that of the manifest, or one with a last part of its version one higher."""
        if not self.update.install():
            return
        if isinstance(self.update, ManifestUpdate):
            assert self.component is not None
            self.component.put(VERSION, self.update.version)
            return
        *parts, last = str(self.device.content[FIRMWARE_VERSION]).split(".")
        self.device.put(FIRMWARE_VERSION, ".".join((*parts, str(int(last) + 1))))
