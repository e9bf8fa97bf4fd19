"""Device queries: filters of devices, saved under a name and given back byte for byte."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import sqlalchemy as sa
from msgspec import Meta

from lamplighter.api.filter import read_inner
from lamplighter.clock import to_rfc3339
from lamplighter.errors import FieldFault
from lamplighter.errors.directory import DeviceQueryNameTaken, DeviceQueryNotFound
from lamplighter.ids import is_id
from lamplighter.services.directory.filters import DEVICES
from lamplighter.services.directory.model import compared, quoted
from lamplighter.services.directory.stamps import Stamps
from lamplighter.services.directory.tables import device_queries
from lamplighter.storage.database import Database, Row, UniqueViolation
from lamplighter.storage.query import Query

QueryName = Annotated[str, Meta(min_length=1, max_length=200)]
QueryText = Annotated[str, Meta(max_length=1000)]


class QueryCreate(msgspec.Struct, kw_only=True):
    """``query`` is a filter in its inner form: ``state=registered&created_at__gte=…``."""

    name: QueryName
    query: QueryText

    def faults(self) -> list[FieldFault]:
        return filter_faults(self.query, "query")


class QueryUpdate(msgspec.Struct, kw_only=True):
    """Members left out stay as they are: old clients send the name alone."""

    name: QueryName | None = None
    query: QueryText | None = None

    def faults(self) -> list[FieldFault]:
        return filter_faults(self.query, "query") if self.query is not None else []


class DeviceQuery(msgspec.Struct, kw_only=True):
    """A device query as the API shows it."""

    object: Literal["device-query"] = "device-query"
    id: str
    name: str
    query: str
    created_at: str
    updated_at: str
    etag: str


_OWN = (device_queries.c.account_id == sa.bindparam("account_id"), device_queries.c.id == sa.bindparam("id"))
_GET = Query(sa.select(device_queries).where(*_OWN))
_LOCK = Query(sa.select(device_queries).where(*_OWN).with_for_update())
_INSERT = Query(
    sa.insert(device_queries).values({each.name: sa.bindparam(each.name) for each in device_queries.columns})
)
_CHANGED = ("name", "name_key", "query", "updated_at")
_UPDATE = Query(sa.update(device_queries).where(*_OWN).values({name: sa.bindparam(f"new_{name}") for name in _CHANGED}))
_DELETE = Query(sa.delete(device_queries).where(*_OWN))


class Queries:
    """The device queries of all accounts."""

    def __init__(self, database: Database, stamps: Stamps) -> None:
        self._database = database
        self._stamps = stamps

    async def retrieve(self, account_id: str, query_id: str) -> DeviceQuery:
        """Raises DeviceQueryNotFound."""
        row = await self._database.fetch_one(_GET, account_id=account_id, id=query_id) if is_id(query_id) else None
        if row is None:
            raise DeviceQueryNotFound(query_id=quoted(query_id))
        return shown(row)

    async def create(self, account_id: str, body: QueryCreate) -> DeviceQuery:
        """Raises DeviceQueryNameTaken."""
        stamp = self._stamps.new()
        row = {
            "account_id": account_id,
            "id": stamp.id,
            "name": body.name,
            "name_key": compared(body.name),
            "query": body.query,
            "created_at": stamp.time,
            "updated_at": stamp.time,
        }
        try:
            async with self._database.transaction() as tx:
                await tx.execute(_INSERT, **row)
        except UniqueViolation:
            raise DeviceQueryNameTaken(name=body.name) from None
        return shown(row)

    async def update(self, account_id: str, query_id: str, body: QueryUpdate) -> DeviceQuery:
        """Raises DeviceQueryNotFound, DeviceQueryNameTaken."""
        try:
            async with self._database.transaction() as tx:
                old = await tx.fetch_one(_LOCK, account_id=account_id, id=query_id) if is_id(query_id) else None
                if old is None:
                    raise DeviceQueryNotFound(query_id=quoted(query_id))
                new = dict(old)
                if body.name is not None:
                    new |= {"name": body.name, "name_key": compared(body.name)}
                if body.query is not None:
                    new["query"] = body.query
                if any(new[name] != old[name] for name in _CHANGED):
                    new["updated_at"] = self._stamps.after(old["updated_at"])
                    await tx.execute(
                        _UPDATE,
                        account_id=account_id,
                        id=query_id,
                        **{f"new_{name}": new[name] for name in _CHANGED},
                    )
                return shown(new)
        except UniqueViolation:
            raise DeviceQueryNameTaken(name=body.name) from None

    async def destroy(self, account_id: str, query_id: str) -> None:
        """Raises DeviceQueryNotFound."""
        async with self._database.transaction() as tx:
            if not is_id(query_id) or not await tx.execute(_DELETE, account_id=account_id, id=query_id):
                raise DeviceQueryNotFound(query_id=quoted(query_id))


def filter_faults(text: str, name: str) -> list[FieldFault]:
    """What is wrong with a stored filter of devices; every fault names the member ``name`` that holds it."""
    faults: list[FieldFault] = []
    read_inner(DEVICES, text, faults, [])
    return [FieldFault(name, f"cannot be used: {fault.name} {fault.message}") for fault in faults]


def shown(row: Row | dict[str, Any]) -> DeviceQuery:
    """A row as the API shows it."""
    updated_at = to_rfc3339(row["updated_at"])
    return DeviceQuery(
        id=row["id"],
        name=row["name"],
        query=row["query"],
        created_at=to_rfc3339(row["created_at"]),
        updated_at=updated_at,
        etag=updated_at,
    )
