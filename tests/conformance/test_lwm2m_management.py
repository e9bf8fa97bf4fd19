"""OMA ETS LwM2M 1.1, device management: an application reads and writes a device through the REST API."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path as Folder

import pytest

from lamplighter.lwm2m.codecs import Value, decode, encode
from lamplighter.lwm2m.link import parse_links
from lamplighter.lwm2m.path import Path, parse_path
from lamplighter.storage.database import Database
from tests.conformance.aiocoap_device import AiocoapDevice, aiocoap_device
from tests.conformance.lamp import (
    CBOR,
    JSON,
    SENML_CBOR,
    SENML_JSON,
    TEXT,
    TLV,
    Registered,
    RegistrationUpdated,
    Site,
    site,
)
from tests.conformance.marks import conforms

pytestmark = pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
SENML = pytest.mark.parametrize("content_format", [SENML_JSON, SENML_CBOR], ids=["JSON", "CBOR"])
DEVICE = {"/3/0/0": "Lamplighter", "/3/0/1": "Simulated lamp", "/3/0/2": "00000001"}


@pytest.fixture
async def lamp(database: Database, tmp_path: Folder) -> AsyncIterator[Site]:
    async with site(database, tmp_path) as place:
        yield place


def has(values: dict[str, Value], expected: dict[str, Value]) -> bool:
    return expected.items() <= values.items()


@conforms("LightweightM2M-1.1-int-201", peer="simulator")
async def test_manufacturer_model_and_serial_number_are_read_as_text(lamp: Site) -> None:
    for path, expected in DEVICE.items():
        assert await lamp.read(path, TEXT) == {path: expected}


@conforms("LightweightM2M-1.1-int-203", peer="simulator")
async def test_the_device_object_is_read_as_tlv(lamp: Site) -> None:
    values = await lamp.read("/3/0", TLV)
    assert has(values, {**DEVICE, "/3/0/3": "1.0.0", "/3/0/11/0": 0, "/3/0/16": "U"})


@conforms("LightweightM2M-1.1-int-205", peer="simulator")
async def test_resources_are_written_as_text_and_back(lamp: Site) -> None:
    before = await lamp.read("/1/0", TLV)
    written: dict[str, Value] = {"/1/0/2": 101, "/1/0/3": 1010, "/1/0/5": 2000}
    for values in (written, {path: before[path] for path in written}):
        for path, value in values.items():
            assert await lamp.write(path, {path: value}, TEXT) == 200
        assert has(await lamp.read("/1/0", TLV), values)


@conforms("LightweightM2M-1.1-int-215", peer="simulator")
async def test_an_instance_is_written_in_part_and_replaced_as_tlv(lamp: Site) -> None:
    before = await lamp.read("/1/0", TLV)
    part: dict[str, Value] = {"/1/0/2": 101, "/1/0/3": 1010, "/1/0/5": 2000, "/1/0/6": True, "/1/0/7": "U"}
    assert await lamp.write("/1/0", part, TLV, method="POST") == 200
    assert await lamp.read("/1/0", TLV) == {**before, **part}
    writable = {path: value for path, value in before.items() if path != "/1/0/0"}
    assert await lamp.write("/1/0", writable, TLV) == 200
    assert await lamp.read("/1/0", TLV) == before


@conforms("LightweightM2M-1.1-int-221", peer="simulator")
async def test_security_is_out_of_reach(lamp: Site) -> None:
    for method, uri in (("GET", "/0"), ("PUT", "/0/0/0"), ("PUT", "/0?pmin=30&pmax=45")):
        path = f"/v2/device-requests/{lamp.device_id}?async-id=security"
        answer = await lamp.serving.call("POST", path, json={"method": method, "uri": uri})
        assert (answer.status_code, answer.text) == (400, "RESOURCE_NOT_FOUND")
    assert lamp.lamp.device.answered == 0


@conforms("LightweightM2M-1.1-int-222", "LightweightM2M-1.1-int-237", peer="simulator")
async def test_an_object_is_read_in_the_format_that_the_device_prefers(lamp: Site) -> None:
    server, device = await lamp.read("/1"), await lamp.read("/3")
    assert has(server, {"/1/0/0": 1, "/1/0/1": 600, "/1/0/6": True, "/1/0/7": "U"})
    assert has(device, {**DEVICE, "/3/0/16": "U"})


@conforms("LightweightM2M-1.1-int-223", peer="simulator")
async def test_an_instance_is_read_with_all_its_resources(lamp: Site) -> None:
    assert await lamp.read("/1/0") == await lamp.read("/1")
    device = await lamp.read("/3/0")
    assert has(device, DEVICE) and len(device) >= 12


@conforms("LightweightM2M-1.1-int-224", peer="simulator")
async def test_a_resource_is_read(lamp: Site) -> None:
    for path, expected in {"/1/0/0": 1, "/1/0/1": 600, "/1/0/6": True, "/1/0/7": "U", "/3/0/16": "U"}.items():
        assert await lamp.value(path) == expected


@conforms("LightweightM2M-1.1-int-225", peer="simulator")
async def test_an_instance_of_a_resource_is_read_alone(lamp: Site) -> None:
    assert await lamp.read("/3/0/11/0", SENML_JSON) == {"/3/0/11/0": 0}


@conforms("LightweightM2M-1.1-int-226", peer="simulator")
async def test_a_partial_write_with_a_new_lifetime_is_told_at_once(lamp: Site) -> None:
    before = await lamp.read("/1/0")
    assert await lamp.write("/1/0", {"/1/0/1": 61, "/1/0/6": False}, TLV, method="POST") == 200
    await lamp.lamp.until(RegistrationUpdated)
    assert await lamp.lifetime() == 61
    assert await lamp.read("/1/0") == {**before, "/1/0/1": 61, "/1/0/6": False}
    assert await lamp.write("/1/0", {"/1/0/1": 600, "/1/0/6": True}, TLV, method="POST") == 200
    await lamp.lamp.until(RegistrationUpdated, 2)
    assert (await lamp.lifetime(), await lamp.read("/1/0")) == (600, before)


@conforms("LightweightM2M-1.1-int-227", peer="simulator")
async def test_a_resource_is_replaced_and_told(lamp: Site) -> None:
    for count, seconds in enumerate((63, 600), 1):
        assert await lamp.write("/1/0/1", {"/1/0/1": seconds}, TEXT) == 200
        await lamp.lamp.until(RegistrationUpdated, count)
        assert (await lamp.lifetime(), await lamp.value("/1/0/1")) == (seconds, seconds)


@conforms("LightweightM2M-1.1-int-229", peer="simulator")
@SENML
async def test_objects_instances_and_resources_are_read_together(lamp: Site, content_format: int) -> None:
    values = await lamp.read_together("/3", "/1/0", "/1/0/1", "/3/0/11/0", content_format=content_format)
    assert has(values, {**DEVICE, "/3/0/11/0": 0, "/1/0/0": 1, "/1/0/1": 600, "/1/0/7": "U"})


@conforms("LightweightM2M-1.1-int-230", peer="simulator")
@SENML
async def test_resources_of_several_objects_are_written_together(lamp: Site, content_format: int) -> None:
    written: dict[str, Value] = {"/1/0/1": 61, "/1/0/6": False, "/3311/0/5850": True, "/3311/0/5706": "#00ff00"}
    assert await lamp.write_together(written, content_format) == 200
    await lamp.lamp.until(RegistrationUpdated)
    assert await lamp.lifetime() == 61
    assert has(await lamp.read("/1/0"), {"/1/0/1": 61, "/1/0/6": False})
    assert has(await lamp.read("/3311"), {"/3311/0/5850": True, "/3311/0/5706": "#00ff00"})


async def reads_everywhere(lamp: Site, content_format: int) -> None:
    """An object, an instance, a resource and an instance of a resource, in that format."""
    assert has(await lamp.read("/1", content_format), {"/1/0/0": 1, "/1/0/1": 600, "/1/0/6": True, "/1/0/7": "U"})
    assert has(await lamp.read("/3/0", content_format), {**DEVICE, "/3/0/16": "U"})
    assert await lamp.read("/3/0/16", content_format) == {"/3/0/16": "U"}
    assert await lamp.read("/3/0/11/0", content_format) == {"/3/0/11/0": 0}


@conforms("LightweightM2M-1.1-int-231", peer="simulator")
async def test_everything_is_read_as_senml_json(lamp: Site) -> None:
    await reads_everywhere(lamp, SENML_JSON)


@conforms("LightweightM2M-1.1-int-232", peer="simulator")
async def test_everything_is_read_as_senml_cbor(lamp: Site) -> None:
    await reads_everywhere(lamp, SENML_CBOR)


async def writes_everywhere(lamp: Site, content_format: int) -> None:
    """A part of an instance, and resources, in that format."""
    assert await lamp.write("/1/0", {"/1/0/1": 61, "/1/0/6": False}, content_format, method="POST") == 200
    await lamp.lamp.until(RegistrationUpdated)
    assert has(await lamp.read("/1"), {"/1/0/1": 61, "/1/0/6": False})
    assert await lamp.write("/3311/0/5706", {"/3311/0/5706": "test_value"}, content_format) == 200
    assert has(await lamp.read("/3311"), {"/3311/0/5706": "test_value"})
    assert await lamp.write("/1/0/1", {"/1/0/1": 63}, content_format) == 200
    await lamp.lamp.until(RegistrationUpdated, 2)
    assert (await lamp.value("/1/0/1"), await lamp.lifetime()) == (63, 63)


@conforms("LightweightM2M-1.1-int-233", peer="simulator")
async def test_instance_and_resources_are_written_as_senml_cbor(lamp: Site) -> None:
    await writes_everywhere(lamp, SENML_CBOR)


@conforms("LightweightM2M-1.1-int-234", peer="simulator")
async def test_instance_and_resources_are_written_as_senml_json(lamp: Site) -> None:
    await writes_everywhere(lamp, SENML_JSON)


@conforms("LightweightM2M-1.1-int-235", peer="simulator")
@SENML
async def test_everything_is_read_together_but_security(lamp: Site, content_format: int) -> None:
    values = await lamp.read_together("/", content_format=content_format)
    objects = {path.split("/")[1] for path in values}
    assert {"1", "3", "5", "3303", "3311"} <= objects and not objects & {"0", "21", "23"}


@conforms("LightweightM2M-1.1-int-236", peer="simulator")
@SENML
async def test_what_is_not_there_is_left_out(lamp: Site, content_format: int) -> None:
    paths = ("/1/0", "/1/0/1", "/3/0/11/0", "/3339/0/5522", "/3353/0/6030")
    values = await lamp.read_together(*paths, content_format=content_format)
    assert has(values, {"/1/0/1": 600, "/3/0/11/0": 0})
    assert {path.split("/")[1] for path in values} == {"1", "3"}


@conforms("LightweightM2M-1.1-int-241", peer="simulator")
async def test_a_device_told_to_reboot_registers_again(lamp: Site) -> None:
    assert (await lamp.ask("POST", "/3/0/4"))["status"] == 200
    lamp.lamp.live(5)
    await lamp.lamp.until(Registered, 2)
    assert len(await lamp.serving.deliveries("registrations")) == 2
    assert await lamp.value("/3/0/0") == "Lamplighter"


@conforms("LightweightM2M-1.1-int-256", peer="simulator")
async def test_what_is_not_writable_keeps_its_value(lamp: Site) -> None:
    assert await lamp.write("/1/0/0", {"/1/0/0": 123}, TEXT) == 405
    assert await lamp.value("/1/0/0") == 1


@conforms("LightweightM2M-1.1-int-257", peer="simulator")
@SENML
async def test_server_and_device_are_written_together(lamp: Site, content_format: int) -> None:
    assert await lamp.write_together({"/1/0/2": 101, "/1/0/6": False, "/3/0/13": 0}, content_format) == 200
    assert has(await lamp.read("/1/0"), {"/1/0/2": 101, "/1/0/6": False})
    clock = await lamp.value("/3/0/13")
    assert isinstance(clock, int) and 0 <= clock < 60


async def discovered(lamp: Site, path: str) -> dict[str, dict[str, str | None]]:
    """Attributes by target."""
    answer = await lamp.ask("GET", path, accept=40)
    assert (answer["status"], answer["ct"]) == (200, "application/link-format")
    return {link.target: dict(link.attributes) for link in parse_links(base64.b64decode(answer["payload"]).decode())}


@conforms("LightweightM2M-1.1-int-260", peer="simulator")
async def test_object_instance_and_resource_are_discovered_with_their_attributes(lamp: Site) -> None:
    resources = {f"/3/0/{number}" for number in (0, 1, 2, 3, 4, 6, 7, 9, 11, 16)}
    found = await discovered(lamp, "/3")
    assert {"/3", "/3/0"} | resources <= set(found) and found["/3/0/7"] == {"dim": "1"}
    assert (await lamp.ask("PUT", "/3?pmin=10&pmax=200"))["status"] == 200
    found = await discovered(lamp, "/3/0")
    assert {"/3/0"} | resources <= set(found) and "/3" not in found
    assert (await lamp.ask("PUT", "/3/0/7?lt=1&gt=6&st=1"))["status"] == 200
    found = await discovered(lamp, "/3/0")
    assert found["/3/0/7"] == {"dim": "1", "lt": "1", "gt": "6", "st": "1"}
    own = (await discovered(lamp, "/3/0/7"))["/3/0/7"]
    assert own == {"pmin": "10", "pmax": "200", "dim": "1", "lt": "1", "gt": "6", "st": "1"}


@conforms("LightweightM2M-1.1-int-270", peer="simulator")
async def test_an_instance_is_created_and_told(lamp: Site) -> None:
    created: dict[str, Value] = {"/3311/1/5850": True, "/3311/1/5851": 40}
    assert await lamp.write("/3311", created, TLV, method="POST") == 200
    await lamp.lamp.until(RegistrationUpdated)
    shown = await lamp.serving.connect.resources("0" * 31 + "1", lamp.device_id)
    assert "/3311/1" in [resource.uri for resource in shown]
    assert has(await lamp.read("/3311/1"), created)


@conforms("LightweightM2M-1.1-int-280", peer="simulator")
@SENML
async def test_exactly_what_was_asked_for_is_read_together(lamp: Site, content_format: int) -> None:
    values = await lamp.read_together("/3/0/16", "/3/0/11/0", "/1/0", content_format=content_format)
    assert has(values, {"/3/0/11/0": 0, "/3/0/16": "U", "/1/0/0": 1, "/1/0/1": 600, "/1/0/6": True, "/1/0/7": "U"})
    assert [path for path in values if path.startswith("/3")] == ["/3/0/16", "/3/0/11/0"]


@conforms("LightweightM2M-1.1-int-281", peer="simulator")
@SENML
async def test_what_cannot_be_read_is_left_out(lamp: Site, content_format: int) -> None:
    values = await lamp.read_together("/1/0/1", "/1/0/7", "/1/0/8", content_format=content_format)
    assert values == {"/1/0/1": 600, "/1/0/7": "U"}


# Formats and resources that the simulated device has not


@pytest.fixture
async def device(database: Database, tmp_path: Folder) -> AsyncIterator[AiocoapDevice]:
    async with aiocoap_device(database, tmp_path) as device:
        yield device


def pairs(values: dict[str, Value]) -> list[tuple[Path, Value]]:
    return [(parse_path(path), value) for path, value in values.items()]


@conforms("LightweightM2M-1.1-int-204", peer="aiocoap device")
async def test_an_instance_is_read_as_lwm2m_json(device: AiocoapDevice) -> None:
    held: dict[str, Value] = {**DEVICE, "/3/0/3": "1.0.0", "/3/0/11/0": 0, "/3/0/16": "U"}
    device.holds("/3/0", JSON, encode(JSON, pairs(held), parse_path("/3/0")))
    assert await device.read("/3/0", JSON) == held


@conforms("LightweightM2M-1.1-int-211", peer="aiocoap device")
async def test_resources_are_read_as_cbor(device: AiocoapDevice) -> None:
    for path, value, payload in (("/1/0/0", 1, b"\x01"), ("/1/0/6", False, b"\xf4"), ("/1/0/7", "U", b"\x61U")):
        device.holds(path, CBOR, payload)
        assert await device.read(path, CBOR) == {path: value}


@conforms("LightweightM2M-1.1-int-212", peer="aiocoap device")
async def test_resources_are_written_as_cbor(device: AiocoapDevice) -> None:
    written = (("/1/0/2", 101, b"\x18\x65"), ("/1/0/3", 1010, b"\x19\x03\xf2"), ("/1/0/6", True, b"\xf5"))
    for path, value, payload in written:
        body = encode(CBOR, [(parse_path(path), value)], parse_path(path))
        assert body == payload
        assert await device.write("PUT", path, CBOR, body) == 200
        assert device.written[-1] == ("PUT", path, CBOR, payload)


@conforms("LightweightM2M-1.1-int-220", peer="aiocoap device")
async def test_an_instance_is_written_in_part_and_replaced_as_lwm2m_json(device: AiocoapDevice) -> None:
    part: dict[str, Value] = {"/1/0/2": 101, "/1/0/3": 1010, "/1/0/5": 2000, "/1/0/6": True, "/1/0/7": "U"}
    base = parse_path("/1/0")
    for method in ("POST", "PUT"):
        assert await device.write(method, "/1/0", JSON, encode(JSON, pairs(part), base)) == 200
        taken = device.written[-1]
        assert taken[:3] == (method, "/1/0", JSON)
        assert decode(JSON, taken[3], base) == pairs(part)


@conforms("LightweightM2M-1.1-int-228", peer="aiocoap device")
async def test_an_instance_of_a_resource_is_written_and_read(device: AiocoapDevice) -> None:
    assert await device.write("PUT", "/16/0/0/1", TEXT, b"test") == 200
    assert device.written[-1] == ("PUT", "/16/0/0/1", TEXT, b"test")
    device.holds("/16/0/0/1", TEXT, b"test")
    assert await device.read("/16/0/0/1", TEXT) == {"/16/0/0/1": "test"}


@conforms("LightweightM2M-1.1-int-261", peer="aiocoap device")
async def test_attributes_of_a_multiple_resource_and_of_its_instance(device: AiocoapDevice) -> None:
    for uri in ("/3?pmin=10&pmax=200", "/3/0?pmax=320", "/3/0/11/0?pmax=100&epmin=1&epmax=20"):
        assert await device.write("PUT", uri, None, b"") == 200
    assert device.attributes == {
        "/3": ("pmin=10", "pmax=200"),
        "/3/0": ("pmax=320",),
        "/3/0/11/0": ("pmax=100", "epmin=1", "epmax=20"),
    }
    said = b"</3/0/11>;dim=1;pmin=10;pmax=320,</3/0/11/0>;pmax=100;epmin=1;epmax=20"
    device.holds("/3/0/11", 40, said)
    resource, instance = parse_links((await device.discover("/3/0/11")).decode())
    assert dict(resource.attributes) == {"dim": "1", "pmin": "10", "pmax": "320"}
    assert dict(instance.attributes) == {"pmax": "100", "epmin": "1", "epmax": "20"}
