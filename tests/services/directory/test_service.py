"""What the device side tells the directory, and what the directory tells others."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from lamplighter.bus.outbox import events as event_log
from lamplighter.errors.directory import DeviceLimitReached, DeviceNotFound
from lamplighter.services.directory import counts
from lamplighter.services.directory.counts import MOST_FOLDED
from lamplighter.services.directory.lifecycle import Lifecycle
from lamplighter.services.directory.model import Block, Facts
from lamplighter.services.directory.tables import devices
from lamplighter.settings import Access, Settings
from lamplighter.storage.database import Database
from lamplighter.storage.query import Query
from tests.services.directory.app import ACCOUNT, FOREIGN, App

FACTS = Facts(
    endpoint_type="lamp",
    vendor_id="v",
    device_class="c",
    serial_number="s",
    component_attributes={"MAIN": "1.0.0"},
    device_execution_mode=1,
    issuer_fingerprint="0" * 64,
)
LOG = Query(sa.select(event_log).order_by(event_log.c.position))
ROW = Query(sa.select(devices).where(devices.c.id == sa.bindparam("id")))


@pytest.fixture
def app(database: Database) -> App:
    return App(database)


async def ensured(app: App, facts: Facts = FACTS, name: str = "lamp", **more: Any) -> Any:
    async with app.database.transaction() as tx:
        return await app.directory.ensure_device(tx, ACCOUNT, name, facts, **more)


async def registered(app: App, device_id: str, facts: Facts = FACTS) -> None:
    async with app.database.transaction() as tx:
        await app.directory.registered(tx, ACCOUNT, device_id, facts)


async def deregistered(app: App, device_id: str, expired: bool = False) -> None:
    async with app.database.transaction() as tx:
        await app.directory.deregistered(tx, ACCOUNT, device_id, expired=expired)


async def codes(app: App, device_id: str) -> list[str]:
    found = await app.get(f"/v3/device-events?device_id__eq={device_id}")
    return [each["event_type"] for each in found["data"]]


async def told(app: App) -> list[tuple[str, dict[str, Any]]]:
    return [(row["kind"], json.loads(row["data"])) for row in await app.database.fetch_all(LOG)]


async def test_a_device_gets_one_record_however_often_it_comes(app: App) -> None:
    first = await ensured(app)
    assert (first.created, first.suspended) == (True, False)
    again = await ensured(app)
    assert (again.device_id, again.created, again.suspended) == (first.device_id, False, False)
    assert (first.seen, again.seen["endpoint_name"]) == (None, "lamp")
    device = await app.get(f"/v3/devices/{first.device_id}")
    assert (device["endpoint_name"], device["vendor_id"], device["device_execution_mode"]) == ("lamp", "v", 1)
    assert device["component_attributes"] == {"MAIN": "1.0.0"}
    async with app.database.transaction() as tx:
        known = await app.directory.device_of_endpoint(tx, ACCOUNT, "lamp")
        assert known == await app.directory.device(tx, ACCOUNT, first.device_id)
        assert known is not None and known.device_id == first.device_id and not known.suspended
        assert await app.directory.device_of_endpoint(tx, FOREIGN, "lamp") is None


async def test_a_device_that_registers_before_its_bootstrap_is_written_down_stays_registered(app: App) -> None:
    device_id = (await ensured(app, state="cloud_enrolling")).device_id
    began = (await app.database.fetch_one(ROW, id=device_id) or {})["updated_at"]
    await registered(app, device_id)
    for since, state in ((began, "registered"), (began + 1_000_000_000, "bootstrapped")):
        async with app.database.transaction() as tx:
            await app.directory.bootstrapped(tx, ACCOUNT, device_id, Facts(), since)
        device = await app.get(f"/v3/devices/{device_id}")
        assert device["state"] == state and "bootstrapped_timestamp" in device


async def test_a_device_goes_through_its_states_and_each_is_an_event(app: App) -> None:
    device_id = (await ensured(app, state="cloud_enrolling")).device_id
    async with app.database.transaction() as tx:
        await app.directory.bootstrapped(tx, ACCOUNT, device_id, Facts(), app.clock.now())
    assert "bootstrapped_timestamp" in await app.get(f"/v3/devices/{device_id}")
    await registered(app, device_id)
    await deregistered(app, device_id)
    await registered(app, device_id)
    await deregistered(app, device_id, expired=True)
    assert await codes(app, device_id) == [
        "DEV_CREATED",
        "DEV_BOOTSTRAPPED",
        "DEV_REGISTERED",
        "DEV_DEREGISTERED",
        "DEV_REGISTERED",
        "DEV_REGISTRATION_EXPIRED",
    ]
    assert [kind for kind, _ in await told(app)] == [
        "DeviceCreated",
        "DeviceBootstrapped",
        "DeviceRegistered",
        "DeviceDeregistered",
        "DeviceRegistered",
        "DeviceRegistrationExpired",
    ]
    assert (await app.get("/v3/devices?state=deregistered"))["total_count"] == 1


async def test_a_registration_that_changes_nothing_writes_nothing(app: App) -> None:
    device_id = (await ensured(app)).device_id
    await registered(app, device_id)
    before = await app.get(f"/v3/devices/{device_id}")
    app.clock.advance(60)
    await registered(app, device_id)
    assert await app.get(f"/v3/devices/{device_id}") == before
    assert await codes(app, device_id) == ["DEV_CREATED", "DEV_REGISTERED"]
    await registered(app, device_id, Facts(component_attributes={"MAIN": "1.0.1"}))
    after = await app.get(f"/v3/devices/{device_id}")
    assert after["component_attributes"] == {"MAIN": "1.0.1"} and after["updated_at"] > before["updated_at"]
    assert (await told(app))[-1] == (
        "DeviceFactsChanged",
        {"changed": "component_attributes", "endpoint_name": "lamp"},
    )
    assert await app.ids("/v3/devices?component_attributes__MAIN=1.0.0") == []
    assert await app.ids("/v3/devices?component_attributes__MAIN=1.0.1") == [device_id]


async def test_facts_that_are_too_long_are_cut_and_never_refused(app: App) -> None:
    facts = Facts(
        device_class="c" * 99,
        vendor_id="a\x00b\ud800",
        component_attributes={f"part{number:02}": "v" * 200 for number in range(12)},
    )
    device_id = (await ensured(app, facts)).device_id
    device = await app.get(f"/v3/devices/{device_id}")
    assert (device["device_class"], device["vendor_id"]) == ("c" * 32, "ab")
    assert len(device["component_attributes"]) == 10
    assert set(map(len, device["component_attributes"].values())) == {128}


async def test_the_device_side_learns_of_suspension_resumption_and_deletion(app: App) -> None:
    device_id = (await ensured(app)).device_id
    await registered(app, device_id)
    path = f"/v3/devices/{device_id}"
    await app.post(f"{path}/suspend", {"category": "other", "description": "why"}, 204)
    assert (await ensured(app)).suspended
    await deregistered(app, device_id)
    await app.post(f"{path}/resume", {}, 204)
    assert (await app.call("DELETE", path)).status_code == 204
    events = (await told(app))[2:]
    assert [kind for kind, _ in events] == ["DeviceSuspended", "DeviceResumed", "DeviceDeleted"]
    assert events[0][1] == {"by": "operator", "category": "other", "description": "why", "endpoint_name": "lamp"}
    assert events[1][1]["lifecycle_status"] == "enabled"
    assert (await codes(app, device_id))[2:] == ["DEV_SUSPENDED", "DEV_RESUMED", "DEV_DELETED"]


async def test_each_of_two_suspensions_blocks_by_itself(app: App) -> None:
    device_id = (await ensured(app)).device_id
    path = f"/v3/devices/{device_id}"
    async with app.database.transaction() as tx:
        await app.directory.system_suspend(tx, ACCOUNT, device_id, "security_breach", "revoked")
    await app.post(f"{path}/suspend", {}, 204)
    await app.post(f"{path}/resume", {}, 204)
    device = await app.get(path)
    assert (device["lifecycle_status"], device["operator_suspended"], device["system_suspended"]) == (
        "blocked",
        False,
        True,
    )
    assert device["last_system_suspended_description"] == "revoked"
    await app.refused("POST", f"{path}/resume", {}, 409, "conflict")
    async with app.database.transaction() as tx:
        await app.directory.system_resume(tx, ACCOUNT, device_id, "other", "reissued")
    assert (await app.get(path))["lifecycle_status"] == "enabled"


@pytest.mark.parametrize(("mode", "same"), [(1, False), (5, True)])
async def test_after_a_factory_reset_only_a_developers_device_is_a_new_one(app: App, mode: int, same: bool) -> None:
    before = await ensured(app, Facts(device_execution_mode=mode))
    after = await ensured(app, Facts(device_execution_mode=mode), reset=True)
    assert (after.device_id == before.device_id) is same
    assert (await app.get("/v3/devices"))["total_count"] == 1


async def test_what_is_undone_leaves_no_trace(app: App) -> None:
    with pytest.raises(KeyError):
        async with app.database.transaction() as tx:
            await app.directory.ensure_device(tx, ACCOUNT, "lamp", FACTS)
            raise KeyError
    assert (await app.get("/v3/devices"))["total_count"] == 0
    assert (await app.get("/v3/device-events"))["total_count"] == 0
    assert await told(app) == []


async def test_the_limit_of_devices_holds_for_those_that_come_by_themselves(database: Database) -> None:
    app = App(database, Settings(access=Access(devices_tier_1=1)))
    await ensured(app, tier="1")
    with pytest.raises(DeviceLimitReached):
        await ensured(app, name="second", tier="1")
    assert not (await ensured(app, tier="1")).created


async def test_what_is_told_of_a_device_that_is_gone_is_refused_or_passed_over(app: App) -> None:
    gone = "0" * 32
    with pytest.raises(DeviceNotFound):
        await registered(app, gone)
    await deregistered(app, gone)
    assert await told(app) == []


async def test_events_of_another_service_are_listed_beside_ours(app: App) -> None:
    device_id = (await ensured(app)).device_id
    async with app.database.transaction() as tx:
        event_id = await app.directory.add_event(
            tx,
            ACCOUNT,
            device_id,
            Lifecycle.BOOTSTRAP_FAILED.value._replace(code="UPD4_FAIL_101"),
            date_time=app.clock.now() - 5_000_000,
            data={"campaign_id": "0" * 32},
        )
    event = await app.get(f"/v3/device-events/{event_id}/")
    assert (event["event_type"], event["event_type_description"]) == ("UPD4_FAIL_101", "FAIL")
    assert event["data"] == {"campaign_id": "0" * 32} and event["date_time"] < event["created_at"]
    assert event == await app.get(f"/v3/devicelog/{event_id}/")
    assert await app.ids("/v3/devicelog?event_type__eq=UPD4_FAIL_101") == [event_id]
    await app.refused("GET", f"/v3/device-events/{'0' * 32}", None, 404, "not_found")
    await app.refused("GET", "/v3/devicelog/what", None, 404, "not_found")


async def test_a_stored_filter_selects_devices_in_pages(app: App) -> None:
    ids = [(await ensured(app, name=name)).device_id for name in "abcde"]
    await registered(app, ids[0])
    text = "state__neq=registered&vendor_id__eq=v"
    first = await app.directory.matching(ACCOUNT, text, limit=3)
    assert first == ids[1:4]
    assert await app.directory.matching(ACCOUNT, text, after=first[-1], limit=3) == ids[4:]
    assert await app.directory.matching(FOREIGN, text, limit=3) == []


async def test_a_reset_that_two_processes_hear_of_at_once_makes_one_new_record(
    app: App, open_database: Callable[[], Database]
) -> None:
    first = (await ensured(app)).device_id
    other = App(database := open_database())
    await database.start()
    results = await asyncio.gather(*(ensured(each, reset=True) for each in (app, other) * 3))
    assert first not in {each.device_id for each in results}
    await database.close()
    page = await app.get("/v3/devices?include=total_count")
    assert page["total_count"] == len(page["data"]) == 1
    await app.directory.fold_counts()
    assert (await app.get("/v3/devices?include=total_count"))["total_count"] == 1


async def test_registrations_that_cross_a_suspension_lose_nothing_of_it(app: App) -> None:
    device = (await ensured(app, Facts())).device_id

    async def register() -> None:
        async with app.database.transaction() as tx:
            await app.directory.registered(tx, ACCOUNT, device, Facts())

    async def suspend() -> None:
        await app.directory.suspend(ACCOUNT, device, Block(category="other", description="why"))

    await asyncio.gather(register(), suspend(), register(), register())
    shown = await app.get(f"/v3/devices/{device}")
    assert shown["operator_suspended"] and shown["lifecycle_status"] == "blocked"
    states = (await app.get("/v3/devices?include=total_count&state__eq=" + shown["state"]))["total_count"]
    assert states == 1


async def test_one_round_of_folding_takes_all_there_is(database: Database) -> None:
    async with database.transaction() as tx:
        for number in range(MOST_FOLDED + 10):
            await counts.change(tx, ACCOUNT, {f"group:{number % 7}": 1})
    assert await counts.fold(database) == MOST_FOLDED + 10
    assert sum((await counts.read(database, ACCOUNT, [f"group:{number}" for number in range(7)])).values()) == (
        MOST_FOLDED + 10
    )
