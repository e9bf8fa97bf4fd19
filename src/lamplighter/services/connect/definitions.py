"""LwM2M objects that owners define: a maker's OMA XML, loaded into one account, stands before what the server knows."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from lamplighter.api.page import Page, envelope
from lamplighter.clock import Clock, to_rfc3339
from lamplighter.errors import FieldFault, connect
from lamplighter.errors.requests import invalid
from lamplighter.lwm2m.object_xml import ObjectXmlFaults, parse_object
from lamplighter.lwm2m.objects import (
    Definitions,
    ObjectDefinition,
    Resource,
    Type,
    definitions,
    registered_definitions,
)
from lamplighter.lwm2m.path import MAX_ID
from lamplighter.services.connect.tables import lwm2m_objects
from lamplighter.settings import Settings
from lamplighter.storage.database import Database, Reader, Row
from lamplighter.storage.query import Query, insert

MOST_FAULTS = 50
"""Faults of one XML that are told."""
KEPT = 10.0
"""Seconds for which another process may still read values by an older definition."""
ACCOUNTS = 1000
"""Accounts whose definitions are kept in memory."""

_TYPES: dict[Type, str] = {
    Type.STRING: "String",
    Type.INTEGER: "Integer",
    Type.UNSIGNED: "Unsigned Integer",
    Type.FLOAT: "Float",
    Type.BOOLEAN: "Boolean",
    Type.OPAQUE: "Opaque",
    Type.TIME: "Time",
    Type.OBJECT_LINK: "Objlnk",
    Type.CORE_LINK: "Corelnk",
    Type.NONE: "",
    Type.UNKNOWN: "",
}


class ObjectResource(msgspec.Struct, kw_only=True):
    """A resource of an LwM2M object. ``operations``: R, W, RW, E or none. ``type``: the OMA's word, empty where there is
    none or it is not known."""

    id: int
    name: str
    operations: str
    type: str
    multiple: bool
    mandatory: bool
    units: str


class Lwm2mObject(msgspec.Struct, kw_only=True):
    """The definition of an LwM2M object. ``source``: ``account`` where it was loaded, ``built-in`` where the server
    knows it, ``registry`` where it knows no more than the names."""

    object: Literal["lwm2m-object"] = "lwm2m-object"
    id: str
    name: str
    version: str
    description: str
    multiple: bool
    mandatory: bool
    resources: list[ObjectResource]
    source: Literal["account", "built-in", "registry"]
    created_at: str | None


class Lwm2mObjectPage(msgspec.Struct, kw_only=True):
    """A page of definitions."""

    object: str = "list"
    limit: int
    after: str | None
    order: str
    has_more: bool
    total_count: int
    data: list[Lwm2mObject]


_o = lwm2m_objects.c
_ACCOUNT = _o.account_id == sa.bindparam("account_id")
_OWN = (_ACCOUNT, _o.object_id == sa.bindparam("object_id"))
_ALL = Query(sa.select(lwm2m_objects).where(_ACCOUNT).order_by(_o.object_id))
_GET = Query(sa.select(lwm2m_objects).where(*_OWN))
_COUNT = Query(sa.select(sa.func.count().label("number")).where(_ACCOUNT))
_INSERT = Query(
    insert(lwm2m_objects)
    .values({column.name: sa.bindparam(column.name) for column in _o})
    .on_conflict_do_nothing(index_elements=["account_id", "object_id"])
    .returning(_o.object_id)
)
_DELETE = Query(sa.delete(lwm2m_objects).where(*_OWN))


class OwnDefinitions:
    """The definitions of all accounts. They are few and read with every value: those used last are kept in memory."""

    def __init__(self, database: Database, clock: Clock, settings: Settings) -> None:
        self._database = database
        self._clock = clock
        self._most = settings.lwm2m.object_definitions
        self._kept: dict[str, tuple[float, dict[int, ObjectDefinition]]] = {}

    async def of(self, account_id: str) -> Definitions:
        """What the account defines."""
        now = self._clock.monotonic()
        kept = self._kept.get(account_id)
        if kept is not None and now - kept[0] < KEPT:
            return kept[1]
        rows = await self._database.fetch_all(_ALL, account_id=account_id)
        found = {row["object_id"]: _definition(row) for row in rows}
        if len(self._kept) >= ACCOUNTS:
            del self._kept[next(iter(self._kept))]
        self._kept[account_id] = (now, found)
        return found

    async def list(self, account_id: str, page: Page) -> dict[str, Any]:
        """The account's own, in the order of their numbers. Raises InvalidParameters."""
        rows = await self._database.fetch_all(_ALL, account_id=account_id)
        ordered = rows[::-1] if page.descending else rows
        if page.after is not None:
            after = _number(page.after)
            if after is None:
                raise invalid([FieldFault("after", "must be the id of the last entry of the page before")])
            behind = operator.lt if page.descending else operator.gt
            ordered = [row for row in ordered if behind(row["object_id"], after)]
        data = [shown(row) for row in ordered[: page.limit]]
        return envelope(page, data, has_more=len(ordered) > page.limit, total_count=len(rows))

    async def retrieve(self, account_id: str, text: str) -> Lwm2mObject:
        """The account's own definition of an object, or what the server knows. Raises ObjectDefinitionNotFound."""
        number = _number(text)
        if number is None:
            raise connect.ObjectDefinitionNotFound(object_id=text[:40])
        row = await self._database.fetch_one(_GET, account_id=account_id, object_id=number)
        if row is not None:
            return shown(row)
        if number in definitions():
            return _known(definitions()[number], "built-in")
        if number in registered_definitions():
            return _known(registered_definitions()[number], "registry")
        raise connect.ObjectDefinitionNotFound(object_id=number)

    async def create(self, account_id: str, xml: bytes) -> Lwm2mObject:
        """Load a maker's OMA XML. Raises InvalidParameters, ObjectDefinitionExists, ObjectDefinitionLimitReached."""
        try:
            definition, description = parse_object(xml)
        except ObjectXmlFaults as error:
            raise invalid([FieldFault(where, what) for where, what in error.faults[:MOST_FAULTS]]) from None
        row = {
            "account_id": account_id,
            "object_id": definition.id,
            "name": definition.name,
            "version": definition.version,
            "description": description.replace("\x00", ""),
            "multiple": int(definition.multiple),
            "mandatory": int(definition.mandatory),
            "resources": msgspec.json.encode([_stored(each) for each in definition.resources.values()]).decode(),
            "created_at": self._clock.now(),
        }
        async with self._database.transaction() as tx:
            if await tx.fetch_one(_INSERT, **row) is None:
                known = await tx.fetch_one(_GET, account_id=account_id, object_id=definition.id)
                version = known["version"] if known is not None else definition.version
                raise connect.ObjectDefinitionExists(object_id=definition.id, version=version)
            used = await _count(tx, account_id)
            if used > self._most:
                raise connect.ObjectDefinitionLimitReached(used=used - 1, maximum=self._most)
        self._kept.pop(account_id, None)
        return shown(row)

    async def destroy(self, account_id: str, text: str) -> None:
        """Raises ObjectDefinitionNotFound; what the server knows by itself cannot be deleted."""
        number = _number(text)
        async with self._database.transaction() as tx:
            if number is None or not await tx.execute(_DELETE, account_id=account_id, object_id=number):
                raise connect.ObjectDefinitionNotFound(object_id=text[:40])
        self._kept.pop(account_id, None)


