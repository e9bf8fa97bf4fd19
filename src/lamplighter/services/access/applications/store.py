"""The statements about applications and their access keys."""

from __future__ import annotations

import sqlalchemy as sa

from lamplighter.services.access.pages import Listing
from lamplighter.services.access.tables import access_keys, applications, group_members
from lamplighter.storage.query import Query
from lamplighter.storage.schema import BigInteger, Text

_a, _k, _m = applications.c, access_keys.c, group_members.c
_OWN = _a.account_id == sa.bindparam("account_id")
_ONE = (_OWN, _a.id == sa.bindparam("id"))

GET = Query(sa.select(applications).where(*_ONE))
COUNT = Query(sa.select(sa.func.count()).select_from(applications).where(_OWN))
INSERT = Query(sa.insert(applications))
UPDATE = Query(
    sa.update(applications)
    .where(*_ONE)
    .values(
        {name: sa.bindparam(name) for name in ("name", "name_key", "description", "status")}
        | {"updated_at": sa.bindparam("now"), "version": _a.version + 1}
    )
)
DELETE = Query(sa.delete(applications).where(*_ONE))
DELETE_KEYS = Query(
    sa.delete(access_keys).where(
        _k.account_id == sa.bindparam("account_id"), _k.application_id == sa.bindparam("application_id")
    )
)

LIST = Listing(sa.select(applications).where(_OWN), _a.id, {"status": _a.status})
OF_GROUP = Listing(
    sa.select(applications).where(
        _OWN,
        _a.id.in_(
            sa.select(_m.subject_id).where(
                _m.account_id == sa.bindparam("account_id"),
                _m.kind == sa.literal("application", Text),
                _m.group_id == sa.bindparam("group_id"),
            )
        ),
    ),
    _a.id,
    {"status": _a.status},
)

_KEY_OWN = _k.account_id == sa.bindparam("account_id")
_KEY_OF = _k.application_id == sa.bindparam("application_id")
_KEY = (_KEY_OWN, _k.id == sa.bindparam("id"))
KEY_GET = Query(sa.select(access_keys).where(*_KEY))
KEY_GET_OF = Query(sa.select(access_keys).where(*_KEY, _KEY_OF))
KEY_COUNT = Query(sa.select(sa.func.count()).select_from(access_keys).where(_KEY_OWN, _KEY_OF))
KEY_INSERT = Query(sa.insert(access_keys))
KEY_UPDATE = Query(
    sa.update(access_keys)
    .where(*_KEY, _KEY_OF)
    .values(
        {name: sa.bindparam(name) for name in ("name", "description", "status", "expiration")}
        | {"updated_at": sa.bindparam("now"), "version": _k.version + 1}
    )
)
KEY_DELETE = Query(sa.delete(access_keys).where(*_KEY, _KEY_OF))

_TERMS = {
    "status": sa.case(
        (_k.expiration <= sa.bindparam("now", type_=BigInteger), sa.literal("EXPIRED", Text)),
        else_=_k.status,
    ),
    "application_id": _k.application_id,
    "key": _k.key,
    "digest": _k.digest,
}
KEY_LIST = Listing(sa.select(access_keys).where(_KEY_OWN), _k.id, _TERMS)
KEY_LIST_OF = Listing(sa.select(access_keys).where(_KEY_OWN, _KEY_OF), _k.id, _TERMS)
