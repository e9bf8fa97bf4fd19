"""The statements of issuers and their configurations. Every one names the account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from lamplighter.services.issuers.tables import configurations, issuers
from lamplighter.storage.database import Reader, Row, Transaction
from lamplighter.storage.query import Query, insert
from lamplighter.storage.schema import Alone, Text
from lamplighter.storage.search import Search


def own(table: sa.Table, *more: str) -> list[sa.ColumnElement[bool]]:
    """The row of that account; a value to be set has another name than one to be found."""
    return [table.c[name] == sa.bindparam(name) for name in ("account_id", *more)]


def setting(*names: str) -> dict[str, sa.BindParameter[Any]]:
    """Columns that are set to ``new_…``."""
    return {name: sa.bindparam(f"new_{name}") for name in names}


_i, _c = issuers.c, configurations.c
_ALONE = Query(sa.select(Alone(sa.bindparam("name", type_=Text))))
_ISSUERS = Query(sa.select(issuers).where(*own(issuers)).order_by(_i.id))
_ISSUER = Query(sa.select(issuers).where(*own(issuers, "id")))
_LOCK_ISSUER = Query(sa.select(issuers).where(*own(issuers, "id")).with_for_update())
_ADD_ISSUER = Query(sa.insert(issuers))
_CHANGE_ISSUER = Query(
    sa.update(issuers)
    .where(*own(issuers, "id"))
    .values(**setting("name", "name_key", "description", "attributes", "sealed"), version=_i.version + 1)
)
_DELETE_ISSUER = Query(sa.delete(issuers).where(*own(issuers, "id")))
_USES = Query(sa.select(configurations).where(*own(configurations, "issuer_id")).order_by(_c.reference))

CONFIGURATIONS = Search(configurations, scope=[_c.account_id], key=_c.id)
_CONFIGURATION = Query(sa.select(configurations).where(*own(configurations, "id")))
_OF_REFERENCE = Query(sa.select(configurations).where(*own(configurations, "reference")))
_ADD_CONFIGURATION = Query(sa.insert(configurations))
_ENSURE = Query(
    insert(configurations)
    .values({column.name: sa.bindparam(column.name) for column in _c})
    .on_conflict_do_nothing(index_elements=["account_id", "reference"])
)
_CHANGE_CONFIGURATION = Query(
    sa.update(configurations)
    .where(*own(configurations, "id"))
    .values(**setting("issuer_id", "renewal_days", "updated_at"), version=_c.version + 1)
)
_DELETE_CONFIGURATION = Query(sa.delete(configurations).where(*own(configurations, "id")))


async def alone(tx: Transaction, account_id: str) -> None:
    """Nobody else adds an issuer to the account, deletes one or gives one to a configuration until the transaction ends."""
    await tx.fetch_one(_ALONE, name=f"certificate issuers of {account_id}")


async def all_issuers(reader: Reader, account_id: str) -> Sequence[Row]:
    return await reader.fetch_all(_ISSUERS, account_id=account_id)


async def issuer(reader: Reader, account_id: str, issuer_id: str) -> Row | None:
    return await reader.fetch_one(_ISSUER, account_id=account_id, id=issuer_id)


async def lock_issuer(tx: Transaction, account_id: str, issuer_id: str) -> Row | None:
    return await tx.fetch_one(_LOCK_ISSUER, account_id=account_id, id=issuer_id)


async def add_issuer(tx: Transaction, values: Mapping[str, Any]) -> None:
    """Raises UniqueViolation when the account has an issuer of that name."""
    await tx.execute(_ADD_ISSUER, **values)


async def change_issuer(tx: Transaction, account_id: str, issuer_id: str, **values: Any) -> None:
    """Raises UniqueViolation as well."""
    new = {f"new_{name}": value for name, value in values.items()}
    await tx.execute(_CHANGE_ISSUER, account_id=account_id, id=issuer_id, **new)


async def delete_issuer(tx: Transaction, account_id: str, issuer_id: str) -> bool:
    return bool(await tx.execute(_DELETE_ISSUER, account_id=account_id, id=issuer_id))


async def uses_of(reader: Reader, account_id: str, issuer_id: str) -> Sequence[Row]:
    """The configurations that name the issuer."""
    return await reader.fetch_all(_USES, account_id=account_id, issuer_id=issuer_id)


async def configuration(reader: Reader, account_id: str, configuration_id: str) -> Row | None:
    return await reader.fetch_one(_CONFIGURATION, account_id=account_id, id=configuration_id)


async def configuration_of(reader: Reader, account_id: str, reference: str) -> Row | None:
    return await reader.fetch_one(_OF_REFERENCE, account_id=account_id, reference=reference)


async def add_configuration(tx: Transaction, values: Mapping[str, Any]) -> None:
    """Raises UniqueViolation when the account has one for that reference."""
    await tx.execute(_ADD_CONFIGURATION, **values)


async def ensure_configuration(tx: Transaction, values: Mapping[str, Any]) -> None:
    """Add it, unless the account has one for that reference."""
    await tx.execute(_ENSURE, **values)


async def change_configuration(tx: Transaction, account_id: str, configuration_id: str, **values: Any) -> bool:
    new = {f"new_{name}": value for name, value in values.items()}
    return bool(await tx.execute(_CHANGE_CONFIGURATION, account_id=account_id, id=configuration_id, **new))


async def delete_configuration(tx: Transaction, account_id: str, configuration_id: str) -> bool:
    return bool(await tx.execute(_DELETE_CONFIGURATION, account_id=account_id, id=configuration_id))
