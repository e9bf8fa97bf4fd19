"""The vendor's firmware update: a manifest, its states, and what runs afterwards."""

from __future__ import annotations

import hashlib

import pytest

from lamplighter.coap.blockwise import Block, block_of
from lamplighter.coap.numbers import Code, Option
from lamplighter.lwm2m import management
from lamplighter.lwm2m.registration import resource_values
from lamplighter.simulator.manifest import ManifestMalformed, read_manifest
from lamplighter.simulator.profile import Profile
from lamplighter.simulator.vendor_objects import CLASS_ID, VENDOR_ID, ManifestUpdate, UpdateState
from tests.simulator.test_vendor import adopt, vendor_town
from tests.simulator.town import Town

URI = "http://lamps.example.com:8080/fw/1"
IMAGE = bytes(range(256)) * 20


def element(tag: int, content: bytes) -> bytes:
    length = len(content)
    head = bytes((length,)) if length < 0x80 else bytes((0x82,)) + length.to_bytes(2, "big")
    return bytes((tag,)) + head + content


def manifest(vendor: bytes = VENDOR_ID, class_id: bytes = CLASS_ID, component: str = "MAIN") -> bytes:
    """Of version 3, with a signature of zeros."""
    fields = [
        element(0x04, vendor),
        element(0x04, class_id),
        element(0x02, b"\x00"),
        element(0x0C, component.encode()),
        element(0x0C, b"1.2.3"),
        element(0x04, hashlib.sha256(IMAGE).digest()),
        element(0x02, len(IMAGE).to_bytes(3, "big")),
        element(0x0C, URI.encode()),
        element(0x0A, b"\x01"),
        element(0x04, b""),
    ]
    signed = element(0x0A, b"\x03") + element(0x30, b"".join(fields)) + element(0x04, bytes(64))
    return element(0x30, signed)


def updating(profile: Profile = Profile.VENDOR, **behaviours: float) -> Town:
    """A client of the vendor, and the image that the manifest names."""
    place = vendor_town(profile=profile, **behaviours)
    place.images[URI] = IMAGE
    adopt(place)
    return place


def versions(place: Town) -> tuple[object, object, object]:
    """Version, state and result of the last registration."""
    values = {path: value for _, path, value in resource_values(place.registrations[0].links)}
    return values["/14/0/2"], values["/10252/0/2"], values["/10252/0/3"]


def told(place: Town, path: str) -> list[int]:
    """What the client told of a resource, as numbers."""
    token = adopt(place)[path]
    return [int(message.payload) for _, _, message in place.notifications if message.token == token]


def test_a_manifest_is_read_field_by_field() -> None:
    read = read_manifest(manifest())
    assert (read.vendor_id, read.class_id, read.component, read.version) == (VENDOR_ID, CLASS_ID, "MAIN", "1.2.3")
    assert (read.digest, read.size, read.uri) == (hashlib.sha256(IMAGE).digest(), len(IMAGE), URI)


@pytest.mark.parametrize("cut", range(0, len(manifest()), 7))
def test_a_manifest_that_ends_too_early_is_malformed(cut: int) -> None:
    with pytest.raises(ManifestMalformed):
        read_manifest(manifest()[:cut])


@pytest.mark.parametrize(
    "data", [b"\x30\x00", b"\x0a\x01\x03", b"\x30\x84\xff\xff\xff\xff", manifest()[:4] + b"\x30" * 40]
)
def test_what_is_no_manifest_is_malformed(data: bytes) -> None:
    with pytest.raises(ManifestMalformed):
        read_manifest(data)


def test_an_update_walks_through_its_states_and_the_new_version_registers() -> None:
    place = updating()
    assert place.ask(management.execute("/10252/0/1", manifest())).code == Code.CHANGED
    place.run(60)
    assert told(place, "/10252/0/2") == [3, 4, 6, 7, 8]
    assert versions(place) == ("1.2.3", 1, -1)


def test_the_image_is_fetched_through_the_server_block_by_block_each_under_a_token_of_its_own() -> None:
    place = updating()
    place.ask(management.execute("/10252/0/1", manifest()))
    place.run(60)
    assert [block_of(each, Option.BLOCK2) for each in place.blocks] == [Block(number, False, 5) for number in range(10)]
    assert len({each.token for each in place.blocks}) == 10
    assert {each.option(Option.PROXY_URI) for each in place.blocks} == {URI.encode()}


