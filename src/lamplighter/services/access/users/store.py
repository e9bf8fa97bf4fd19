"""The statements about users."""

from __future__ import annotations

import sqlalchemy as sa

from lamplighter.services.access.pages import Listing
from lamplighter.services.access.tables import group_members, users
from lamplighter.storage.query import Query
from lamplighter.storage.schema import Text

_u, _m = users.c, group_members.c
_OWN = _u.account_id == sa.bindparam("account_id")
_ONE = (_OWN, _u.id == sa.bindparam("id"))

GET = Query(sa.select(users).where(*_ONE))
LOCK = Query(sa.select(users).where(*_ONE).with_for_update())
INSERT = Query(sa.insert(users))
UPDATE = Query(
    sa.update(users)
    .where(*_ONE)
    .values(
        {
            name: sa.bindparam(name)
            for name in (
                "username",
                "username_key",
                "email",
                "email_key",
                "status",
                "password_hash",
                "password_changed_at",
                "login_profiles",
                "profile",
            )
        }
        | {"updated_at": sa.bindparam("now"), "version": _u.version + 1}
    )
)
DELETE = Query(sa.delete(users).where(*_ONE))

_NAMED = (_u.username_key == sa.bindparam("username_key")) | (_u.email_key == sa.bindparam("email_key"))
BY_NAME = Query(sa.select(users).where(_OWN, _NAMED).order_by(_u.id).limit(2))
"""By user name or e-mail address inside an account."""
ANYWHERE = Query(sa.select(users).where(_NAMED).order_by(_u.id).limit(2))
"""The same where the login names no account: it counts when there is exactly one."""
LOGGED_IN = Query(
    sa.update(users)
    .where(*_ONE)
    .values(last_login_at=sa.bindparam("last_login_at"), login_history=sa.bindparam("login_history"))
)

_TERMS = {
    "email": _u.email_key,
    "status": _u.status,
    "login_profiles": _u.login_profiles,
}
LIST = Listing(sa.select(users).where(_OWN), _u.id, _TERMS)
OF_GROUP = Listing(
    sa.select(users).where(
        _OWN,
        _u.id.in_(
            sa.select(_m.subject_id).where(
                _m.account_id == sa.bindparam("account_id"),
                _m.kind == sa.literal("user", Text),
                _m.group_id == sa.bindparam("group_id"),
            )
        ),
    ),
    _u.id,
    _TERMS,
)
