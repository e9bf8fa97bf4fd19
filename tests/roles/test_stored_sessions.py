"""Sessions outlive the process: over real sockets, on both databases, with connection IDs of both code points."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import ec

from lamplighter.bus.bus import Bus
from lamplighter.bus.local import LocalBus
from lamplighter.bus.log import START, EventLog
from lamplighter.bus.nats import NatsBus
from lamplighter.coap.numbers import Code
from lamplighter.dtls import SessionEstablished
from lamplighter.services.connect.sessions import starts, store
from lamplighter.services.connect.sessions.tables import device_sessions, session_generation
from lamplighter.services.credentials.model import PreSharedKey
from lamplighter.services.directory.model import Block
from lamplighter.settings import Dtls, Lwm2m
from lamplighter.storage import backup
from lamplighter.storage.database import Database
from lamplighter.storage.query import Query
from tests.api.toy import ACCOUNT
from tests.roles.lwm2m_device import PATIENCE, Device, with_certificate, with_key
from tests.roles.lwm2m_serving import SECRET, SETTINGS, Serving
from tests.roles.test_lwm2m_killed import Child, asked
from tests.servers import NatsServer

NAME = "my-first-device-01"
PATH = "/3303/0/5700"


class House:
    """Processes on one database, one after the other or side by side."""

    def __init__(self, open_database: Callable[[], Database], folder: Path) -> None:
        self._open_database = open_database
        self._folder = folder
        self._parts: dict[Serving, AsyncExitStack] = {}
        self.handshakes = 0

    async def start(self, process: str = "lwm2m", *, port: int = 0, bus: Bus | None = None) -> Serving:
        parts = AsyncExitStack()
        database = self._open_database()
        await database.start()
        parts.push_async_callback(database.close)
        settings = msgspec.structs.replace(SETTINGS, lwm2m=Lwm2m(port=port))
        serving = Serving(database, self._folder, settings, process, bus)
        await serving.start()
        parts.push_async_callback(serving.role.close)
        self._parts[serving] = parts
        take = serving.role.ports.dtls._on_session

        def count(event: Any) -> None:
            self.handshakes += isinstance(event, SessionEstablished)
            take(event)
            serving.changed.set()

        serving.role.ports.dtls._on_session = count
        return serving

    async def stop(self, serving: Serving) -> None:
        """Without a word to the devices."""
        await self._parts.pop(serving).aclose()

    async def close(self) -> None:
        for serving in list(self._parts):
            await self.stop(serving)


@pytest.fixture
async def house(open_database: Callable[[], Database], tmp_path: Path) -> AsyncIterator[House]:
    house = House(open_database, tmp_path)
    yield house
    await house.close()


async def registered(serving: Serving, **config: Any) -> Device:
    device = await serving.device_with_key(NAME, **config)
    assert (await device.register(NAME)).code == Code.CREATED
    return device


async def subscribe(serving: Serving, device: Device) -> None:
    path = f"/v2/subscriptions/{device.location[-1]}/{PATH}"
    answer = await serving.call("PUT", path, "addResourceSubscription")
    assert (await serving.response(answer.json()["async-response-id"]))["status"] == 200


async def notifications(serving: Serving, number: int) -> None:
    """Until so many have been stored."""

    async def enough() -> bool:
        return len(await serving.deliveries("notifications")) >= number

    await serving.until(enough)


def sessions_in(serving: Serving) -> int:
    return len(serving.role.ports.dtls.server.sessions)


async def stored(serving: Serving, device: Device) -> Any:
    session = device.dtls.session
    assert session is not None
    return await store.session(serving.database, session.peer_cid.hex())


# Restart


@pytest.mark.parametrize("draft", [False, True], ids=["54", "254"])
async def test_a_session_its_observation_and_its_commands_survive_a_restart_without_handshake(
    house: House, draft: bool
) -> None:
    first = await house.start()
    device = await registered(first, connection_id_draft=draft)
    await subscribe(first, device)
    device.notify(PATH, b"22.0")
    await notifications(first, 1)
    token = device.observers[PATH]
    await house.stop(first)

    second = await house.start()
    device.go_to(second.role.port)
    device.notify(PATH, b"23.0")
    await notifications(second, 2)
    assert (await device.update()).code == Code.CHANGED
    assert (await second.request(device.location[-1], "GET", "/3/0/0"))["status"] == 200
    assert device.observers == {PATH: token}
    assert device.ended[-1] == "DeliveryAcknowledged"
    assert house.handshakes == 1


async def test_a_command_queued_while_no_process_runs_the_device_is_delivered_when_it_speaks(house: House) -> None:
    first = await house.start()
    device = await registered(first)
    await house.stop(first)
    second = await house.start()
    waiting = asyncio.create_task(second.request(device.location[-1], "POST", "/3/0/4"))
    device.go_to(second.role.port)
    assert (await device.update()).code == Code.CHANGED
    assert (await waiting)["status"] == 200
    assert device.executed == ["/3/0/4"] and house.handshakes == 1


async def test_a_device_that_listens_is_asked_after_a_restart_before_it_has_spoken(house: House) -> None:
    first = await house.start()
    port = first.role.port
    device = await registered(first)
    await house.stop(first)
    second = await house.start(port=port)
    assert (await second.request(device.location[-1], "GET", "/3/0/0"))["status"] == 200
    assert house.handshakes == 1


async def test_a_device_that_moved_is_asked_where_it_is(house: House) -> None:
    first = await house.start()
    port = first.role.port
    device = await registered(first)
    device.go_to(port)
    assert (await device.update()).code == Code.CHANGED
    await house.stop(first)
    second = await house.start(port=port)
    assert (await second.request(device.location[-1], "GET", "/3/0/0"))["status"] == 200
    assert house.handshakes == 1


async def test_sessions_whose_time_is_over_are_removed(house: House) -> None:
    serving = await house.start()
    device = await registered(serving)
    assert await serving.role._sessions.prune() == 0
    async with serving.database.transaction() as tx:
        await tx.execute(Query(sa.update(device_sessions).values(expires_at=1)))
    assert await serving.role._sessions.prune() == 1
    assert await stored(serving, device) is None


async def test_the_devices_of_a_process_that_ended_are_asked_by_another(house: House) -> None:
    bus = LocalBus()
    first, second = await house.start("lwm2m-1", bus=bus), await house.start("lwm2m-2", bus=bus)
    port = first.role.port
    device = await registered(first)
    await house.stop(first)
    third = await house.start("lwm2m-3", port=port, bus=bus)
    assert (await third.request(device.location[-1], "GET", "/3/0/0"))["status"] == 200
    assert sessions_in(second) == 0 and sessions_in(third) == 1 and house.handshakes == 1


async def test_a_session_by_certificate_survives(house: House) -> None:
    first = await house.start()
    credential = first.authority.issue_device(NAME, ACCOUNT, await first.ensured(NAME))
    assert isinstance(credential.key, ec.EllipticCurvePrivateKey)
    device = first.new_device()
    await device.connect(with_certificate(credential, first.authority.device_ca.certificate), first.role.port)
    assert (await device.register(NAME)).code == Code.CREATED
    await house.stop(first)
    second = await house.start()
    device.go_to(second.role.port)
    assert (await device.update()).code == Code.CHANGED
    assert house.handshakes == 1


async def test_a_session_without_connection_id_survives_at_its_address(house: House) -> None:
    first = await house.start()
    port = first.role.port
    device = await registered(first, connection_id=None)
    await house.stop(first)
    second = await house.start(port=port)
    assert (await device.update()).code == Code.CHANGED
    assert house.handshakes == 1 and sessions_in(second) == 1


async def test_every_restart_begins_another_life_of_a_session(house: House) -> None:
    serving = await house.start()
    device = await registered(serving)
    lives = []
    for _ in range(3):
        await house.stop(serving)
        serving = await house.start()
        device.go_to(serving.role.port)
        assert (await device.update()).code == Code.CHANGED
        lives.append((await stored(serving, device))["incarnation"])
    assert 0 < lives[0] < lives[1] < lives[2]
    (session,) = serving.role.ports.dtls.server.sessions
    assert session.incarnation == lives[2]


async def test_tokens_of_a_later_start_are_new(house: House) -> None:
    tokens = set()
    for _ in range(3):
        serving = await house.start()
        tokens |= {serving.role.ports.secure.endpoint.take_token() for _ in range(100)}
        await house.stop(serving)
    assert len(tokens) == 300


async def test_a_register_repeated_to_the_next_process_registers_once(house: House) -> None:
    first = await house.start()
    device = await registered(first)
    device_id = device.location[-1]
    sent: list[bytes] = []
    endpoint = device.endpoint
    datagrams = endpoint.datagrams_to_send

    def listened(now: float) -> Any:
        found = datagrams(now)
        sent.extend(data for data, _ in found)
        return found

    endpoint.datagrams_to_send = listened  # type: ignore[method-assign]
    assert (await device.register(NAME)).code == Code.CREATED
    registration = await first.deliveries("registrations")
    await house.stop(first)
    second = await house.start()
    device.go_to(second.role.port)
    device.dtls.send(sent[0], 0.0)  # the same message, in a new record: its answer was lost
    device.transport.flush()  # type: ignore[union-attr]
    assert (await device.update()).code == Code.CHANGED
    assert len(await second.deliveries("registrations")) == len(registration) == 2
    assert device.location == ("rd", device_id)


async def test_a_session_survives_a_kill(open_database: Callable[[], Database], tmp_path: Path) -> None:
    database = open_database()
    await database.start()
    url = getattr(database, "url", "")
    log = EventLog(database, LocalBus())
    changed = asyncio.Event()
    child = await Child.start(tmp_path, url)
    await child.say(key=NAME)
    device = Device(changed)
    await device.connect(with_key(NAME, SECRET), child.port)
    assert (await device.register(NAME)).code == Code.CREATED
    device_id = device.location[-1]
    assert await child.say(method="PUT", path=f"/v2/subscriptions/{device_id}/{PATH}") == "202"
    await asked(device, changed, ("3303", "0", "5700"))
    await happened(log, "RequestFinished")
    session = device.dtls.session
    await child.kill()

    child = await Child.start(tmp_path, url)
    device.go_to(child.port)
    device.notify(PATH, b"23.0")
    assert (await device.update()).code == Code.CHANGED
    await happened(log, "ResourceNotified")
    request = {"method": "POST", "path": f"/v2/device-requests/{device_id}?async-id=survives"}
    assert await child.say(**request, json={"method": "GET", "uri": "/3/0/0"}) == "202"
    await asked(device, changed, ("3", "0", "0"))
    assert device.dtls.session is session and session is not None and not session.closed
    device.close()
    await child.kill()
    await database.close()


async def happened(log: EventLog, kind: str) -> None:
    """Until an event of that kind is on disk."""
    async with asyncio.timeout(PATIENCE):
        while not [each for each in await log.read(START, 100) if each.event.kind == kind]:
            await asyncio.to_thread(os.sched_yield)  # another process writes it


# Replay


async def test_what_had_its_effect_before_a_restart_has_none_after_it(house: House) -> None:
    first = await house.start()
    device = await registered(first)
    await subscribe(first, device)
    records: list[bytes] = []
    client = device.dtls
    datagrams = client.datagrams_to_send

    def listened(now: float) -> Any:
        found = datagrams(now)
        records.extend(data for data, _ in found)
        return found

    client.datagrams_to_send = listened  # type: ignore[method-assign]
    device.notify(PATH, b"22.0")
    await notifications(first, 1)
    await house.stop(first)

    second = await house.start()
    row = await stored(second, device)
    device.go_to(second.role.port)
    repeated = [each for each in records if len(each) > 40]
    for record in repeated:
        device.transport.socket.send(record, None)  # type: ignore[union-attr]
    assert (await device.update()).code == Code.CHANGED
    assert len(await second.deliveries("notifications")) == 1
    assert (await stored(second, device))["incarnation"] > row["incarnation"]


async def test_a_forged_record_loads_no_session_and_uses_up_no_life(house: House) -> None:
    first = await house.start()
    device = await registered(first)
    before = (await stored(first, device))["incarnation"]
    await house.stop(first)
    second = await house.start()
    device.go_to(second.role.port)
    session = device.dtls.session
    assert session is not None
    forged = bytearray(session.writer.protect(23, b"hello"))
    forged[-1] ^= 1
    await refused(second, lambda: device.transport.socket.send(bytes(forged), None))  # type: ignore[union-attr]
    assert (await stored(second, device))["incarnation"] == before
    assert sessions_in(second) == 0


async def test_forged_records_add_up_over_restarts_and_void_the_session_in_the_end(house: House) -> None:
    serving = await house.start()
    device = await registered(serving)
    session = device.dtls.session
    assert session is not None

    def forge() -> None:
        forged = bytearray(session.writer.protect(23, b"hello"))
        forged[-1] ^= 1
        device.transport.socket.send(bytes(forged), None)  # type: ignore[union-attr]

    (there,) = serving.role.ports.dtls.server.sessions
    limit = there.cipher.integrity_limit
    there.reader.failures = limit - 3
    assert (await device.update()).code == Code.CHANGED
    await house.stop(serving)

    serving = await house.start()
    device.go_to(serving.role.port)
    await refused(serving, forge)
    assert (await device.update()).code == Code.CHANGED
    (there,) = serving.role.ports.dtls.server.sessions
    assert there.reader.failures == limit - 2
    await house.stop(serving)

    serving = await house.start()
    device.go_to(serving.role.port)
    await refused(serving, forge)
    assert await stored(serving, device) is not None
    await refused(serving, forge)
    assert await stored(serving, device) is None


async def refused(serving: Serving, provoke: Callable[[], object]) -> None:
    """Until what that sends has been looked at, and was not found good for any session."""
    refuse = serving.role.ports.dtls.server.refuse_session
    done = asyncio.Event()

    def note(wanted: Any) -> None:
        refuse(wanted)
        done.set()

    serving.role.ports.dtls.server.refuse_session = note  # type: ignore[method-assign]
    provoke()
    await asyncio.wait_for(done.wait(), PATIENCE)
    serving.role.ports.dtls.server.refuse_session = refuse  # type: ignore[method-assign]


# What a session rests on


async def refuses(house: House, device: Device, serving: Serving | None = None, *, left: int = 0) -> Serving:
    """A process (a new one, where none is named) does not take the session up."""
    serving = serving or await house.start()
    device.go_to(serving.role.port)
    update = asyncio.ensure_future(device.update())
    await refused(serving, lambda: None)
    update.cancel()
    await asyncio.gather(update, return_exceptions=True)
    assert sessions_in(serving) == left
    return serving


async def test_a_key_deleted_while_nobody_ran_voids_the_session(house: House) -> None:
    first = await house.start()
    device = await registered(first)
    await first.role.close()
    await first.credentials.delete_key(ACCOUNT, NAME)
    await house.stop(first)
    second = await refuses(house, device)
    assert await stored(second, device) is None


async def test_a_key_made_again_under_its_name_does_not_bring_the_session_back(house: House) -> None:
    first = await house.start()
    device = await registered(first)
    await first.role.close()
    await first.credentials.delete_key(ACCOUNT, NAME)
    await first.credentials.create_key(ACCOUNT, PreSharedKey(NAME, (b"\x11" * len(SECRET)).hex()))
    await house.stop(first)
    second = await refuses(house, device)
    assert await stored(second, device) is None


async def test_an_old_session_that_is_void_leaves_the_new_one_of_its_device_alone(house: House) -> None:
    first = await house.start()
    old = await registered(first)
    assert (await old.deregister()).code == Code.DELETED  # or its session would go with its registration
    await house.stop(first)
    second = await house.start()
    new_secret = b"\x11" * len(SECRET)
    await second.credentials.delete_key(ACCOUNT, NAME)
    await second.credentials.create_key(ACCOUNT, PreSharedKey(NAME, new_secret.hex()))
    device = second.new_device()
    await device.connect(with_key(NAME, new_secret), second.role.port)
    assert (await device.register(NAME)).code == Code.CREATED
    assert await stored(second, old) is not None
    await refuses(house, old, second, left=1)
    assert await stored(second, old) is None
    assert (await device.update()).code == Code.CHANGED


async def test_a_session_by_a_certificate_of_an_authority_that_is_not_trusted_any_more_is_void(
    house: House, tmp_path: Path
) -> None:
    first = await house.start()
    credential = first.authority.issue_device(NAME, ACCOUNT, await first.ensured(NAME))
    device = first.new_device()
    await device.connect(with_certificate(credential, first.authority.device_ca.certificate), first.role.port)
    assert (await device.register(NAME)).code == Code.CREATED
    await house.stop(first)
    house._folder = tmp_path / "another"
    second = await refuses(house, device)
    assert await stored(second, device) is None


@pytest.mark.parametrize("proof", ["certificate", "key"])
async def test_a_session_of_a_device_suspended_while_nobody_ran_is_void(house: House, proof: str) -> None:
    first = await house.start()
    device_id = await first.ensured(NAME)
    if proof == "key":
        device = await first.device_with_key(NAME)
    else:
        credential = first.authority.issue_device(NAME, ACCOUNT, device_id)
        device = first.new_device()
        await device.connect(with_certificate(credential, first.authority.device_ca.certificate), first.role.port)
    assert (await device.register(NAME)).code == Code.CREATED
    assert (await device.deregister()).code == Code.DELETED  # or its session would go with its registration
    await first.role.close()
    await first.directory.suspend(ACCOUNT, device_id, Block(category="lost_or_stolen"))
    await house.stop(first)
    second = await refuses(house, device)
    assert await stored(second, device) is None


async def test_a_deleted_key_cannot_be_resumed_with(house: House) -> None:
    serving = await house.start()
    device = await registered(serving)
    resumables = serving.role.ports.dtls.server._resumables  # type: ignore[union-attr]
    assert device.dtls.resumable is not None and len(resumables) == 1
    await serving.credentials.delete_key(ACCOUNT, NAME)
    await device.closed
    assert len(resumables) == 0


async def test_suspending_a_device_removes_its_stored_session(house: House) -> None:
    serving = await house.start()
    device = await registered(serving)
    assert await stored(serving, device) is not None
    await serving.directory.suspend(ACCOUNT, device.location[-1], Block(category="lost_or_stolen"))
    await device.closed

    async def gone() -> bool:
        return await stored(serving, device) is None

    await serving.until(gone)


async def test_a_session_that_its_device_closed_is_not_stored_any_more(house: House) -> None:
    serving = await house.start()
    device = await registered(serving)
    device.close()
    await serving.until(lambda: _true(sessions_in(serving) == 0))
    await asyncio.gather(*serving.role._sessions._tasks)
    assert await stored(serving, device) is None


async def test_a_restored_backup_voids_the_sessions_in_it(
    house: House, open_database: Callable[[], Database], tmp_path: Path
) -> None:
    first = await house.start()
    device = await registered(first)
    await backup.backup(first.database, tmp_path / "copy")
    if first.database.dialect == "sqlite":
        from lamplighter.storage.sqlite import SqliteDatabase

        await house.stop(first)
        house._open_database = lambda: SqliteDatabase(tmp_path / "restored.db", readers=1, timeout=5)
        await backup.restore(house._open_database(), tmp_path / "copy")
    else:
        from lamplighter.storage.postgresql import PostgresqlDatabase

        url = first.database.url  # type: ignore[attr-defined]
        await emptied(url)
        await house.stop(first)
        await backup.restore(PostgresqlDatabase(url, pool=1, timeout=5), tmp_path / "copy")
    await refuses(house, device)


async def emptied(url: str) -> None:
    """Take every table away, as a new database has none."""
    import asyncpg

    connection = await asyncpg.connect(url)
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await connection.close()


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_a_database_older_than_the_number_of_starts_kept_beside_it_is_another_generation(
    database: Database, tmp_path: Path
) -> None:
    one = await starts.begin(database, tmp_path)
    two = await starts.begin(database, tmp_path)
    assert (two.number, two.generation) == (one.number + 1, one.generation)
    (tmp_path / starts.FILE).write_text("40\n")
    three = await starts.begin(database, tmp_path)
    assert three.number == 41 and three.generation != one.generation


async def test_a_database_in_another_history_is_another_generation(database: Database) -> None:
    one = await starts.begin(database, None)
    assert (await starts.begin(database, None)).generation == one.generation
    async with database.transaction() as tx:  # as if a standby had taken over since
        await tx.execute(Query(sa.update(session_generation).values(history="00000009")))
    assert (await starts.begin(database, None)).generation != one.generation


async def test_a_database_that_came_into_another_history_while_it_ran_gives_out_no_session(house: House) -> None:
    first = await house.start()
    device = await registered(first)
    await house.stop(first)
    second = await house.start()
    async with second.database.transaction() as tx:
        await tx.execute(Query(sa.update(session_generation).values(history="00000009")))
    await refuses(house, device, second)


# Two processes


@pytest.mark.parametrize("draft", [False, True], ids=["54", "254"])
async def test_a_device_that_speaks_to_another_process_is_taken_over_and_the_first_lets_go(
    house: House, draft: bool
) -> None:
    bus = LocalBus()
    first, second = await house.start("lwm2m-1", bus=bus), await house.start("lwm2m-2", bus=bus)
    device = await registered(first, connection_id_draft=draft)
    await subscribe(first, device)
    device.go_to(second.role.port)
    device.notify(PATH, b"23.0")
    await notifications(second, 1)
    await first.until(lambda: _true(sessions_in(first) == 0))
    assert (await second.request(device.location[-1], "GET", "/3/0/0"))["status"] == 200
    assert (await stored(second, device))["process"] == "lwm2m-2"
    assert not first.connect.attached.devices and not device.closed.done()
    assert house.handshakes == 1


async def test_a_device_is_taken_over_across_nats(house: House, nats: NatsServer) -> None:
    buses = [NatsBus(nats.url), NatsBus(nats.url)]
    for bus in buses:
        await bus.start()
    first, second = await house.start("lwm2m-1", bus=buses[0]), await house.start("lwm2m-2", bus=buses[1])
    device = await registered(first)
    await subscribe(first, device)
    device.go_to(second.role.port)
    device.notify(PATH, b"23.0")
    await notifications(second, 1)
    await first.until(lambda: _true(sessions_in(first) == 0))
    answer = await first.request(device.location[-1], "GET", "/3/0/0")  # asked here, delivered there
    assert answer["status"] == 200 and house.handshakes == 1
    await house.close()
    for bus in buses:
        await bus.close()


async def test_a_process_that_was_not_told_finds_at_the_next_effect_that_it_lost_the_session(house: House) -> None:
    first, second = await house.start("lwm2m-1"), await house.start("lwm2m-2")
    device = await registered(first)
    there = device.transport.socket._socket.getpeername()  # type: ignore[union-attr]
    device.go_to(second.role.port)
    assert (await device.update()).code == Code.CHANGED
    assert sessions_in(first) == 1
    device.go_to(there[1])
    assert (await device.update()).code == Code.CHANGED  # it is taken back when the device repeats its request
    assert (await stored(first, device))["process"] == "lwm2m-1"
    assert house.handshakes == 1


async def _true(value: bool) -> bool:
    return value


# Another engine


async def test_with_openssl_devices_come_and_go_and_nothing_is_stored(database: Database, tmp_path: Path) -> None:
    settings = msgspec.structs.replace(SETTINGS, dtls=Dtls(engine="openssl"))
    serving = Serving(database, tmp_path, settings)
    await serving.start()
    device = await registered(serving)
    await subscribe(serving, device)
    device.notify(PATH, b"22.0")
    await notifications(serving, 1)
    assert (await serving.request(device.location[-1], "GET", "/3/0/0"))["status"] == 200
    assert device.dtls.session is not None and device.dtls.session.peer_cid == b""
    assert await store.sessions_of(database, f"psk {ACCOUNT} - {NAME}", 10) == []
    await serving.credentials.delete_key(ACCOUNT, NAME)
    await device.closed
    await serving.close()
