"""The statements of registrations, commands and subscriptions. Every one names the account, but for what expires."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from lamplighter.services.connect.model import Command
from lamplighter.services.connect.tables import commands, registrations, sends, subscriptions
from lamplighter.storage.database import Reader, Row, Transaction
from lamplighter.storage.later import Missing, Touch
from lamplighter.storage.query import Query, insert

SAME_SEND = 247 * 1_000_000
"""Microseconds for which the same message ID and token are the same request: EXCHANGE_LIFETIME, RFC 7252 section 4.8.2."""


def _own(table: sa.Table, *more: str) -> list[sa.ColumnElement[bool]]:
    return [table.c[name] == sa.bindparam(name) for name in ("account_id", "device_id", *more)]


# Registrations

_r = registrations.c
_GET = Query(sa.select(registrations).where(*_own(registrations)))
_LOCK = Query(sa.select(registrations).where(*_own(registrations)).with_for_update())
_upsert = insert(registrations).values({column.name: sa.bindparam(column.name) for column in registrations.columns})
_PUT = Query(
    _upsert.on_conflict_do_update(
        index_elements=["account_id", "device_id"],
        set_={column.name: _upsert.excluded[column.name] for column in registrations.columns if not column.primary_key},
    )
)
_TOUCH = Touch(
    registrations,
    keys=("account_id", "device_id", "registration_id"),
    values=("expires_at", "process", "peer", "updated_at"),
)
_CHANGE = Query(
    sa.update(registrations)
    .where(*_own(registrations, "registration_id"))
    .values(
        {
            name: sa.bindparam(f"new_{name}")
            for name in (
                "lifetime",
                "expires_at",
                "binding",
                "queue_mode",
                "endpoint_type",
                "links",
                "process",
                "peer",
                "updated_at",
            )
        }
    )
)
_MOVE = Query(
    sa.update(registrations)
    .where(*_own(registrations, "registration_id"))
    .values({name: sa.bindparam(f"new_{name}") for name in ("process", "peer")})
)
_RESET = Query(sa.update(registrations).where(*_own(registrations)).values(reset=1))
_REMOVE = Query(sa.delete(registrations).where(*_own(registrations, "registration_id")))
_LIST = Query(
    sa.select(_r.device_id, _r.endpoint_type, _r.queue_mode)
    .where(_r.account_id == sa.bindparam("account_id"))
    .order_by(_r.device_id),
    heavy=True,
)
_BY_ENDPOINT = Query(
    sa.select(registrations).where(
        _r.account_id == sa.bindparam("account_id"), _r.endpoint_name == sa.bindparam("endpoint_name")
    )
)
_EXPIRED = Query(
    sa.select(registrations)
    .where(_r.expires_at <= sa.bindparam("now"))
    .order_by(_r.expires_at)
    .limit(sa.bindparam("limit"))
)


async def registration(reader: Reader, account_id: str, device_id: str) -> Row | None:
    return await reader.fetch_one(_GET, account_id=account_id, device_id=device_id)


async def lock_registration(tx: Transaction, account_id: str, device_id: str) -> Row | None:
    """The row, held against other writers until the transaction ends."""
    return await tx.fetch_one(_LOCK, account_id=account_id, device_id=device_id)


async def put_registration(tx: Transaction, values: Mapping[str, Any]) -> None:
    """Store a registration in the place of the device's older one."""
    await tx.execute(_PUT, **values)


async def touch_registration(tx: Transaction, missing: Missing, **values: Any) -> None:
    """Refresh the registration named by account_id, device_id and registration_id: expires_at, process, peer, updated_at.
    What ``missing`` makes is raised, at the latest with the end of the transaction, when it is gone."""
    await tx.touch_later(_TOUCH, missing, **values)


async def move_registration(
    tx: Transaction, account_id: str, device_id: str, registration_id: str, *, process: str, peer: str
) -> None:
    await tx.execute(
        _MOVE,
        account_id=account_id,
        device_id=device_id,
        registration_id=registration_id,
        new_process=process,
        new_peer=peer,
    )


async def change_registration(
    tx: Transaction, account_id: str, device_id: str, registration_id: str, **values: Any
) -> None:
    new = {f"new_{name}": value for name, value in values.items()}
    await tx.execute(_CHANGE, account_id=account_id, device_id=device_id, registration_id=registration_id, **new)


async def note_reset(tx: Transaction, account_id: str, device_id: str) -> None:
    """The device has agreed to a factory reset."""
    await tx.execute(_RESET, account_id=account_id, device_id=device_id)


