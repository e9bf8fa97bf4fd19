"""The statements of the devices behind gateways. Every one names the account."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from lamplighter.services.connect.tables import mediated_devices, registrations, subscriptions
from lamplighter.storage.database import Reader, Row, Transaction
from lamplighter.storage.query import Query, insert

_m = mediated_devices.c
_OWN = _m.account_id == sa.bindparam("account_id")
_BEHIND = (_OWN, _m.gateway_id == sa.bindparam("gateway_id"))
_THIS = (_OWN, _m.device_id == sa.bindparam("device_id"))

_REGISTERED = Query(
    sa.select(_m.name, registrations)
    .join(
        registrations, sa.and_(registrations.c.account_id == _m.account_id, registrations.c.device_id == _m.device_id)
    )
    .where(*_BEHIND)
    .order_by(_m.name)
)
_MOVE = Query(
    sa.update(registrations)
    .where(
        registrations.c.account_id == sa.bindparam("account_id"),
        registrations.c.device_id.in_(sa.select(_m.device_id).where(*_BEHIND)),
        registrations.c.process != sa.bindparam("process"),
    )
    .values(process=sa.bindparam("process"))
)
_s = subscriptions.c
_OBSERVATIONS = Query(
    sa.select(_m.name, _s.path, _s.token)
    .join(subscriptions, sa.and_(_s.account_id == _m.account_id, _s.device_id == _m.device_id))
    .where(*_BEHIND, _s.session == sa.bindparam("session"), _s.active == 1, _s.token != "")
    .distinct()
)
_DEVICES = Query(sa.select(_m.device_id).where(*_BEHIND).order_by(_m.name))
_DEVICE = Query(sa.select(_m.device_id).where(*_BEHIND, _m.name == sa.bindparam("name")))
_GATEWAY = Query(sa.select(_m.gateway_id).where(*_THIS))
_TAKE_AWAY = Query(sa.delete(mediated_devices).where(*_THIS))
_upsert = insert(mediated_devices).values({column.name: sa.bindparam(column.name) for column in _m})
_PUT = Query(
    _upsert.on_conflict_do_update(
        index_elements=["account_id", "gateway_id", "name"], set_={"device_id": _upsert.excluded["device_id"]}
    )
)
_FORGET = Query(sa.delete(mediated_devices).where(*_BEHIND))


async def registered_behind(reader: Reader, account_id: str, gateway_id: str) -> Sequence[Row]:
    """The registrations of the devices behind a gateway, each with the ``name`` that the gateway has for it."""
    return await reader.fetch_all(_REGISTERED, account_id=account_id, gateway_id=gateway_id)


async def observations_behind(
    reader: Reader, account_id: str, gateway_id: str, session: str
) -> dict[str, dict[str, bytes]]:
    """What the devices behind a gateway observe in that session of its: tokens by path, for each by its name."""
    found: dict[str, dict[str, bytes]] = {}
    rows = await reader.fetch_all(_OBSERVATIONS, account_id=account_id, gateway_id=gateway_id, session=session)
    for row in rows:
        found.setdefault(row["name"], {})[row["path"]] = bytes.fromhex(row["token"])
    return found


async def move(tx: Transaction, account_id: str, gateway_id: str, process: str) -> None:
    """The devices behind a gateway are that process's."""
    await tx.execute(_MOVE, account_id=account_id, gateway_id=gateway_id, process=process)


async def devices_behind(reader: Reader, account_id: str, gateway_id: str) -> list[str]:
    rows = await reader.fetch_all(_DEVICES, account_id=account_id, gateway_id=gateway_id)
    return [row["device_id"] for row in rows]


async def device_behind(reader: Reader, account_id: str, gateway_id: str, name: str) -> str | None:
    row = await reader.fetch_one(_DEVICE, account_id=account_id, gateway_id=gateway_id, name=name)
    return row["device_id"] if row is not None else None


async def gateway_of(reader: Reader, account_id: str, device_id: str) -> str | None:
    row = await reader.fetch_one(_GATEWAY, account_id=account_id, device_id=device_id)
    return row["gateway_id"] if row is not None else None


async def put(tx: Transaction, account_id: str, gateway_id: str, name: str, device_id: str) -> None:
    """From now on the gateway means that device, and no other gateway does."""
    await tx.execute(_TAKE_AWAY, account_id=account_id, device_id=device_id)
    await tx.execute(_PUT, account_id=account_id, gateway_id=gateway_id, name=name, device_id=device_id)


async def forget(tx: Transaction, account_id: str, device_id: str) -> None:
    """A device is gone: nothing is behind it, and it is behind none."""
    await tx.execute(_FORGET, account_id=account_id, gateway_id=device_id)
    await tx.execute(_TAKE_AWAY, account_id=account_id, device_id=device_id)
