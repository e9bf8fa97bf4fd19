"""The statements about accounts."""

from __future__ import annotations

import sqlalchemy as sa

from lamplighter.services.access.pages import Listing
from lamplighter.services.access.tables import account_aliases, accounts
from lamplighter.storage.query import Query
from lamplighter.storage.schema import SmallInteger, Text

_a = accounts.c

GET = Query(sa.select(accounts).where(_a.id == sa.bindparam("id")))
ROOT = Query(sa.select(accounts).where(_a.root == sa.literal(1, SmallInteger)))
INSERT = Query(sa.insert(accounts))
INSERT_ALIAS = Query(sa.insert(account_aliases))
ALIASES = Query(
    sa.select(account_aliases.c.account_id, account_aliases.c.alias)
    .where(account_aliases.c.account_id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(account_aliases.c.alias)
)
BY_ALIAS = Query(
    sa.select(accounts)
    .join(account_aliases, account_aliases.c.account_id == _a.id)
    .where(account_aliases.c.alias_key == sa.bindparam("alias_key"))
)
CHILDREN = Query(sa.select(accounts).where(_a.parent_id == sa.bindparam("id")).order_by(_a.id).limit(1000))

_TERMS = {
    "status": _a.status,
    "tier": _a.tier,
    "parent": _a.parent_id,
    "end_market": _a.end_market,
    "country": sa.func.coalesce(_a.country, sa.literal("", Text)),
}
ALL = Listing(sa.select(accounts), _a.id, _TERMS)
"""Every account of the installation: for the root account."""
BELOW = Listing(
    sa.select(accounts).where((_a.id == sa.bindparam("id")) | (_a.parent_id == sa.bindparam("id"))), _a.id, _TERMS
)
