"""One object instance of a device: its resources, what may be done with them, and what that sets off."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import ClassVar

from lamplighter.coap.numbers import Code
from lamplighter.lwm2m.codecs import ObjectLink, Value, Values
from lamplighter.lwm2m.objects import Resource, Type, definitions
from lamplighter.lwm2m.path import Path

#: A resource's value, or the values of its instances.
Content = Value | dict[int, Value]

_KINDS: dict[Type, type] = {
    Type.STRING: str,
    Type.CORE_LINK: str,
    Type.INTEGER: int,
    Type.UNSIGNED: int,
    Type.TIME: int,
    Type.BOOLEAN: bool,
    Type.OPAQUE: bytes,
    Type.OBJECT_LINK: ObjectLink,
}


class Refused(Exception):
    """An operation that the device does not do; ``code`` is the answer, the text its diagnostic payload."""

    def __init__(self, code: Code, text: str = "") -> None:
        super().__init__(text)
        self.code = code


class Effect(Enum):
    """What an operation asks of the device as a whole. It happens once the answer has left."""

    UPDATE = "tell the server what changed"
    REBOOT = "restart"
    FACTORY_RESET = "restart with the values of the first start"
    DISABLE = "deregister and stay away for a while"
    INSTALL = "restart with other firmware"
    DOWNLOAD = "fetch the firmware that an address names"
    BOOTSTRAPPED = "go on with what the bootstrap server wrote"


class Instance:
    """Resources by id. A subclass names its object and gives meaning to writes, executions and the passing of time."""

    object_id: ClassVar[int]
    executable: ClassVar[frozenset[int]] = frozenset()
    """Executable resources that this instance has; the others are there when they have a value."""
    punctual: ClassVar[bool] = False
    """Whether what is due must happen then, also when nobody watches."""

    def __init__(self, initial: Mapping[int, Content], instance_id: int = 0) -> None:
        self.path = Path(self.object_id, instance_id)
        self.definition = definitions()[self.object_id]
        unknown = initial.keys() - self.definition.resources.keys()
        if unknown:
            raise ValueError(f"object {self.object_id} has no resource {min(unknown)}")
        self.content = _shared(self.object_id, initial)
        self.changed: dict[int, None] = {}
        """Resources with a new value since the device last looked, in the order in which they changed."""
        self.effects: list[Effect] = []
        self._initial = self.content

    # What the server does

    def readable(self) -> Values:
        """Every readable resource with its value."""
        return [pair for number in self.content for pair in self.values_of(number) if self.resource(number).readable]

    def values_of(self, number: int) -> Values:
        """One resource: a value, or one for each of its instances."""
        content = self.content[number]
        path = self.path.child(number)
        if isinstance(content, dict):
            return [(path.child(index), value) for index, value in content.items()]
        return [(path, content)]

    def resource(self, number: int) -> Resource:
        """The definition of a resource that this instance has. Raises Refused with 4.04 when it has none."""
        definition = self.definition.resources.get(number)
        if definition is None or not (number in self.content or number in self.executable or self.only_written(number)):
            raise Refused(Code.NOT_FOUND)
        return definition

    def only_written(self, number: int) -> bool:
        """Whether this instance has that resource although it never has a value to read."""
        return False

    def check(self, number: int, value: Value) -> Value:
        """The value as it would be stored. Raises Refused with 4.00 when it is of another type or out of range."""
        kind = self.definition.resources[number].type
        if kind is Type.FLOAT and type(value) is int:
            return float(value)
        wanted = _KINDS.get(kind, float)
        if type(value) is not wanted:
            raise Refused(Code.BAD_REQUEST, f"{self.path.child(number)} is not of type {kind.name.lower()}")
        return value

    def write(self, number: int, value: Value, now: float) -> None:
        """Store a checked value. Raises Refused when the state forbids it."""
        self.put(number, value)

    def replace(self, values: Mapping[int, Value], now: float) -> None:
        """Store checked values in the place of all writable ones; what is left out has its first value again."""
        for number, content in self._initial.items():
            if number not in values and self.definition.resources[number].writable:
                self.put(number, content)
        for number, value in values.items():
            self.write(number, value, now)

    def execute(self, number: int, arguments: bytes, now: float) -> None:
        """Do what the resource stands for. Raises Refused when the state forbids it."""
        raise Refused(Code.METHOD_NOT_ALLOWED)

    # What happens by itself

    def due(self) -> float | None:
        """When this instance changes next by itself; None when it never does."""
        return None

    def advance(self, now: float) -> None:
        """Let everything happen that is due."""

    def reset(self) -> None:
        """Back to the values of the first start."""
        for number, content in self._initial.items():
            self.put(number, content)

    def own(self) -> None:
        """Before the first change: most instances of a large fleet never see one, and share what they began with."""
        if self._initial is self.content:
            self.content = dict(self.content)

    def put(self, number: int, content: Content) -> None:
        """Set a resource, and remember that it changed when it did."""
        if self.content.get(number) != content:
            self.own()
            self.content[number] = content
            self.changed[number] = None


_INITIAL: dict[tuple[int, tuple[tuple[int, Content], ...]], dict[int, Content]] = {}
#: Different beginnings that are kept to be shared. Those that are drawn for each device are not worth it.
_MOST_SHARED = 64


def _shared(object_id: int, initial: Mapping[int, Content]) -> dict[int, Content]:
    """The resources in order, the same dictionary for instances that begin alike."""
    pairs = tuple(sorted(initial.items(), key=lambda pair: pair[0]))
    try:
        known = _INITIAL.get((object_id, pairs))
    except TypeError:  # a resource with instances
        return dict(pairs)
    if known is None:
        known = dict(pairs)
        if len(_INITIAL) < _MOST_SHARED:
            _INITIAL[(object_id, pairs)] = known
    return known
