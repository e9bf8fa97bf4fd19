"""The statements about sessions."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from lamplighter.clock import MICROSECONDS, to_rfc3339_seconds
from lamplighter.services.access.tables import sessions
from lamplighter.services.access.users.model import ActiveSession
from lamplighter.storage.query import Query

KEPT: Final = 24 * 3600 * MICROSECONDS
"""How long an idle session is kept at least, so that its token is answered as expired and not as unknown."""

_s = sessions.c
_OF_USER = (_s.account_id == sa.bindparam("account_id"), _s.user_id == sa.bindparam("user_id"))

INSERT = Query(sa.insert(sessions))
OF_USER = Query(
    sa.select(sessions).where(*_OF_USER, _s.last_used_at > sa.bindparam("since")).order_by(_s.id.desc()).limit(20)
)
END = Query(sa.delete(sessions).where(_s.account_id == sa.bindparam("account_id"), _s.id == sa.bindparam("id")))
END_OF_USER = Query(sa.delete(sessions).where(*_OF_USER))
PURGE = Query(sa.delete(sessions).where(_s.last_used_at < sa.bindparam("before")))


def shown(row: Any) -> ActiveSession:
    started = to_rfc3339_seconds(row["created_at"])
    return ActiveSession(
        account_id=row["account_id"],
        ip_address=row["address"],
        user_agent=row["user_agent"],
        reference_token=row["token"],
        login_time=started,
        created_at=started,
    )