def shown(row: Row | Mapping[str, Any]) -> Lwm2mObject:
    """A row as the API shows it."""
    found = _known(_definition(row), "account")
    found.description = row["description"]
    found.created_at = to_rfc3339(row["created_at"])
    return found


def _known(definition: ObjectDefinition, source: Literal["account", "built-in", "registry"]) -> Lwm2mObject:
    return Lwm2mObject(
        id=str(definition.id),
        name=definition.name,
        version=definition.version,
        description="",
        multiple=definition.multiple,
        mandatory=definition.mandatory,
        resources=[
            ObjectResource(
                id=each.id,
                name=each.name,
                operations=each.operations,
                type=_TYPES[each.type],
                multiple=each.multiple,
                mandatory=each.mandatory,
                units=each.unit,
            )
            for each in definition.resources.values()
        ],
        source=source,
        created_at=None,
    )


def _definition(row: Row | Mapping[str, Any]) -> ObjectDefinition:
    resources = [
        Resource(number, name, operations, Type(letter), multiple, mandatory, unit)
        for number, name, operations, letter, multiple, mandatory, unit in _RESOURCES.decode(row["resources"])
    ]
    return ObjectDefinition(
        row["object_id"],
        row["name"],
        row["version"],
        bool(row["multiple"]),
        bool(row["mandatory"]),
        {each.id: each for each in resources},
    )


_RESOURCES = msgspec.json.Decoder(list[tuple[int, str, str, str, bool, bool, str]])


def _stored(resource: Resource) -> Sequence[Any]:
    return (
        resource.id,
        resource.name,
        resource.operations,
        resource.type.value,
        resource.multiple,
        resource.mandatory,
        resource.unit,
    )


def _number(text: str) -> int | None:
    """The number of an object; None where the text is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= MAX_ID else None


async def _count(reader: Reader, account_id: str) -> int:
    row = await reader.fetch_one(_COUNT, account_id=account_id)
    return int(row["number"]) if row is not None else 0
