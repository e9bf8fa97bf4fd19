"""The rows of claims."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from lamplighter.services.enrollment.tables import claims
from lamplighter.storage.database import Reader, Row, Transaction
from lamplighter.storage.query import Query
from lamplighter.storage.schema import Alone, Text

BEFORE_ALL, BEHIND_ALL = "", "g"
"""What no id comes before, and behind."""

_c = claims.c
_ACCOUNT = _c.account_id == sa.bindparam("account_id")
_NOW: sa.BindParameter[int] = sa.bindparam("now", type_=sa.BigInteger())
_LIVE = sa.or_(_c.open_until.is_(None), _c.open_until > _NOW)
_EXPIRED = _c.open_until <= _NOW
_KEYS = _c.identity_key.in_(sa.bindparam("keys", expanding=True))
_OWN = (_ACCOUNT, _c.id == sa.bindparam("id"))

ADD = Query(sa.insert(claims))
_BY_KEY = Query(sa.select(claims).where(_c.identity_key == sa.bindparam("key")))
_BY_KEYS = Query(sa.select(claims).where(_KEYS), heavy=True)
_FORGET = Query(sa.delete(claims).where(_KEYS, _EXPIRED), heavy=True)
_GET = Query(sa.select(claims).where(*_OWN, _LIVE))
_DELETE = Query(sa.delete(claims).where(*_OWN, _LIVE).returning(_c.identity, _c.device_id))
_DELETE_KEYS = Query(
    sa.delete(claims).where(_ACCOUNT, _KEYS, _LIVE).returning(_c.identity_key, _c.id, _c.identity, _c.device_id),
    heavy=True,
)
_ENROL = Query(
    sa.update(claims)
    .where(*_OWN, _LIVE)
    .values(
        claimed_at=sa.func.coalesce(_c.claimed_at, _NOW),
        device_id=sa.bindparam("device_id_"),
        open_until=None,
        version=_c.version + 1,
    )
    .returning(_c.identity)
)
_MOST: sa.BindParameter[int] = sa.bindparam("most", type_=sa.BigInteger())
_PAGES = {
    False: Query(
        sa.select(claims)
        .where(_ACCOUNT, _LIVE, _c.id > sa.bindparam("after"))
        .order_by(_c.account_id, _c.id)
        .limit(_MOST),
        heavy=True,
    ),
    True: Query(
        sa.select(claims)
        .where(_ACCOUNT, _LIVE, _c.id < sa.bindparam("after"))
        .order_by(_c.account_id.desc(), _c.id.desc())
        .limit(_MOST),
        heavy=True,
    ),
}
_COUNT = Query(sa.select(sa.func.count()).select_from(claims).where(_ACCOUNT, _LIVE), heavy=True)
_COUNT_OPEN = Query(sa.select(sa.func.count()).select_from(claims).where(_ACCOUNT, _c.open_until > _NOW), heavy=True)
_ALONE = Query(sa.select(Alone(sa.bindparam("name", type_=Text))))
_PRUNE = Query(
    sa.delete(claims).where(
        _EXPIRED,
        _c.identity_key.in_(
            sa.select(_c.identity_key).where(_EXPIRED).order_by(_c.open_until).limit(_MOST).scalar_subquery()
        ),
    ),
    heavy=True,
)


async def by_key(reader: Reader, key: str) -> Row | None:
    """The claim of that identity, whichever account has it, expired or not."""
    return await reader.fetch_one(_BY_KEY, key=key)


async def by_keys(tx: Transaction, keys: Sequence[str]) -> Sequence[Row]:
    """Likewise, of many."""
    return await tx.fetch_all(_BY_KEYS, keys=keys)


async def forget_expired(tx: Transaction, keys: Sequence[str], now: int) -> None:
    """Make room for claims of these identities where older ones have expired."""
    await tx.execute(_FORGET, keys=keys, now=now)


async def add(tx: Transaction, row: Mapping[str, Any]) -> None:
    """Raises UniqueViolation."""
    await tx.execute(ADD, **row)


async def add_later(tx: Transaction, rows: Iterable[Mapping[str, Any]]) -> None:
    """In the order of their identities: so two that add many of the same do not wait for each other."""
    await tx.insert_later(claims, sorted(rows, key=lambda row: str(row["identity_key"])))


async def get(reader: Reader, account_id: str, claim_id: str, now: int) -> Row | None:
    return await reader.fetch_one(_GET, account_id=account_id, id=claim_id, now=now)


async def delete(tx: Transaction, account_id: str, claim_id: str, now: int) -> Row | None:
    """The identity and device of the claim that is deleted."""
    return await tx.fetch_one(_DELETE, account_id=account_id, id=claim_id, now=now)


async def delete_keys(tx: Transaction, account_id: str, keys: Sequence[str], now: int) -> Sequence[Row]:
    """Those of the identities that the account had, with what it had."""
    return await tx.fetch_all(_DELETE_KEYS, account_id=account_id, keys=keys, now=now)


async def enrol(tx: Transaction, account_id: str, claim_id: str, device_id: str, now: int) -> Row | None:
    """The device has come: the identity of its claim; None when that is there no more."""
    return await tx.fetch_one(_ENROL, account_id=account_id, id=claim_id, device_id_=device_id, now=now)


async def page(reader: Reader, account_id: str, after: str | None, descending: bool, most: int, now: int) -> list[Row]:
    """Live claims by id."""
    start = after or (BEHIND_ALL if descending else BEFORE_ALL)
    return list(await reader.fetch_all(_PAGES[descending], account_id=account_id, after=start, most=most, now=now))


async def count(reader: Reader, account_id: str, now: int) -> int:
    row = await reader.fetch_one(_COUNT, account_id=account_id, now=now)
    return int(row[0]) if row is not None else 0


async def count_open(tx: Transaction, account_id: str, now: int) -> int:
    """Claims whose device has not come; nobody else counts them to add some until the transaction ends."""
    await tx.fetch_one(_ALONE, name=f"claims of {account_id}")
    row = await tx.fetch_one(_COUNT_OPEN, account_id=account_id, now=now)
    return int(row[0]) if row is not None else 0


async def prune(tx: Transaction, now: int, most: int) -> int:
    """Forget expired claims, some at once; how many."""
    return await tx.execute(_PRUNE, now=now, most=most)
