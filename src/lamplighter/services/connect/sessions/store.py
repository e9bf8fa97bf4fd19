"""The statements of stored sessions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from lamplighter.services.connect.sessions.tables import device_sessions, session_generation
from lamplighter.storage.database import Reader, Row, Transaction
from lamplighter.storage.later import Missing, Touch
from lamplighter.storage.query import Query, insert
from lamplighter.storage.schema import History

_s, _g = device_sessions.c, session_generation.c
_own = (_s.id == sa.bindparam("id"), _s.incarnation == sa.bindparam("incarnation"))
_mark = sa.bindparam("receive_mark", type_=sa.BigInteger)

_BY_ID = Query(sa.select(device_sessions).where(_s.id == sa.bindparam("id")))
_BY_ADDRESS = Query(
    sa.select(device_sessions)
    .where(_s.address == sa.bindparam("address"))
    .order_by(_s.expires_at.desc())
    .limit(sa.bindparam("limit"))
)
_BY_CREDENTIAL = Query(
    sa.select(device_sessions)
    .where(_s.credential == sa.bindparam("credential"))
    .order_by(_s.expires_at.desc())
    .limit(sa.bindparam("limit"))
)
_upsert = insert(device_sessions).values({column.name: sa.bindparam(column.name) for column in device_sessions.columns})
_PUT = Query(
    _upsert.on_conflict_do_update(
        index_elements=["id"],
        set_={
            "receive_mark": sa.case(
                (_s.receive_mark < _upsert.excluded.receive_mark, _upsert.excluded.receive_mark),
                else_=_s.receive_mark,
            )
        },
        where=_s.incarnation == _upsert.excluded.incarnation,
    )
)
_NOTE = Touch(device_sessions, keys=("id", "incarnation"), highest=("receive_mark",))
_RESTATE = Query(
    sa.update(device_sessions)
    .where(*_own)
    .values(
        receive_mark=sa.case((_s.receive_mark < _mark, _mark), else_=_s.receive_mark),
        sealed=sa.bindparam("new_sealed"),
    )
)
_TAKE = Query(
    sa.update(device_sessions)
    .where(
        *_own,
        sa.exists().where(_g.generation == sa.bindparam("generation"), _g.history == History()),
    )
    .values(incarnation=sa.bindparam("next_incarnation"), process=sa.bindparam("new_process"))
)
_REMOVE = Query(sa.delete(device_sessions).where(*_own))
_REVOKE = Query(sa.delete(device_sessions).where(_s.credential == sa.bindparam("credential")))
_PRUNE = Query(
    sa.delete(device_sessions).where(
        _s.id.in_(
            sa.select(_s.id)
            .where(_s.expires_at <= sa.bindparam("now"))
            .order_by(_s.expires_at)
            .limit(sa.bindparam("limit"))
        )
    )
)
_GENERATION = Query(sa.select(session_generation, History().label("current")).with_for_update())
_FIRST = Query(
    insert(session_generation)
    .values(id=1, generation=sa.bindparam("generation"), history="", starts=0)
    .on_conflict_do_nothing(index_elements=["id"])
)
_BEGIN = Query(
    sa.update(session_generation).values(
        generation=sa.bindparam("new_generation"), history=History(), starts=sa.bindparam("new_starts")
    )
)


async def session(reader: Reader, session_id: str) -> Row | None:
    return await reader.fetch_one(_BY_ID, id=session_id)


async def sessions_at(reader: Reader, address: str, limit: int) -> Sequence[Row]:
    """Sessions without connection ID that were made at that address, the youngest first."""
    return await reader.fetch_all(_BY_ADDRESS, address=address, limit=limit)


async def sessions_of(reader: Reader, credential: str, limit: int) -> Sequence[Row]:
    """Sessions that rest on a credential, the youngest first."""
    return await reader.fetch_all(_BY_CREDENTIAL, credential=credential, limit=limit)


async def put(tx: Transaction, **values: Any) -> bool:
    """Store a session; one that is there is marked. False when it has had another life since."""
    return bool(await tx.execute(_PUT, **values))


async def note(tx: Transaction, missing: Missing, session_id: str, incarnation: int, receive_mark: int) -> None:
    """Records up to the mark have had their effect. What ``missing`` makes is raised, at the latest with the end of the
    transaction, when the session is gone or another process's."""
    await tx.touch_later(_NOTE, missing, id=session_id, incarnation=incarnation, receive_mark=receive_mark)


async def restate(tx: Transaction, session_id: str, incarnation: int, receive_mark: int, sealed: bytes) -> bool:
    """Records up to the mark have had their effect, and the session has changed. False when it is gone, or another
    process's."""
    values = {"receive_mark": receive_mark, "new_sealed": sealed}
    return bool(await tx.execute(_RESTATE, id=session_id, incarnation=incarnation, **values))


async def take(
    tx: Transaction, session_id: str, incarnation: int, following: int, process: str, generation: str
) -> bool:
    """Begin the next life of a session. False when somebody else has, or all stored sessions are void."""
    values = {"next_incarnation": following, "new_process": process, "generation": generation}
    return bool(await tx.execute(_TAKE, id=session_id, incarnation=incarnation, **values))


async def remove(tx: Transaction, session_id: str, incarnation: int) -> None:
    await tx.execute(_REMOVE, id=session_id, incarnation=incarnation)


async def revoke(tx: Transaction, credential: str) -> int:
    """Remove what rests on a credential; how many."""
    return await tx.execute(_REVOKE, credential=credential)


async def prune(tx: Transaction, now: int, limit: int) -> int:
    """Remove some of those whose time is over; how many."""
    return await tx.execute(_PRUNE, now=now, limit=limit)


async def generation(tx: Transaction, fresh: str) -> Row:
    """The row of the generation (made with ``fresh`` when there is none), held until the transaction ends; ``current`` is
    the history that the database is in now."""
    await tx.execute(_FIRST, generation=fresh)
    row = await tx.fetch_one(_GENERATION)
    assert row is not None
    return row


async def begin(tx: Transaction, generation: str, starts: int) -> None:
    """Note a start, and the history that it was made in."""
    await tx.execute(_BEGIN, new_generation=generation, new_starts=starts)
