"""The table of trust anchors."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from lamplighter.api.page import Page
from lamplighter.storage.database import Reader, Row, Transaction
from lamplighter.storage.query import Query
from lamplighter.storage.schema import Alone, BigInteger, LargeBinary, Text, metadata

trust_anchors = sa.Table(
    "trust_anchors",
    metadata,
    sa.Column("account_id", Text, primary_key=True),
    sa.Column("id", Text, primary_key=True),
    sa.Column("description", Text, nullable=False),
    sa.Column("public_key", LargeBinary, nullable=False),  # SubjectPublicKeyInfo in DER
    sa.Column("sealed_key", LargeBinary, nullable=False),
    sa.Column("created_at", BigInteger, nullable=False),
    sa.Column("updated_at", BigInteger, nullable=False),
)

_a = trust_anchors.c
_OF_ACCOUNT = _a.account_id == sa.bindparam("account_id")
_OWN = (_OF_ACCOUNT, _a.id == sa.bindparam("id"))
_ALONE = Query(sa.select(Alone(sa.bindparam("name", type_=Text))))
_COUNT = Query(sa.select(sa.func.count()).select_from(trust_anchors).where(_OF_ACCOUNT))
_INSERT = Query(sa.insert(trust_anchors))
_GET = Query(sa.select(trust_anchors).where(*_OWN))
_NEWEST = Query(sa.select(trust_anchors).where(_OF_ACCOUNT).order_by(_a.id.desc()).limit(1))
_DESCRIBE = Query(
    sa.update(trust_anchors)
    .where(*_OWN)
    .values(description=sa.bindparam("new_description"), updated_at=sa.bindparam("now"))
    .returning(trust_anchors)
)
_DELETE = Query(sa.delete(trust_anchors).where(*_OWN))


def _page(*, descending: bool) -> Query:
    after: sa.BindParameter[str] = sa.bindparam("after", type_=Text)
    beyond = _a.id < after if descending else _a.id > after
    return Query(
        sa.select(trust_anchors)
        .where(_OF_ACCOUNT, beyond)
        .order_by(_a.id.desc() if descending else _a.id)
        .limit(sa.bindparam("most", type_=BigInteger))
    )


_PAGES = {descending: _page(descending=descending) for descending in (False, True)}
_START = {False: "", True: "g"}
"""What lies before every id: they are hexadecimal digits."""


class TrustAnchors:
    """The trust anchors of one account."""

    def __init__(self, reader: Reader, account_id: str) -> None:
        self._reader = reader
        self._account_id = account_id

    async def page(self, page: Page) -> tuple[list[Row], bool, int]:
        """The rows, whether there are more, and how many there are in all."""
        rows = await self._reader.fetch_all(
            _PAGES[page.descending],
            account_id=self._account_id,
            after=page.after or _START[page.descending],
            most=page.limit + 1,
        )
        return list(rows[: page.limit]), len(rows) > page.limit, await self._count()

    async def newest(self) -> Row | None:
        return await self._reader.fetch_one(_NEWEST, account_id=self._account_id)

    async def count_alone(self, transaction: Transaction) -> int:
        """How many there are; nobody else adds one until the transaction ends."""
        await transaction.fetch_one(_ALONE, name=f"trust anchors of {self._account_id}")
        return await self._count()

    async def add(self, transaction: Transaction, **values: Any) -> None:
        await transaction.execute(_INSERT, account_id=self._account_id, **values)

    async def get(self, anchor_id: str) -> Row | None:
        return await self._reader.fetch_one(_GET, account_id=self._account_id, id=anchor_id)

    async def describe(self, transaction: Transaction, anchor_id: str, description: str, now: int) -> Row | None:
        """Give it another description; None: there is no such anchor."""
        return await transaction.fetch_one(
            _DESCRIBE, account_id=self._account_id, id=anchor_id, new_description=description, now=now
        )

    async def delete(self, transaction: Transaction, anchor_id: str) -> bool:
        return bool(await transaction.execute(_DELETE, account_id=self._account_id, id=anchor_id))

    async def _count(self) -> int:
        row = await self._reader.fetch_one(_COUNT, account_id=self._account_id)
        assert row is not None
        return int(row[0])