def test_a_gateway_takes_larger_blocks() -> None:
    place = updating(Profile.GATEWAY)
    place.ask(management.execute("/10252/0/1", manifest()))
    place.run(60)
    assert len(place.blocks) == 5 and versions(place)[0] == "1.2.3"


def test_a_server_that_is_busy_is_asked_again() -> None:
    place = updating()
    place.troubles = [Code.CONTENT, Code.SERVICE_UNAVAILABLE, Code.SERVICE_UNAVAILABLE]
    place.ask(management.execute("/10252/0/1", manifest()))
    place.run(120)
    assert len(place.blocks) == 12 and versions(place)[0] == "1.2.3"


@pytest.mark.parametrize(
    ("images", "result"),
    [({}, 24), ({URI: IMAGE[:-1]}, 26), ({URI: IMAGE[:-1] + b"x"}, 26), ({URI: bytes(17 << 20)}, 33)],
)
def test_an_image_that_is_not_what_the_manifest_says_ends_in_a_result(images: dict[str, bytes], result: int) -> None:
    place = updating()
    place.images = images
    place.ask(management.execute("/10252/0/1", manifest()))
    place.run(60)
    assert told(place, "/10252/0/3") == [result] and told(place, "/10252/0/2")[-1] == 1


def test_a_restart_in_the_middle_of_a_download_goes_on_where_it_stopped() -> None:
    place = updating()
    place.troubles = [Code.CONTENT, Code.CONTENT, Code.CONTENT, Code.SERVICE_UNAVAILABLE]
    place.ask(management.execute("/10252/0/1", manifest()))
    place.run(5)
    assert told(place, "/10252/0/2") == [3, 4] and len(place.blocks) == 4
    place.troubles = [Code.SERVICE_UNAVAILABLE]
    place.ask(management.execute("/3/0/4"))
    while versions(place)[1] != 2:
        place.run(1)
    adopt(place)
    place.run(60)
    assert versions(place)[0] == "1.2.3"
    assert [block_of(each, Option.BLOCK2).num for each in place.blocks].count(0) == 1  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("behaviour", "result"), [("bad-image", [26]), ("no-memory", [33]), ("lost-image", [24]), ("rollback", [])]
)
def test_what_was_told_to_go_wrong_goes_wrong(behaviour: str, result: list[int]) -> None:
    place = updating(**{behaviour: 1.0})
    place.ask(management.execute("/10252/0/1", manifest()))
    place.run(60)
    assert told(place, "/10252/0/3") == result
    assert versions(place) == ("0.0.0", 1, -1) and (not result or told(place, "/10252/0/2")[-1] == 1)


@pytest.mark.parametrize(
    ("data", "result"),
    [
        (b"\x30\x03abc", 22),
        (manifest(vendor=bytes(16)), 30),
        (manifest(class_id=bytes(16)), 31),
        (manifest(component="MODEM"), 39),
    ],
)
def test_a_manifest_that_is_not_for_this_device_ends_in_a_result(data: bytes, result: int) -> None:
    place = vendor_town()
    adopt(place)
    place.ask(management.execute("/10252/0/1", data))
    place.run(20)
    assert told(place, "/10252/0/3") == [result] and place.devices[0].lamp.tree
    assert place.ask(management.read("/10252/0/2")).payload == b"1"


def test_the_client_waits_for_the_acknowledgement_of_each_state() -> None:
    place = updating()
    place.ask(management.execute("/10252/0/1", manifest()))
    place.run(0.5)
    assert told(place, "/10252/0/2") == [3]
    place.reachable = False
    place.run(20)
    update = place.devices[0].lamp.update
    assert isinstance(update, ManifestUpdate) and update.state <= UpdateState.DOWNLOADING
    place.reachable = True
    place.run(240)
    assert told(place, "/10252/0/2")[-1] == 8


def test_another_manifest_during_an_update_is_taken_and_forgotten() -> None:
    place = updating()
    for data in (manifest(), manifest(component="MODEM")):
        assert place.ask(management.execute("/10252/0/1", data)).code == Code.CHANGED
    place.run(60)
    assert told(place, "/10252/0/2") == [3, 4, 6, 7, 8] and told(place, "/10252/0/3") == []


def test_a_failing_update_tells_the_result_before_the_state() -> None:
    place = updating(**{"bad-image": 1.0})
    place.ask(management.execute("/10252/0/1", manifest()))
    place.run(30)
    tokens = adopt(place)
    ends = [message.token for _, _, message in place.notifications][-2:]
    assert ends == [tokens["/10252/0/3"], tokens["/10252/0/2"]]
