"""Send of LwM2M 1.1: values that the device tells unasked, OMA LwM2M Core 1.1 section 6.4.7."""

from __future__ import annotations

from lamplighter.coap.message import Message, path_options
from lamplighter.coap.numbers import Code, ContentFormat, Option
from lamplighter.lwm2m.codecs import encode
from lamplighter.lwm2m.path import ROOT, Path
from lamplighter.lwm2m.server import SEND_PATH
from lamplighter.simulator.draws import Draws
from lamplighter.simulator.lamp import Lamp
from lamplighter.simulator.management_objects import MUTE_SEND

SEND_SECONDS = 300.0
"""Seconds from one Send to the next, on average."""
_FORMATS = (ContentFormat.SENML_CBOR, ContentFormat.SENML_JSON)
_TOLD = (Path(3303, 0, 5700), Path(3303, 0, 5601), Path(3303, 0, 5602))


class Sending:
    """``due`` is when the sensor tells its values next; the server mutes it by resource 23 of its account."""

    def __init__(self, lamp: Lamp, random: Draws, now: float) -> None:
        self._lamp = lamp
        self._random = random
        self.due = now + random.expovariate(1 / SEND_SECONDS)

    def take_due(self, now: float) -> Message | None:
        """What to send now; None: not yet, or muted."""
        if now < self.due:
            return None
        self.due = now + self._random.expovariate(1 / SEND_SECONDS)
        content_format = self._random.choice(_FORMATS)
        if self._lamp.server.content.get(MUTE_SEND) is not False:
            return None
        for instance in self._lamp.tree.instances(_TOLD[0]):
            instance.advance(now)
        values = [pair for path in _TOLD for pair in self._lamp.tree.read(path)]
        message = Message(Code.POST, path_options((SEND_PATH,)), encode(content_format, values, ROOT))
        return message.add(Option.CONTENT_FORMAT, content_format)
