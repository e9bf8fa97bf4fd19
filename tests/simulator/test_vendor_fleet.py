"""Clients of the vendor and a gateway against a whole server, from a developer certificate made by the API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lamplighter.clock import SystemClock
from lamplighter.roles.fleet import developer_account
from lamplighter.simulator.account import Account
from lamplighter.simulator.behaviour import Behaviour
from lamplighter.simulator.fleet import Fleet, Summary
from lamplighter.simulator.profile import Profile, Transport
from tests.roles.serving import Serving, settings_for
from tests.servers import free_port


@pytest.fixture
async def serving(tmp_path: Path) -> AsyncIterator[Serving]:
    ports = {"lwm2m": {"port": free_port()}, "bootstrap": {"port": free_port()}}
    serving = Serving(tmp_path, settings_for(**ports))
    await serving.start()
    yield serving
    await serving.close()


async def made_with(serving: Serving) -> Account:
    """What the API gives for a developer's device."""
    made = await serving.call("POST", "/v3/developer-certificates", json={"name": "simulated"})
    place = (await serving.call("GET", "/v3/server-credentials")).json()["bootstrap"]
    found = made.json()
    return developer_account(
        found["developer_certificate"], found["developer_private_key"], place["certificate"], place["url"]
    )


class Town:
    """A fleet of one device, and what the directory says."""

    def __init__(self, serving: Serving, fleet: Fleet) -> None:
        self.serving = serving
        self.fleet = fleet
        self.summaries: asyncio.Queue[Summary] = asyncio.Queue()

    async def devices(self) -> list[dict[str, Any]]:
        return list((await self.serving.call("GET", "/v3/devices")).json()["data"])

    async def until(self, condition: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """The devices, once they are as wanted."""
        async with asyncio.timeout(30):
            while not condition(found := await self.devices()):
                await self.summaries.get()
        return found

    async def request(self, device: str, **body: Any) -> None:
        """Ask the device, without waiting for the answer."""
        answer = await self.serving.call("POST", f"/v2/device-requests/{device}?async-id=a", json=body)
        assert answer.status_code == 202, answer.text


@asynccontextmanager
async def town(serving: Serving, profile: Profile, **more: Any) -> AsyncIterator[Town]:
    account = await made_with(serving)
    port = serving.process.settings.bootstrap.port
    fleet = Fleet([account], "127.0.0.1", port, clock=SystemClock(), seed=5, profile=profile, **more)
    place = Town(serving, fleet)
    # Commands need a channel to answer to.
    await serving.call("PUT", "/v2/notification/callback", json={"url": "https://localhost:1/"})
    stop = asyncio.Event()
    running = asyncio.create_task(fleet.run(stop, place.summaries.put_nowait))
    try:
        yield place
    finally:
        stop.set()
        await running


@pytest.mark.parametrize("tls", [False, True], ids=["DTLS", "TLS"])
async def test_a_client_of_the_vendor_bootstraps_enrols_and_registers(serving: Serving, tls: bool) -> None:
    async with town(serving, Profile.VENDOR, transport=Transport.TLS if tls else Transport.DTLS) as place:
        (shown,) = await place.until(lambda found: [each["state"] for each in found] == ["registered"])
    assert shown["endpoint_type"] == "default" and shown["device_execution_mode"] == 1
    assert shown["bootstrapped_timestamp"] and shown["serial_number"] == "00000001"
    assert shown["mechanism"] == "connector"


async def test_a_gateway_over_tls_brings_the_devices_behind_it(serving: Serving) -> None:
    async with town(serving, Profile.GATEWAY, transport=Transport.TLS) as place:
        found = await place.until(lambda found: [each["state"] for each in found] == ["registered"] * 5)
    gateway = next(each for each in found if each["endpoint_type"] == "MBED_GW")
    assert {each["host_gateway"] for each in found if each is not gateway} == {gateway["id"]}


@pytest.mark.parametrize("tls", [False, True], ids=["DTLS", "TLS"])
async def test_a_client_that_restarts_goes_on_with_its_session_and_keeps_its_id(serving: Serving, tls: bool) -> None:
    async with town(serving, Profile.VENDOR, transport=Transport.TLS if tls else Transport.DTLS) as place:
        (before,) = await place.until(lambda found: [each["state"] for each in found] == ["registered"])
        await place.request(before["id"], method="POST", uri="/3/0/4")
        (member,) = place.fleet.members
        async with asyncio.timeout(30):
            while member.registrations < 2:
                await place.summaries.get()
        (after,) = await place.devices()
        assert after["id"] == before["id"] and member.connected and place.fleet.summary().failures == ()


async def test_a_connection_that_breaks_is_noticed(serving: Serving) -> None:
    async with town(serving, Profile.VENDOR, transport=Transport.TLS, behaviours={Behaviour.REBIND: 1.0}) as place:
        async with asyncio.timeout(30):
            while not (summary := await place.summaries.get()).failures:
                pass
        assert summary.failures[0][0].startswith("the session ended") and summary.connected == 0
