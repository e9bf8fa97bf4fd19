"""The statements about policy groups."""

from __future__ import annotations

import sqlalchemy as sa

from lamplighter.services.access.pages import Listing
from lamplighter.services.access.tables import group_members, groups
from lamplighter.storage.query import Query
from lamplighter.storage.schema import Text

_g, _m = groups.c, group_members.c


def _members(kind: str) -> sa.Label[int]:
    return (
        sa.select(sa.func.count())
        .select_from(group_members)
        .where(_m.account_id == _g.account_id, _m.group_id == _g.id, _m.kind == sa.literal(kind, Text))
        .correlate(groups)
        .scalar_subquery()
        .label(f"{kind}_count")
    )


_COLUMNS = (groups, _members("user"), _members("application"), _members("apikey"))
_OWN = _g.account_id == sa.bindparam("account_id")
_ONE = (_OWN, _g.id == sa.bindparam("id"))

GET = Query(sa.select(*_COLUMNS).where(*_ONE))
BY_POLICY = Query(sa.select(_g.id).where(_OWN, _g.policy == sa.bindparam("policy")).order_by(_g.id).limit(1))
INSERT = Query(sa.insert(groups))
RENAME = Query(
    sa.update(groups)
    .where(*_ONE)
    .values(
        name=sa.bindparam("name"),
        name_key=sa.bindparam("name_key"),
        updated_at=sa.bindparam("now"),
        version=_g.version + 1,
    )
)
TOUCH = Query(sa.update(groups).where(*_ONE).values(updated_at=sa.bindparam("now"), version=_g.version + 1))
DELETE = Query(sa.delete(groups).where(*_ONE))

LIST = Listing(sa.select(*_COLUMNS).where(_OWN), _g.id, {"name": _g.name_key})
OF_SUBJECT = Listing(
    sa.select(*_COLUMNS).where(
        _OWN,
        _g.id.in_(
            sa.select(_m.group_id).where(
                _m.account_id == sa.bindparam("account_id"),
                _m.kind == sa.bindparam("kind"),
                _m.subject_id == sa.bindparam("subject_id"),
            )
        ),
    ),
    _g.id,
)
