"""What a subscription is to: one path, or several with commas between, which a device of 1.1 observes together.

Several are one Observe-Composite (OMA LwM2M Core 1.1 section 6.4.5), kept as one subscription: in the order of their text,
each once, so that whoever names the same paths shares the observation.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from lamplighter.clock import MICROSECONDS
from lamplighter.coap.message import Message
from lamplighter.lwm2m import management
from lamplighter.lwm2m.codecs import decode_records
from lamplighter.lwm2m.codecs.senml import Record
from lamplighter.lwm2m.path import ROOT, PathError, parse_path
from lamplighter.services.connect.resources import Links, path_of, payload_of
from lamplighter.services.connect.results import encoded

MOST_TOGETHER = 50
"""Paths of one composite observation."""


RELATIVE = 1 << 28
"""Seconds: a time of SenML below it is not one since 1970."""
NEVER = 1 << 33
"""Seconds since 1970 that are no time of a measurement: the year 2242."""


class Value(NamedTuple):
    """A resource's value as its device told it."""

    path: str
    payload: bytes
    content_format: int
    measured_at: int | None
    """Milliseconds since 1970; None: the device did not say."""


def target_of(text: str) -> str:
    """A target as it is kept and compared. Empty paths among several are left out."""
    if "," not in text:
        return path_of(text)
    paths = {path_of(each) for each in text.split(",")} - {"/"}
    return ",".join(sorted(paths)) or "/"


def paths_in(target: str) -> list[str]:
    return target.split(",")


def is_composite(target: str) -> bool:
    return "," in target


def is_numbered(path: str) -> bool:
    """Whether SenML can name it: LwM2M's numbers and nothing else."""
    try:
        return bool(parse_path(path).ids)
    except PathError:
        return False


def request_for(target: str, links: Links) -> Message:
    """What reads a target, which with Observe is what observes it."""
    if not is_composite(target):
        return management.read(links.root + target)
    paths = [parse_path(path) for path in paths_in(target)]
    return management.read_composite(paths, management.composite_format(links.content_formats), links.root)


def values_told(message: Message, now: int) -> list[Value]:
    """The values of a composite notification. Raises CodecError.

    :param now: microseconds UTC
    """
    return values_of(decode_records(message.content_format, message.payload, ROOT), now)


def values_of(records: Iterable[Record], now: int) -> list[Value]:
    """Records of SenML, each as a device would answer for its resource alone."""
    return [Value(str(path), *payload_of(value), _measured_at(time, now)) for time, path, value in records]


def notification_of(device_id: str, value: Value, max_age: int = 0) -> dict[str, Any]:
    """The contract's NotificationData, and ``measured-at`` where the device told the time."""
    item: dict[str, Any] = {"ep": device_id, "path": value.path}
    item |= encoded(value.payload, value.content_format, max_age)
    return item if value.measured_at is None else {**item, "measured-at": value.measured_at}


def _measured_at(time: float, now: int) -> int | None:
    """RFC 8428 section 4.5.3: what is below 2**28 counts from now, and 0 is now."""
    seconds = time if time >= RELATIVE else now / MICROSECONDS + time
    return round(seconds * 1000) if time and 0 < seconds < NEVER else None
