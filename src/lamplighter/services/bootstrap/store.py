"""Which credential each device was bootstrapped with: what an ``iep`` must be bound to (gateway rule 1.2)."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from lamplighter.storage.database import Reader, Row, Transaction
from lamplighter.storage.query import Query, insert
from lamplighter.storage.schema import Alone, BigInteger, Text, metadata

bootstraps = sa.Table(
    "bootstraps",
    metadata,
    sa.Column("account_id", Text, nullable=False),
    sa.Column("device_id", Text, nullable=False),
    sa.Column("credential", Text, nullable=False),
    sa.Column("endpoint_name", Text, nullable=False),
    sa.Column("began_at", BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("account_id", "device_id"),
    sa.Index("ix_bootstraps_account_id_credential_began_at", "account_id", "credential", "began_at"),
)

_b = bootstraps.c
_bound = (_b.account_id == sa.bindparam("account_id"), _b.device_id == sa.bindparam("device_id"))
_ALONE = Query(sa.select(Alone(sa.bindparam("name", type_=Text))))
_bind = insert(bootstraps)
_BIND = Query(
    _bind.on_conflict_do_update(
        index_elements=["account_id", "device_id"],
        set_={
            "credential": _bind.excluded.credential,
            "endpoint_name": _bind.excluded.endpoint_name,
            "began_at": _bind.excluded.began_at,
        },
    )
)
_OF_DEVICE = Query(sa.select(_b.credential, _b.began_at).where(*_bound))
_FAILED = Query(sa.update(bootstraps).where(*_bound).values(began_at=0))
_UNBIND = Query(sa.delete(bootstraps).where(*_bound))
_OF_CREDENTIAL = Query(
    sa.select(_b.device_id, _b.began_at)
    .where(_b.account_id == sa.bindparam("account_id"), _b.credential == sa.bindparam("credential"))
    .order_by(_b.began_at)
)


async def alone(tx: Transaction, account_id: str, credential: str) -> None:
    """Nobody else bootstraps with that credential until the transaction ends."""
    await tx.fetch_one(_ALONE, name=f"bootstrap of {account_id} with {credential}")


async def bind(
    tx: Transaction, account_id: str, device_id: str, credential: str, endpoint_name: str, began_at: int
) -> None:
    """Note that the device was bootstrapped with that credential, in place of any before."""
    await tx.execute(
        _BIND,
        account_id=account_id,
        device_id=device_id,
        credential=credential,
        endpoint_name=endpoint_name,
        began_at=began_at,
    )


async def failed(tx: Transaction, account_id: str, device_id: str) -> None:
    """The bootstrap came to nothing: the device is not on its way, and the first to make room."""
    await tx.execute(_FAILED, account_id=account_id, device_id=device_id)


async def unbind(tx: Transaction, account_id: str, device_id: str) -> None:
    await tx.execute(_UNBIND, account_id=account_id, device_id=device_id)


async def last_of(reader: Reader, account_id: str, device_id: str) -> Row | None:
    """The device's last bootstrap: with which credential, and when it began."""
    return await reader.fetch_one(_OF_DEVICE, account_id=account_id, device_id=device_id)


async def devices_of(reader: Reader, account_id: str, credential: str) -> Sequence[Row]:
    """Every device bootstrapped with that credential and when that began, the longest ago first."""
    return await reader.fetch_all(_OF_CREDENTIAL, account_id=account_id, credential=credential)