async def remove_registration(tx: Transaction, account_id: str, device_id: str, registration_id: str) -> bool:
    return bool(await tx.execute(_REMOVE, account_id=account_id, device_id=device_id, registration_id=registration_id))


async def registrations_of(reader: Reader, account_id: str) -> Sequence[Row]:
    return await reader.fetch_all(_LIST, account_id=account_id)


async def registrations_of_endpoint(reader: Reader, account_id: str, endpoint_name: str) -> Sequence[Row]:
    return await reader.fetch_all(_BY_ENDPOINT, account_id=account_id, endpoint_name=endpoint_name)


async def expired_registrations(reader: Reader, now: int, limit: int) -> Sequence[Row]:
    """Of all accounts, the longest expired first."""
    return await reader.fetch_all(_EXPIRED, now=now, limit=limit)


# Commands

_c = commands.c
_ADD = Query(sa.insert(commands))
_COUNT = Query(sa.select(sa.func.count().label("number")).where(*_own(commands)))
_KNOWN = Query(sa.select(_c.id).where(*_own(commands, "subject_id", "async_id")))
_NEXT = Query(sa.select(commands).where(*_own(commands)).order_by(_c.id).limit(1))
_WAITED_FOR = Query(
    sa.select(_c.account_id, _c.device_id)
    .join_from(commands, registrations, sa.and_(_r.account_id == _c.account_id, _r.device_id == _c.device_id))
    .where(
        _r.process == sa.bindparam("process"),
        _r.queue_mode == sa.literal_column("0"),
        sa.tuple_(_c.account_id, _c.device_id) > sa.tuple_(sa.bindparam("after_account"), sa.bindparam("after_device")),
    )
    .distinct()
    .order_by(_c.account_id, _c.device_id)
    .limit(sa.bindparam("limit", type_=sa.BigInteger()))
)
_SENT = Query(sa.update(commands).where(*_own(commands, "id")).values(sent_by=sa.bindparam("process")))
_KEEP = Query(
    sa.update(commands).where(*_own(commands, "id")).values(sent_by="", deliveries=sa.bindparam("new_deliveries"))
)
_TAKE = Query(sa.delete(commands).where(*_own(commands, "id")).returning(_c.id))
_TAKE_ALL = Query(
    sa.delete(commands)
    .where(*_own(commands))
    .returning(_c.id, _c.subject_id, _c.async_id, _c.method, _c.uri, _c.expires_at)
)
_LATE = Query(
    sa.select(
        _c.account_id, _c.device_id, _c.id, _c.subject_id, _c.async_id, _c.method, _c.uri, _c.sent_by, _c.expires_at
    )
    .where(_c.expires_at <= sa.bindparam("now"))
    .order_by(_c.expires_at)
    .limit(sa.bindparam("limit"))
)


async def add_command(tx: Transaction, account_id: str, device_id: str, command: Command, created_at: int) -> None:
    values = command._asdict()
    await tx.execute(_ADD, account_id=account_id, device_id=device_id, created_at=created_at, **values)


async def waiting(reader: Reader, account_id: str, device_id: str) -> int:
    """How many commands the device has not answered yet."""
    row = await reader.fetch_one(_COUNT, account_id=account_id, device_id=device_id)
    return int(row["number"]) if row is not None else 0


async def is_waiting(reader: Reader, account_id: str, device_id: str, subject_id: str, async_id: str) -> bool:
    found = await reader.fetch_one(
        _KNOWN, account_id=account_id, device_id=device_id, subject_id=subject_id, async_id=async_id
    )
    return found is not None


async def next_command(reader: Reader, account_id: str, device_id: str) -> Command | None:
    """The oldest."""
    row = await reader.fetch_one(_NEXT, account_id=account_id, device_id=device_id)
    return Command(*(row[name] for name in Command._fields)) if row is not None else None


async def devices_waited_for(reader: Reader, process: str, after: tuple[str, str], limit: int) -> list[tuple[str, str]]:
    """Account and id of those of a process that always listen, and that something waits for; behind these, in order."""
    rows = await reader.fetch_all(
        _WAITED_FOR, process=process, after_account=after[0], after_device=after[1], limit=limit
    )
    return [(row["account_id"], row["device_id"]) for row in rows]


