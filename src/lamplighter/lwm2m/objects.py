"""Object definitions: what each resource is called, what may be done with it, what type its value has.

The definitions themselves are tables, one line a resource: ``core_objects`` and ``ipso_objects`` by hand, and
``registry_objects`` made from a public list, which knows less.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache, cached_property

from lamplighter.lwm2m import core_objects, ipso_objects
from lamplighter.lwm2m.path import Path


class Type(Enum):
    """Data types, LwM2M Core appendix C; the value is the letter used in the tables."""

    __hash__ = object.__hash__  # a member is itself only; Enum's own hash is slow, and codecs look up by type

    STRING = "S"
    INTEGER = "I"
    UNSIGNED = "U"
    FLOAT = "F"
    BOOLEAN = "B"
    OPAQUE = "O"
    TIME = "T"  # seconds since 1970 UTC
    OBJECT_LINK = "L"
    CORE_LINK = "C"
    NONE = "-"  # executable
    UNKNOWN = "?"  # known by name only


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of an object. ``operations`` are letters of R, W, E; ``unit`` in SenML's spelling (RFC 8428)."""

    id: int
    name: str
    operations: str
    type: Type
    multiple: bool = False
    mandatory: bool = False
    unit: str = ""

    @property
    def readable(self) -> bool:
        return "R" in self.operations

    @property
    def writable(self) -> bool:
        return "W" in self.operations

    @property
    def executable(self) -> bool:
        return "E" in self.operations


@dataclass(frozen=True)
class ObjectDefinition:
    """One object. ``multiple``: may have several instances; ``mandatory``: every client has it."""

    id: int
    name: str
    version: str
    multiple: bool
    mandatory: bool
    resources: dict[int, Resource]

    @cached_property
    def types(self) -> dict[int, Type]:
        """The types of its resources by their ids, without those that have none or are known by name only."""
        without = (Type.NONE, Type.UNKNOWN)
        return {number: each.type for number, each in self.resources.items() if each.type not in without}


Definitions = Mapping[int, ObjectDefinition]
"""Objects by their ids, where an owner defines more than are known here or defines them otherwise."""


def parse_table(table: str) -> dict[int, ObjectDefinition]:
    """Read a table. A line at the margin begins an object; the indented ones are its resources.

    Object: ``id name | version | flags``; resource: ``id name | operations | type | flags | unit``; flags are ``*`` for
    multiple and ``!`` for mandatory. Raises ValueError for a line that is neither, or an id used twice.
    """
    objects: dict[int, ObjectDefinition] = {}
    current: ObjectDefinition | None = None
    for line in filter(str.strip, table.splitlines()):
        head, *fields = [field.strip() for field in line.split("|")]
        number, name = head.split(" ", 1)
        if not line.startswith(" "):
            version, flags = fields
            current = ObjectDefinition(int(number), name, version, "*" in flags, "!" in flags, {})
            if current.id in objects:
                raise ValueError(f"object {number} twice")
            objects[current.id] = current
        elif current is None or int(number) in current.resources:
            raise ValueError(f"resource {number} twice or without an object")
        else:
            operations, kind, flags, unit = (fields + ["", ""])[:4]
            current.resources[int(number)] = Resource(
                int(number), name, operations.strip("-"), Type(kind), "*" in flags, "!" in flags, unit
            )
    return objects


@cache
def definitions() -> dict[int, ObjectDefinition]:
    """The objects written by hand, with all their details, by id."""
    return parse_table(core_objects.TABLE) | parse_table(ipso_objects.TABLE)


@cache
def registered_definitions() -> dict[int, ObjectDefinition]:
    """The others of the OMA registry: what may be done with their resources is not known. Read at first need."""
    from lamplighter.lwm2m.registry_objects import TABLE

    return parse_table(TABLE)


def definition_of(object_id: int, own: Definitions | None = None) -> ObjectDefinition | None:
    """The definition of an object: the owner's before ours; None when it is not known."""
    found = own.get(object_id) if own else None
    return found or definitions().get(object_id) or registered_definitions().get(object_id)


def types_of(object_id: int, own: Definitions | None = None) -> dict[int, Type]:
    """The types of an object's resources by their ids, without the executable ones; empty when it is not known."""
    found = definition_of(object_id, own)
    return {} if found is None else found.types


def resource_at(path: Path, own: Definitions | None = None) -> Resource | None:
    """The definition of the resource that a path names or lies in; None when it is not known."""
    if path.object is None or path.resource is None:
        return None
    found = definition_of(path.object, own)
    return None if found is None else found.resources.get(path.resource)
