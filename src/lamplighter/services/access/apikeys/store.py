"""The statements about API keys."""

from __future__ import annotations

import sqlalchemy as sa

from lamplighter.services.access.pages import Listing
from lamplighter.services.access.tables import api_keys, group_members
from lamplighter.storage.query import Query
from lamplighter.storage.schema import Text

_k, _m = api_keys.c, group_members.c
_OWN = _k.account_id == sa.bindparam("account_id")
_ONE = (_OWN, _k.id == sa.bindparam("id"))

GET = Query(sa.select(api_keys).where(*_ONE))
INSERT = Query(sa.insert(api_keys))
UPDATE = Query(
    sa.update(api_keys)
    .where(*_ONE)
    .values(
        {name: sa.bindparam(name) for name in ("name", "status", "owner", "key", "digest")}
        | {"updated_at": sa.bindparam("now"), "version": _k.version + 1}
    )
)
DELETE = Query(sa.delete(api_keys).where(*_ONE))
DISOWN = Query(sa.update(api_keys).where(_OWN, _k.owner == sa.bindparam("user_id")).values(owner=sa.null()))
"""For the keys of a user who is deleted: keys belong to the account, and go on working."""

_TERMS = {"owner": _k.owner, "key": _k.key, "digest": _k.digest}
LIST = Listing(sa.select(api_keys).where(_OWN), _k.id, _TERMS)
OF_GROUP = Listing(
    sa.select(api_keys).where(
        _OWN,
        _k.id.in_(
            sa.select(_m.subject_id).where(
                _m.account_id == sa.bindparam("account_id"),
                _m.kind == sa.literal("apikey", Text),
                _m.group_id == sa.bindparam("group_id"),
            )
        ),
    ),
    _k.id,
)