async def mark_sent(tx: Transaction, account_id: str, device_id: str, command_id: str, process: str) -> bool:
    """False when the command has ended meanwhile."""
    return bool(await tx.execute(_SENT, account_id=account_id, device_id=device_id, id=command_id, process=process))


async def keep_command(tx: Transaction, account_id: str, device_id: str, command_id: str, deliveries: int) -> None:
    """A delivery failed and more may be tried."""
    await tx.execute(_KEEP, account_id=account_id, device_id=device_id, id=command_id, new_deliveries=deliveries)


async def take_command(tx: Transaction, account_id: str, device_id: str, command_id: str) -> bool:
    """End a command; False when somebody else has."""
    return await tx.fetch_one(_TAKE, account_id=account_id, device_id=device_id, id=command_id) is not None


async def take_commands(tx: Transaction, account_id: str, device_id: str) -> Sequence[Row]:
    """End all commands of a device: id, subject_id, async_id, method, uri, expires_at of each, in order."""
    rows = await tx.fetch_all(_TAKE_ALL, account_id=account_id, device_id=device_id)
    return sorted(rows, key=lambda row: str(row["id"]))


async def late_commands(reader: Reader, now: int, limit: int) -> Sequence[Row]:
    """Of all accounts, those past their expiry."""
    return await reader.fetch_all(_LATE, now=now, limit=limit)


# Subscriptions

_s = subscriptions.c
_SUBSCRIBE = Query(sa.insert(subscriptions))
_SUBSCRIPTION = Query(sa.select(subscriptions).where(*_own(subscriptions, "path", "subject_id")))
_ACTIVATE = Query(
    sa.update(subscriptions)
    .where(*_own(subscriptions, "path", "subject_id"))
    .values(active=1, session=sa.bindparam("new_session"), token=sa.bindparam("new_token"))
)
_OBSERVE = Query(
    sa.update(subscriptions)
    .where(*_own(subscriptions, "path"), _s.active == 1)
    .values(session=sa.bindparam("new_session"), token=sa.bindparam("new_token"))
)
_OBSERVATIONS = Query(
    sa.select(_s.path, _s.token)
    .where(*_own(subscriptions, "session"), _s.active == 1, _s.token != "")
    .distinct()
    .order_by(_s.path)
)
_UNSUBSCRIBE = Query(sa.delete(subscriptions).where(*_own(subscriptions, "path", "subject_id")))
_UNSUBSCRIBE_ALL = Query(sa.delete(subscriptions).where(*_own(subscriptions, "subject_id")).returning(_s.path))
_PATHS = Query(sa.select(_s.path).where(*_own(subscriptions, "subject_id")).order_by(_s.path))
_ALL = Query(sa.select(_s.path, _s.subject_id).where(*_own(subscriptions)).order_by(_s.path, _s.subject_id))
_SUBJECTS = Query(sa.select(_s.subject_id).where(*_own(subscriptions, "path")).order_by(_s.subject_id))
_OBSERVED = Query(sa.select(_s.path).where(*_own(subscriptions), _s.active == 1).distinct().order_by(_s.path))
_DEVICES_OF = Query(
    sa.select(_s.device_id)
    .where(
        _s.account_id == sa.bindparam("account_id"),
        _s.subject_id == sa.bindparam("subject_id"),
        _s.device_id > sa.bindparam("after"),
    )
    .distinct()
    .order_by(_s.device_id)
    .limit(sa.bindparam("limit", type_=sa.BigInteger())),
    heavy=True,
)
_CLEAR_ACTIVE = Query(sa.delete(subscriptions).where(*_own(subscriptions), _s.active == 1))
_CLEAR = Query(sa.delete(subscriptions).where(*_own(subscriptions)))


async def subscribe(
    tx: Transaction, account_id: str, device_id: str, path: str, subject_id: str, async_id: str, active: bool, now: int
) -> None:
    """Raises UniqueViolation."""
    await tx.execute(
        _SUBSCRIBE,
        account_id=account_id,
        device_id=device_id,
        path=path,
        subject_id=subject_id,
        async_id=async_id,
        active=int(active),
        created_at=now,
        session="",
        token="",
        by_rule=0,
    )


async def subscription(reader: Reader, account_id: str, device_id: str, path: str, subject_id: str) -> Row | None:
    return await reader.fetch_one(
        _SUBSCRIPTION, account_id=account_id, device_id=device_id, path=path, subject_id=subject_id
    )


