"""Notification attributes of Write-Attributes: when a change is worth a message, OMA LwM2M Core 1.1 section 7.3.2.

``pmin``, ``pmax``, ``epmin`` and ``epmax`` (seconds) hold for all below the path they were written to; ``gt``, ``lt`` and ``st``
only for the numeric resource itself, ``edge`` (of 1.2, which clients of 1.1 already take) only for the Boolean one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from lamplighter.coap.numbers import Code
from lamplighter.lwm2m.objects import Type, resource_at
from lamplighter.lwm2m.path import Path
from lamplighter.simulator.instance import Refused

_WHOLE = re.compile(r"[0-9]{1,10}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,18}(?:\.[0-9]{1,18})?")
_PERIODS = ("pmin", "pmax", "epmin", "epmax")
_VALUES = ("gt", "lt", "st")
_EDGE = "edge"
#: In the order of Discover.
_ALL = ("pmin", "pmax", *_VALUES, "epmin", "epmax", _EDGE)
_OF_1_0 = frozenset({"pmin", "pmax", *_VALUES})
_OF_1_1 = frozenset(_ALL)
_NUMERIC = frozenset({Type.INTEGER, Type.UNSIGNED, Type.FLOAT, Type.TIME})


@dataclass(frozen=True, slots=True)
class Attributes:
    """None: not set. A ``pmax`` of 0 sets no limit."""

    pmin: float | None = None
    pmax: float | None = None
    gt: float | None = None
    lt: float | None = None
    st: float | None = None
    epmin: float | None = None
    """Seconds from one look at a value to the next, at least."""
    epmax: float | None = None
    """The same at most. A simulated sensor is looked at whenever it changes, which is sooner."""
    edge: float | None = None
    """1: a Boolean is told when it becomes true; 0: when it becomes false."""

    @property
    def conditional(self) -> bool:
        """Whether only some changes count."""
        return self.gt is not None or self.lt is not None or self.st is not None or self.edge is not None

    def calls_for(self, reported: float, value: float) -> bool:
        """Whether a numeric value has gone far enough from the one that was reported last."""
        if not self.conditional:
            return value != reported
        if self.edge is not None:
            return value != reported and value == self.edge
        crossed = any(limit is not None and (reported > limit) != (value > limit) for limit in (self.gt, self.lt))
        return crossed or (self.st is not None and abs(value - reported) >= self.st)

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """What is set, for Discover."""
        given = ((name, getattr(self, name)) for name in _ALL)
        return tuple([(name, f"{value:.12g}") for name, value in given if value is not None])


class AttributeTable:
    """The attributes of every path they were written to. ``defaults`` gives pmin and pmax of the server account.

    ``version`` of LwM2M decides which there are.
    """

    def __init__(self, defaults: Callable[[], tuple[int, int]], version: str = "1.1") -> None:
        self._defaults = defaults
        self._known = _OF_1_0 if version == "1.0" else _OF_1_1
        self._written: dict[Path, Attributes] = {}

    def write(self, path: Path, arguments: Iterable[str]) -> None:
        """Take the arguments of a query. Raises Refused with 4.00 when one is unknown or they contradict each other."""
        changes: dict[str, float | None] = {}
        for argument in arguments:
            name, given, text = argument.partition("=")
            if name not in self._known:
                known = ", ".join(each for each in _ALL if each in self._known)
                raise Refused(Code.BAD_REQUEST, f"{name[:20]!r} is not one of {known}")
            changes[name] = _value(path, name, text) if given else None
        attributes = replace(self.written(path), **changes)
        _agree(attributes)
        if attributes == Attributes():
            self._written.pop(path, None)
        else:
            self._written[path] = attributes

    def written(self, path: Path) -> Attributes:
        """What was written to this very path."""
        return self._written.get(path, Attributes())

    def effective(self, path: Path) -> Attributes:
        """What holds there: its own, else what the levels above say, else the server account's defaults."""
        own = self.written(path)
        levels = [self.written(Path(*path.ids[:length])) for length in range(len(path.ids), 0, -1)]
        given = {
            name: next((getattr(each, name) for each in levels if getattr(each, name) is not None), None)
            for name in _PERIODS
        }
        least, most = self._defaults()
        given["pmin"] = least if given["pmin"] is None else given["pmin"]
        given["pmax"] = most if given["pmax"] is None else given["pmax"]
        return replace(own, **given)

    def forget(self, path: Path) -> None:
        """The instance is gone, and what was written to it and below."""
        self._written = {known: value for known, value in self._written.items() if not path.contains(known)}

    def clear(self) -> None:
        self._written.clear()


def _value(path: Path, name: str, text: str) -> float:
    if name in _PERIODS:
        if _WHOLE.fullmatch(text):
            return float(text)
        raise Refused(Code.BAD_REQUEST, f"{name} is not a whole number of seconds")
    resource = resource_at(path)
    if name == _EDGE:
        if resource is None or resource.type is not Type.BOOLEAN or not resource.readable or text not in ("0", "1"):
            raise Refused(Code.BAD_REQUEST, "edge is 0 or 1, for a Boolean resource")
        return float(text)
    if resource is None or resource.type not in _NUMERIC or not resource.readable:
        raise Refused(Code.BAD_REQUEST, f"{name} is for a numeric resource")
    if not _DECIMAL.fullmatch(text) or (name == "st" and float(text) <= 0):
        raise Refused(Code.BAD_REQUEST, f"{name} is not a number" + (" above 0" if name == "st" else ""))
    return float(text)


def _agree(attributes: Attributes) -> None:
    pmin, pmax, gt, lt, st = (attributes.pmin, attributes.pmax, attributes.gt, attributes.lt, attributes.st)
    if pmin is not None and pmax and pmin > pmax:
        raise Refused(Code.BAD_REQUEST, "pmin is greater than pmax")
    if attributes.epmin is not None and attributes.epmax and attributes.epmin >= attributes.epmax:
        raise Refused(Code.BAD_REQUEST, "epmin is not less than epmax")
    if gt is not None and lt is not None and lt + 2 * (st or 0.0) >= gt:
        raise Refused(Code.BAD_REQUEST, "lt plus twice st must be less than gt")
