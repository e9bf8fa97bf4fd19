"""Standard clients against a whole server: over every transport, by bootstrap and without."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lamplighter.clock import SystemClock
from lamplighter.roles.fleet import credentials
from lamplighter.simulator.behaviour import Behaviour
from lamplighter.simulator.fleet import Fleet, require_transport
from lamplighter.simulator.profile import Profile, Transport
from tests.roles.serving import Serving, settings_for
from tests.servers import free_port
from tests.simulator.test_fleet import Running


@pytest.fixture
async def serving(tmp_path: Path) -> AsyncIterator[Serving]:
    ports = {
        "lwm2m": {"port": free_port()},
        "coap": {"port": free_port(), "insecure": True},
        "bootstrap": {"port": free_port(), "plain_port": free_port()},
    }
    serving = Serving(tmp_path, settings_for(**ports))
    await serving.start()
    yield serving
    await serving.close()


async def running(serving: Serving, transport: Transport, *, bootstraps: bool, **more: object) -> Running:
    known = credentials(serving.key, 3, 2)
    for credential in known:
        body = {"endpoint_name": credential.endpoint_name, "secret_hex": credential.key.hex()}
        assert (await serving.call("POST", "/v2/device-shared-keys", json=body)).status_code == 201
    settings = serving.process.settings
    port = settings.bootstrap.port if bootstraps else settings.lwm2m.port
    if not transport.is_secure:
        port = settings.bootstrap.plain_port if bootstraps else settings.coap.port
    return Running(
        Fleet(
            known,
            "127.0.0.1",
            port,
            clock=SystemClock(),
            seed=3,
            transport=transport,
            bootstraps=bootstraps,
            **more,  # type: ignore[arg-type]
        )
    )


@pytest.mark.parametrize("bootstraps", [False, True], ids=["directly", "by bootstrap"])
@pytest.mark.parametrize("transport", Transport)
async def test_standard_clients_register_over_every_transport(
    serving: Serving, transport: Transport, bootstraps: bool
) -> None:
    fleet = await running(serving, transport, bootstraps=bootstraps)
    summary = await fleet.until(lambda summary: summary.registered == 2)
    assert summary.failures == ()
    found = (await serving.call("GET", "/v3/devices")).json()["data"]
    assert [each["state"] for each in found] == ["registered"] * 2
    await fleet.end()
    found = (await serving.call("GET", "/v3/devices")).json()["data"]
    assert [each["state"] for each in found] == ["deregistered"] * 2


@pytest.mark.parametrize("transport", [Transport.TCP, Transport.UDP])
async def test_a_device_that_restarts_comes_again(serving: Serving, transport: Transport) -> None:
    fleet = await running(serving, transport, bootstraps=False, behaviours={Behaviour.REBOOT: 1.0})
    async with asyncio.timeout(30):
        while not any(member.registrations > 1 for member in fleet.fleet.members):
            await fleet.reports.get()
    await fleet.end()


@pytest.mark.parametrize(
    ("profile", "transport"),
    [(Profile.VENDOR, Transport.UDP), (Profile.GATEWAY, Transport.TCP), (Profile.LWM2M_1_0, Transport.TLS)],
)
def test_clients_that_do_not_exist_are_refused(profile: Profile, transport: Transport) -> None:
    with pytest.raises(ValueError, match="with security only|knows no TCP"):
        require_transport(profile, transport)
