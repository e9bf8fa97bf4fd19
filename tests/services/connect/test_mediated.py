"""Devices behind an edge gateway (wire facts section 7)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lamplighter.bus.local import LocalBus
from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code, Option
from lamplighter.lwm2m.link import Link, parse_links
from lamplighter.services.connect.service import Ending, Identity, Proof, Registered, parse_identity
from lamplighter.services.directory.model import DeviceCreate, Facts
from lamplighter.settings import Lwm2m, Settings
from lamplighter.storage.database import Database
from tests.api.toy import ACCOUNT
from tests.services.connect.bench import PATIENCE, Bench, FakePeer

GATEWAY = "endpoint-of-a-gateway"
OWN = '</3/0/0>;v="maker";aobs="5",</26241/0/1>;obs'
LAMP = '</d/lamp>;name="lamp",</d/lamp/3303/0/5700>;rt="temperature";obs,</d/lamp/3/0/2>;v="4711";aobs="343"'
FAN = '</d/fan>;name="fan",</d/fan/3311/0/5850>;obs'


def links(*texts: str) -> tuple[Link, ...]:
    return tuple(parse_links(",".join(texts)))


async def connected(bench: Bench, peer: FakePeer, *texts: str, name: str = GATEWAY) -> Registered:
    return await bench.register(peer, name, links=links(OWN, *texts), endpoint_type="MBED_GW", client_version="4.13.2")


async def named(bench: Bench, name: str) -> Any:
    known = await bench.directory.device_of_endpoint(bench.database, ACCOUNT, name)
    assert known is not None
    return await bench.directory.retrieve(ACCOUNT, known.device_id)


async def until_state(bench: Bench, name: str, state: str | None) -> None:
    """Until the device of that name has that state, or (None) is gone."""
    changed = asyncio.Event()
    subscription = await bench.log.on_append(changed.set)
    async with asyncio.timeout(PATIENCE):
        while True:
            changed.clear()
            known = await bench.directory.device_of_endpoint(bench.database, ACCOUNT, name)
            if (known.state if known is not None else None) == state:
                break
            await changed.wait()
    await subscription.cancel()


async def test_each_device_behind_a_gateway_is_a_device_of_its_own(bench: Bench) -> None:
    gateway = await connected(bench, FakePeer(), LAMP, FAN)
    lamp, fan = await named(bench, "lamp"), await named(bench, "fan")
    assert (lamp.host_gateway, lamp.state, lamp.serial_number) == (gateway.device_id, "registered", "4711")
    assert (fan.host_gateway, fan.state) == (gateway.device_id, "registered")
    told = {item["original-ep"]: item for item in await bench.told("registrations")}
    assert told["lamp"]["ep"] == lamp.id
    assert [each["path"] for each in told["lamp"]["resources"]] == ["/3303/0/5700", "/3/0/2"]
    assert [each["path"] for each in told[GATEWAY]["resources"]] == ["/3/0/0", "/26241/0/1", "/d/lamp", "/d/fan"]
    listed = await bench.call("GET", f"/v2/endpoints/{lamp.id}", "getEndpointResources")
    assert listed.json()[0] == {"uri": "/3303/0/5700", "rt": "temperature", "type": "", "obs": True}


async def test_requests_to_it_go_through_the_gateway_with_its_path_in_front(bench: Bench) -> None:
    peer = FakePeer()
    await connected(bench, peer, LAMP)
    lamp = await named(bench, "lamp")
    await bench.request(lamp.id, "one", "PUT", "/3303/0/5700?pmin=1")
    asked = await peer.asked()
    assert (asked.path, asked.message.uri_query()) == ("/d/lamp/3303/0/5700", ("pmin=1",))
    asked.answer(code=Code.CHANGED)
    await bench.idle()
    assert await bench.ends() == {"one": (200, "")}


async def test_what_it_observes_by_itself_and_what_is_observed_is_told_as_its_own(bench: Bench) -> None:
    peer = FakePeer()
    await connected(bench, peer, LAMP)
    lamp = await named(bench, "lamp")
    assert peer.adopted[(343).to_bytes(2, "big")] == "/d/lamp/3/0/2"
    answer = await bench.call("PUT", f"/v2/subscriptions/{lamp.id}/3303/0/5700", "addResourceSubscription")
    assert answer.status_code == 202
    asked = await peer.asked()
    assert (asked.path, asked.message.observe) == ("/d/lamp/3303/0/5700", 0)
    asked.answer(b"20", observe=2)
    await bench.idle()
    assert asked.token is not None
    for token in (asked.token, (343).to_bytes(2, "big")):
        message = Message(Code.CONTENT, payload=b"21").add(Option.OBSERVE, 3)
        assert await bench.connect.notified(peer, token, message)
    told = await bench.told("notifications")
    assert [(each["ep"], each["path"]) for each in told] == [(lamp.id, "/3303/0/5700"), (lamp.id, "/3/0/2")]


async def test_an_update_adds_changes_and_takes_away(bench: Bench) -> None:
    peer = FakePeer()
    gateway = await connected(bench, peer, LAMP)
    lamp = await named(bench, "lamp")
    await bench.update(peer, gateway, links=links(FAN, "</d/lamp/3303/1/5700>;obs"))
    fan = await named(bench, "fan")
    assert [item["ep"] for item in await bench.told("registrations")] == [gateway.device_id, lamp.id, fan.id]
    changed = next(item for item in await bench.told("reg-updates") if item["ep"] == lamp.id)
    assert [each["path"] for each in changed["resources"]] == ["/3303/0/5700", "/3/0/2", "/3303/1/5700"]
    updated = await bench.update(peer, gateway, links=links("</d/lamp>;d"))
    assert await bench.told("de-registrations") == [lamp.id]
    assert (await named(bench, "lamp")).state == "deregistered"
    assert [link.target for link in updated.links] == ["/3/0/0", "/26241/0/1", "/d/fan"]
    await bench.update(peer, gateway, links=links("</d/fan>;d", FAN))
    assert await bench.told("de-registrations") == [lamp.id, fan.id]
    assert (await named(bench, "fan")).state == "registered"


async def test_an_update_without_news_tells_of_the_gateway_only(bench: Bench) -> None:
    peer = FakePeer()
    gateway = await connected(bench, peer, LAMP)
    await bench.update(peer, gateway)
    await bench.update(peer, gateway, links=links('</d/lamp/3/0/2>;v="4711";aobs="343"'))
    assert {item["ep"] for item in await bench.told("reg-updates")} == {gateway.device_id}


async def test_a_new_registration_of_the_gateway_lists_all_that_is_there(bench: Bench) -> None:
    peer = FakePeer()
    await connected(bench, peer, LAMP, FAN)
    lamp, fan = await named(bench, "lamp"), await named(bench, "fan")
    await bench.request(fan.id, "waiting", uri="/3311/0/5850")
    await peer.asked()
    await connected(bench, peer, LAMP)
    assert await bench.told("de-registrations") == [fan.id]
    assert (await bench.ends())["waiting"] == (429, "DEVICE_REMOVED_REGISTRATION")
    assert (await named(bench, "lamp")).id == lamp.id
    await connected(bench, FakePeer())
    assert await bench.told("de-registrations") == [fan.id, lamp.id]


@pytest.mark.parametrize("how", [Ending.DEREGISTERED, Ending.EXPIRED])
async def test_they_end_with_the_gateways_registration(bench: Bench, how: Ending) -> None:
    await bench.connect.start()
    gateway = await connected(bench, FakePeer(), LAMP, FAN)
    if how is Ending.EXPIRED:
        bench.clock.advance(10**6)
        await bench.connect.expire()
    else:
        identity = Identity(Proof.PSK, ACCOUNT, GATEWAY)
        await bench.connect.deregister(identity, gateway.location, FakePeer())
    await until_state(bench, "lamp", "deregistered")
    await until_state(bench, "fan", "deregistered")


async def test_they_are_deleted_with_the_gateway_and_what_an_owner_put_behind_it_is_not(bench: Bench) -> None:
    await bench.connect.start()
    gateway = await connected(bench, FakePeer(), LAMP)
    await bench.directory.create(ACCOUNT, "1", DeviceCreate(host_gateway=gateway.device_id, endpoint_name="by-hand-01"))
    await bench.directory.remove(ACCOUNT, gateway.device_id)
    await until_state(bench, "lamp", None)
    assert (await named(bench, "by-hand-01")).host_gateway == gateway.device_id


async def test_two_gateways_may_have_a_device_of_one_name(bench: Bench) -> None:
    first = await connected(bench, FakePeer(), LAMP)
    second = await connected(bench, FakePeer(), LAMP, name="another-gateway-1")
    own = await named(bench, f"lamp@{second.device_id}"[:64])
    assert (await named(bench, "lamp")).host_gateway == first.device_id
    assert own.host_gateway == second.device_id
    long = "a-name-that-is-as-long-as-names-of-devices-behind-gateways-can-be"[:64]
    node = f"</d/{long}>,</d/{long}/3/0/0>"
    await connected(bench, FakePeer(), node)
    await connected(bench, FakePeer(), node, name="another-gateway-1")
    assert (await bench.call("GET", "/v2/endpoints")).json().__len__() == 4


async def test_a_device_that_went_to_another_gateway_is_the_same_device(bench: Bench) -> None:
    peer = FakePeer()
    first = await connected(bench, peer, LAMP)
    lamp = await named(bench, "lamp")
    await bench.update(peer, first, links=links("</d/lamp>;d"))
    second = await connected(bench, FakePeer(), LAMP, name="another-gateway-1")
    moved = await named(bench, "lamp")
    assert (moved.id, moved.host_gateway) == (lamp.id, second.device_id)


async def test_a_device_with_a_credential_of_its_own_is_not_taken_over(bench: Bench) -> None:
    device = await bench.register(FakePeer(), "lamp")
    await connected(bench, FakePeer(), LAMP)
    known = await named(bench, "lamp")
    assert (known.id, known.host_gateway) == (device.device_id, "")


async def test_a_record_made_for_the_gateway_is_used(bench: Bench) -> None:
    async with bench.database.transaction() as tx:
        gateway = await bench.directory.ensure_device(tx, ACCOUNT, GATEWAY, Facts())
        made = await bench.directory.ensure_device(tx, ACCOUNT, "lamp", Facts(host_gateway=gateway.device_id))
    await connected(bench, FakePeer(), LAMP)
    lamp = await named(bench, "lamp")
    assert (lamp.id, lamp.state) == (made.device_id, "registered")


async def test_a_gateway_has_a_largest_number_of_devices_and_those_that_cannot_be_kept_are_left_out(
    database: Database,
) -> None:
    bench = Bench(database, settings=Settings(lwm2m=Lwm2m(gateway_devices=2)))
    peer = FakePeer()
    many = [f"</d/lamp{number}>,</d/lamp{number}/3/0/0>" for number in range(4)]
    gateway = await connected(bench, peer, f"</d/{'x' * 65}>", *many)
    assert len(await bench.told("registrations")) == 3
    await bench.update(peer, gateway, links=links(many[3]))
    assert len(await bench.told("registrations")) == 3
    await bench.update(peer, gateway, links=links("</d/lamp0>;d", many[3]))
    assert len(await bench.told("registrations")) == 4
    await bench.connect.close()


async def test_a_suspended_device_stays_away_and_the_gateway_does_not(bench: Bench) -> None:
    peer = FakePeer()
    await connected(bench, peer, LAMP)
    lamp = await named(bench, "lamp")
    await bench.connect.end(ACCOUNT, lamp.id, Ending.SUSPENDED, before=bench.clock.now())
    async with bench.database.transaction() as tx:
        await bench.directory.system_suspend(tx, ACCOUNT, lamp.id, "maintenance", "")
    assert not peer.closed
    await connected(bench, peer, LAMP, FAN)
    assert (await named(bench, "lamp")).state == "deregistered"
    assert (await named(bench, "fan")).state == "registered"


async def test_after_a_restart_they_are_reached_from_the_gateways_next_update_on(bench: Bench) -> None:
    gateway = await connected(bench, FakePeer(), LAMP)
    lamp = await named(bench, "lamp")
    after, peer = Bench(bench.database, clock=bench.clock, bus=LocalBus(), process="other"), FakePeer()
    await after.request(lamp.id, "held", uri="/3303/0/5700")
    await after.update(peer, gateway)
    asked = await peer.asked()
    assert asked.path == "/d/lamp/3303/0/5700"
    asked.answer(b"21")
    await after.idle()
    assert await after.ends() == {"held": (200, "21")}
    after.connect.disconnected(peer)
    await after.request(lamp.id, "later", uri="/3303/0/5700")
    assert peer.is_left_alone
    await after.connect.close()


async def test_what_is_observed_behind_a_gateway_goes_on_with_its_stored_session(database: Database) -> None:
    bench, peer, restored = Bench(database), FakePeer(), FakePeer("192.0.2.2 5000")
    peer.session = restored.session = "stored"
    gateway = await connected(bench, peer, LAMP, FAN)
    lamp, fan = await named(bench, "lamp"), await named(bench, "fan")
    tokens: list[bytes] = []
    for device_id, path in ((lamp.id, "/3303/0/5700"), (fan.id, "/3311/0/5850")):
        await bench.call("PUT", f"/v2/subscriptions/{device_id}{path}", "addResourceSubscription")
        asked = await peer.asked()
        asked.answer(b"20", observe=2)
        tokens.append(asked.token or b"")
    await bench.idle()
    await bench.connect.close()
    after = Bench(database, clock=bench.clock)
    async with database.transaction() as tx:
        moved = await after.connect.move(tx, parse_identity(gateway.credential), "stored", restored.address)
    assert moved is not None
    after.connect.moved(moved, restored)
    after.connect.contacted(restored)
    await after.idle()
    assert restored.is_left_alone
    assert restored.adopted == {
        (5).to_bytes(2, "big"): "/3/0/0",
        (343).to_bytes(2, "big"): "/d/lamp/3/0/2",
        tokens[0]: "/d/lamp/3303/0/5700",
        tokens[1]: "/d/fan/3311/0/5850",
    }
    for token in tokens:
        assert await after.connect.notified(restored, token, Message(Code.CONTENT, payload=b"21"))
    told = await after.told("notifications")
    assert [(each["ep"], each["path"]) for each in told] == [(lamp.id, "/3303/0/5700"), (fan.id, "/3311/0/5850")]
    await after.connect.close()


async def test_a_device_is_looked_for_where_its_gateway_is(bench: Bench) -> None:
    gateway = await connected(bench, FakePeer(), LAMP)
    lamp = await named(bench, "lamp")
    own = await bench.connect.credential_of_listening(ACCOUNT, gateway.device_id)
    assert own is not None and await bench.connect.credential_of_listening(ACCOUNT, lamp.id) == own
    assert await bench.connect.credential_of_listening(ACCOUNT, "0" * 32) is None


async def test_a_gateway_that_comes_in_another_session_keeps_what_is_behind_it(bench: Bench) -> None:
    first, second = FakePeer(), FakePeer()
    gateway = await connected(bench, first, LAMP)
    lamp = await named(bench, "lamp")
    await bench.update(second, gateway)
    bench.connect.disconnected(first)
    await bench.request(lamp.id, "one", uri="/3303/0/5700")
    asked = await second.asked()
    assert asked.path == "/d/lamp/3303/0/5700" and first.closed
    asked.answer(b"21")
    await bench.idle()
    bench.connect.disconnected(second)
    await bench.request(lamp.id, "two", uri="/3303/0/5700")
    assert second.is_left_alone


async def test_many_devices_behind_one_gateway_are_registered_in_batches(bench: Bench) -> None:
    many = [f'</d/lamp{number}>;name="lamp{number}",</d/lamp{number}/3303/0/5700>;obs' for number in range(120)]
    async with asyncio.timeout(60):
        await connected(bench, FakePeer(), *many)
    assert len(await bench.told("registrations")) == 121
