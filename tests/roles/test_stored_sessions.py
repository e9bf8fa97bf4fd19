"""Sessions outlive the process: over real sockets, on both databases, with connection IDs of both code points."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import ec

from lamplighter.bus.local import LocalBus
from lamplighter.bus.log import START, EventLog
from lamplighter.coap.numbers import Code
from lamplighter.services.connect.sessions.tables import device_sessions
from lamplighter.storage.database import Database
from lamplighter.storage.query import Query
from tests.api.toy import ACCOUNT
from tests.roles.house import (
    NAME,
    PATH,
    House,
    notifications,
    registered,
    sessions_in,
    stored,
    subscribe,
)
from tests.roles.lwm2m_device import PATIENCE, Device, with_certificate, with_key
from tests.roles.lwm2m_serving import SECRET
from tests.roles.test_lwm2m_killed import Child, asked


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


async def test_a_device_that_comes_anew_while_its_stored_session_is_loaded_is_asked_in_the_new_one(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await house.start()
    device = await registered(first)
    await house.stop(first)
    second = await house.start()
    take = second.role._sessions.take
    begun, go_on, over = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slowly(*arguments: Any) -> Any:
        begun.set()
        await go_on.wait()
        try:
            return await take(*arguments)
        finally:
            asyncio.get_running_loop().call_soon(over.set)

    monkeypatch.setattr(second.role._sessions, "take", slowly)
    second.role._stored.reach(ACCOUNT, device.location[-1])
    async with asyncio.timeout(PATIENCE):
        await begun.wait()
        again = await second.device_with_key(NAME)
        again.location = device.location
        assert (await again.update()).code == Code.CHANGED
        go_on.set()
        await over.wait()
    assert (await second.request(device.location[-1], "GET", "/3/0/0"))["status"] == 200
    assert ("3", "0", "0") in [each.uri_path() for each in again.requests]


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
