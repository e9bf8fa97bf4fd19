"""The attempts of devices that were refused: bounded in number, and the owner of the trusted certificate sees them."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from lamplighter.services.enrollment.tables import denials
from lamplighter.storage.database import Reader, Row, Transaction
from lamplighter.storage.query import Query
from lamplighter.storage.schema import Text

_c = denials.c
_ACCOUNT = _c.account_id == sa.bindparam("account_id_")
_CERTIFICATE = _c.trusted_certificate_id == sa.bindparam("certificate_id")
_ENDPOINT = _c.endpoint_name == sa.bindparam("endpoint")
_MOST: sa.BindParameter[int] = sa.bindparam("most", type_=sa.BigInteger())
_ADD = Query(sa.insert(denials))
_AGAIN = Query(
    sa.update(denials)
    .where(_ACCOUNT, _CERTIFICATE, _ENDPOINT, _c.created_at > sa.bindparam("since"))
    .values(attempts=_c.attempts + 1, reason=sa.bindparam("reason_"))
)
_TRIM = Query(
    sa.delete(denials).where(
        _ACCOUNT,
        _c.id < sa.select(_c.id).where(_ACCOUNT).order_by(_c.id.desc()).offset(_MOST - 1).limit(1).scalar_subquery(),
    )
)
_GET = Query(sa.select(denials).where(_ACCOUNT, _c.id == sa.bindparam("id_")))


def _page(descending: bool, of_endpoint: bool) -> Query:
    after = sa.bindparam("after", type_=Text)
    select = sa.select(denials).where(_ACCOUNT, _CERTIFICATE, _c.id < after if descending else _c.id > after)
    if of_endpoint:
        select = select.where(_ENDPOINT)
    return Query(select.order_by(_c.id.desc() if descending else _c.id).limit(_MOST), heavy=True)


_PAGES = {(descending, named): _page(descending, named) for descending in (False, True) for named in (False, True)}
_COUNTED = sa.select(sa.func.count()).select_from(denials).where(_ACCOUNT, _CERTIFICATE)
_COUNTS = {False: Query(_COUNTED), True: Query(_COUNTED.where(_ENDPOINT))}


async def again(
    tx: Transaction, account_id: str, certificate_id: str, endpoint_name: str, reason: str, since: int
) -> bool:
    """Count one more attempt of a device that was refused since then; False: it was not."""
    values = {"certificate_id": certificate_id, "endpoint": endpoint_name, "reason_": reason}
    return bool(await tx.execute(_AGAIN, account_id_=account_id, since=since, **values))


async def add(
    tx: Transaction,
    *,
    account_id: str,
    id: str,
    trusted_certificate_id: str,
    endpoint_name: str,
    reason: str,
    now: int,
    most: int,
) -> None:
    """A first attempt; the oldest of the account are forgotten where it has more than that."""
    await tx.execute(
        _ADD,
        account_id=account_id,
        id=id,
        trusted_certificate_id=trusted_certificate_id,
        endpoint_name=endpoint_name,
        reason=reason,
        attempts=1,
        created_at=now,
    )
    await tx.execute(_TRIM, account_id_=account_id, most=most)


async def get(reader: Reader, account_id: str, denial_id: str) -> Row | None:
    return await reader.fetch_one(_GET, account_id_=account_id, id_=denial_id)


async def page(
    reader: Reader,
    account_id: str,
    certificate_id: str,
    endpoint_name: str | None,
    *,
    after: str,
    descending: bool,
    most: int,
) -> tuple[Sequence[Row], int]:
    """Denials by id, and how many there are."""
    values = {"account_id_": account_id, "certificate_id": certificate_id}
    if endpoint_name is not None:
        values["endpoint"] = endpoint_name
    counted = await reader.fetch_one(_COUNTS[endpoint_name is not None], **values)
    rows = await reader.fetch_all(_PAGES[descending, endpoint_name is not None], after=after, most=most, **values)
    return rows, int(counted[0]) if counted is not None else 0
