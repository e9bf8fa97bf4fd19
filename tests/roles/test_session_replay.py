"""What reached one process has no second effect in the next, and what is forged has none (gateway rules 2.7 and 2.8)."""

from __future__ import annotations

from typing import Any

from lamplighter.coap.numbers import Code
from tests.roles.house import (
    PATH,
    House,
    notifications,
    refused,
    registered,
    sessions_in,
    stored,
    subscribe,
)


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
