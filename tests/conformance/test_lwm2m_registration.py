"""OMA ETS LwM2M 1.1, registration: from the first Register to queue mode, over DTLS, and over TCP."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path as Folder

import aiocoap
import aiocoap.resource
import pytest

from lamplighter.settings import Lwm2m
from lamplighter.simulator.behaviour import Behaviour
from lamplighter.storage.database import Database
from tests.api.toy import ACCOUNT
from tests.conformance.lamp import NAME, TEXT, TLV, Deregistered, Phase, Registered, RegistrationUpdated, Site, site
from tests.conformance.marks import conforms
from tests.conformance.others import Stored, free_port
from tests.dtls.service import run
from tests.roles.lwm2m_serving import Serving

pytestmark = pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
GRACE = Lwm2m().expiry_grace
"""Seconds that the server waits beyond a lifetime."""


@pytest.fixture
async def lamp(database: Database, tmp_path: Folder) -> AsyncIterator[Site]:
    async with site(database, tmp_path) as place:
        yield place


@pytest.fixture
async def sleeper(database: Database, tmp_path: Folder) -> AsyncIterator[Site]:
    """A lamp in queue mode."""
    async with site(database, tmp_path, behaviours={Behaviour.SLEEP: 3600.0}) as place:
        yield place


@pytest.fixture
async def serving(database: Database, tmp_path: Folder) -> AsyncIterator[Serving]:
    serving = Serving(database, tmp_path)
    await serving.start()
    yield serving
    await serving.close()


@conforms("LightweightM2M-1.1-int-101", "LightweightM2M-1.1-int-401", peer="simulator")
async def test_a_registration_over_dtls_tells_name_lifetime_version_binding_and_objects(lamp: Site) -> None:
    (told,) = await lamp.serving.deliveries("registrations")
    assert isinstance(told.item, dict)
    assert (told.item["ep"], told.item["original-ep"], told.item["q"]) == (lamp.device_id, NAME, False)
    shown = await lamp.serving.directory.retrieve(ACCOUNT, lamp.device_id)
    assert (shown.endpoint_name, shown.state) == (NAME, "registered")
    assert await lamp.lifetime() == 600
    objects = {resource.uri.split("/")[1] for resource in await lamp.serving.connect.resources(ACCOUNT, lamp.device_id)}
    assert {"1", "3"} <= objects and not objects & {"0", "21"}
    assert (await lamp.read("/3/0", TLV))["/3/0/16"] == "U"


@conforms("LightweightM2M-1.1-int-102", peer="simulator")
async def test_a_written_lifetime_is_told_and_kept_up_and_ends_the_registration_otherwise(lamp: Site) -> None:
    assert await lamp.write("/1/0/1", {"/1/0/1": 20}, TEXT) == 200
    await lamp.lamp.until(RegistrationUpdated)
    assert await lamp.lifetime() == 20
    await lamp.pass_on_server(18)
    lamp.lamp.live(18)
    await lamp.lamp.until(RegistrationUpdated, 2)
    await lamp.pass_on_server(10)
    assert await lamp.is_registered()
    await lamp.pass_on_server(20 + GRACE)
    assert not await lamp.is_registered()
    assert [each.item for each in await lamp.serving.deliveries("registrations-expired")] == [lamp.device_id]


@conforms("LightweightM2M-1.1-int-103", peer="simulator")
async def test_a_device_told_to_disable_itself_is_gone(lamp: Site) -> None:
    assert (await lamp.ask("POST", "/1/0/4"))["status"] == 200
    await lamp.lamp.until(Deregistered)
    assert not await lamp.is_registered()
    assert [each.item for each in await lamp.serving.deliveries("de-registrations")] == [lamp.device_id]


@conforms("LightweightM2M-1.1-int-104", peer="simulator")
async def test_a_triggered_update_renews_the_registration(lamp: Site) -> None:
    assert await lamp.write("/1/0/1", {"/1/0/1": 20}, TEXT) == 200
    await lamp.lamp.until(RegistrationUpdated)
    await lamp.pass_on_server(15)
    assert (await lamp.ask("POST", "/1/0/8"))["status"] == 200
    await lamp.lamp.until(RegistrationUpdated, 2)
    await lamp.pass_on_server(10 + GRACE)
    assert await lamp.is_registered() and await lamp.lifetime() == 20


@conforms("LightweightM2M-1.1-int-105", peer="simulator")
async def test_an_update_of_an_ended_registration_brings_a_new_one(lamp: Site) -> None:
    await lamp.pass_on_server(600 + GRACE)
    assert not await lamp.is_registered() and lamp.lamp.device.phase is Phase.REGISTERED
    lamp.lamp.live(500)
    await lamp.lamp.until(Registered, 2)
    assert await lamp.is_registered() and lamp.lamp.count(RegistrationUpdated) == 0
    assert await lamp.value("/3/0/0") == "Lamplighter"


LINKS = b'</>;rt="oma.lwm2m";ct="110",</1/0>,</3/0>'


@conforms("LightweightM2M-1.1-int-106", peer="aiocoap device")
async def test_a_device_of_aiocoap_registers_over_tcp_and_is_read(serving: Serving) -> None:
    resources = aiocoap.resource.Site()
    resources.add_resource(["3", "0", "0"], Stored(b"aiocoap"))
    bound = ("127.0.0.1", free_port())
    context = await aiocoap.Context.create_server_context(resources, bind=bound, transports=["tcpclient"])
    try:
        uri = f"coap+tcp://127.0.0.1:{serving.role.tcp_port}/rd?ep=aiocoap-over-tcp&lt=300&lwm2m=1.1&b=T"
        message = aiocoap.Message(code=aiocoap.POST, uri=uri, payload=LINKS, content_format=40)
        created = await context.request(message).response
        assert created.code == aiocoap.CREATED
        device_id = created.opt.location_path[-1]
        read = await serving.request(device_id, "GET", "/3/0/0")
        assert (read["status"], base64.b64decode(read["payload"])) == (200, b"aiocoap")
    finally:
        await context.shutdown()


@conforms("LightweightM2M-1.1-int-106", peer="libcoap client")
async def test_libcoap_registers_over_tcp(serving: Serving) -> None:
    query = "ep=libcoap-over-tcp&lt=300&lwm2m=1.1&b=T"
    url = f"coap+tcp://127.0.0.1:{serving.role.tcp_port}/rd?{query}"
    await run("coap-client-notls", "-m", "post", "-t", "40", "-e", LINKS.decode(), "-B", "10", url)
    (told,) = await serving.deliveries("registrations")
    assert isinstance(told.item, dict) and told.item["original-ep"] == "libcoap-over-tcp"


@conforms("LightweightM2M-1.1-int-107", peer="simulator")
async def test_a_longer_lifetime_is_told_at_once_and_holds(lamp: Site) -> None:
    for count, seconds in enumerate((60, 120), 1):
        assert await lamp.write("/1/0/1", {"/1/0/1": seconds}, TEXT) == 200
        await lamp.lamp.until(RegistrationUpdated, count)
        assert await lamp.lifetime() == seconds
    await lamp.pass_on_server(80)
    assert await lamp.is_registered()
    lamp.lamp.live(100)
    await lamp.lamp.until(RegistrationUpdated, 3)
    await lamp.pass_on_server(80)
    assert await lamp.is_registered()


@conforms("LightweightM2M-1.1-int-108", peer="simulator")
async def test_queue_mode_is_seen_in_the_registration(sleeper: Site) -> None:
    (endpoint,) = await sleeper.serving.connect.endpoints(ACCOUNT)
    assert endpoint.q is True


@conforms("LightweightM2M-1.1-int-109", peer="simulator")
async def test_a_request_to_a_sleeping_device_waits_until_it_speaks(sleeper: Site) -> None:
    assert await sleeper.write("/1/0/1", {"/1/0/1": 240}, TEXT) == 200
    await sleeper.lamp.until(RegistrationUpdated)
    await sleeper.pass_on_server(100)  # longer than MAX_TRANSMIT_WAIT: it listens no more
    sleeper.lamp.live(100)
    path = f"/v2/device-requests/{sleeper.device_id}?async-id=later"
    answer = await sleeper.serving.call("POST", path, json={"method": "GET", "uri": "/1/0/1"})
    assert answer.status_code == 202
    answered = sleeper.lamp.device.answered
    sleeper.lamp.live(100)
    response = await sleeper.serving.response("later")
    assert (response["status"], base64.b64decode(response["payload"])) == (200, b"240")
    device = sleeper.lamp.device
    assert sleeper.lamp.count(RegistrationUpdated) == 2
    assert (device.answered, device.unheard) == (answered + 1, 0)