async def activate(
    tx: Transaction, account_id: str, device_id: str, path: str, subject_id: str, session: str, token: bytes
) -> bool:
    """The device was asked and agreed. False when the subscription is gone."""
    own = {"account_id": account_id, "device_id": device_id, "path": path, "subject_id": subject_id}
    return bool(await tx.execute(_ACTIVATE, **own, new_session=session, new_token=token.hex()))


async def observing(tx: Transaction, account_id: str, device_id: str, path: str, session: str, token: bytes) -> None:
    """The device was asked again, in another session."""
    own = {"account_id": account_id, "device_id": device_id, "path": path}
    await tx.execute(_OBSERVE, **own, new_session=session, new_token=token.hex())


async def observations(reader: Reader, account_id: str, device_id: str, session: str) -> dict[str, bytes]:
    """What the device observes in that session: tokens by path."""
    rows = await reader.fetch_all(_OBSERVATIONS, account_id=account_id, device_id=device_id, session=session)
    return {row["path"]: bytes.fromhex(row["token"]) for row in rows}


async def unsubscribe(tx: Transaction, account_id: str, device_id: str, path: str, subject_id: str) -> bool:
    return bool(
        await tx.execute(_UNSUBSCRIBE, account_id=account_id, device_id=device_id, path=path, subject_id=subject_id)
    )


async def unsubscribe_all(tx: Transaction, account_id: str, device_id: str, subject_id: str) -> list[str]:
    """The paths that were subscribed to."""
    rows = await tx.fetch_all(_UNSUBSCRIBE_ALL, account_id=account_id, device_id=device_id, subject_id=subject_id)
    return [row["path"] for row in rows]


async def paths_of(reader: Reader, account_id: str, device_id: str, subject_id: str) -> list[str]:
    rows = await reader.fetch_all(_PATHS, account_id=account_id, device_id=device_id, subject_id=subject_id)
    return [row["path"] for row in rows]


async def devices_of_subject(reader: Reader, account_id: str, subject_id: str, after: str, limit: int) -> list[str]:
    """Devices behind that one on which the application is subscribed to something, in order."""
    rows = await reader.fetch_all(_DEVICES_OF, account_id=account_id, subject_id=subject_id, after=after, limit=limit)
    return [row["device_id"] for row in rows]


async def subjects_of(reader: Reader, account_id: str, device_id: str, path: str) -> tuple[str, ...]:
    """Who is told of a change: also those to whom the device's consent is still under way, for it comes first."""
    rows = await reader.fetch_all(_SUBJECTS, account_id=account_id, device_id=device_id, path=path)
    return tuple([row["subject_id"] for row in rows])


async def all_subjects(reader: Reader, account_id: str, device_id: str) -> list[tuple[str, str]]:
    """Paths, and who is told of them."""
    rows = await reader.fetch_all(_ALL, account_id=account_id, device_id=device_id)
    return [(row["path"], row["subject_id"]) for row in rows]


async def observed_paths(reader: Reader, account_id: str, device_id: str) -> list[str]:
    rows = await reader.fetch_all(_OBSERVED, account_id=account_id, device_id=device_id)
    return [row["path"] for row in rows]


async def clear_subscriptions(tx: Transaction, account_id: str, device_id: str, *, pending: bool) -> None:
    """All of a device; ``pending``: those too that it has not been asked for yet."""
    await tx.execute(_CLEAR if pending else _CLEAR_ACTIVE, account_id=account_id, device_id=device_id)


# Send

_n = sends.c
_sent = insert(sends).values({column.name: sa.bindparam(column.name) for column in _n})
_TAKE_SEND = Query(
    _sent.on_conflict_do_update(
        index_elements=["account_id", "device_id"],
        set_={"mark": _sent.excluded["mark"], "sent_at": _sent.excluded["sent_at"]},
        where=sa.or_(_n.mark != _sent.excluded["mark"], _n.sent_at < _sent.excluded["sent_at"] - SAME_SEND),
    ).returning(_n.mark)
)
_FORGET_SEND = Query(sa.delete(sends).where(*_own(sends)))


async def take_send(tx: Transaction, account_id: str, device_id: str, mark: str, now: int) -> bool:
    """Note a Send; False when it is the last one over again."""
    found = await tx.fetch_one(_TAKE_SEND, account_id=account_id, device_id=device_id, mark=mark, sent_at=now)
    return found is not None


async def forget_send(tx: Transaction, account_id: str, device_id: str) -> None:
    await tx.execute(_FORGET_SEND, account_id=account_id, device_id=device_id)
