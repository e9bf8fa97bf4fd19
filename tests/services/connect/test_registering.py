"""Register, Update, De-register and expiry: what is on disk, what is told, and who is refused."""

from __future__ import annotations

import pytest

from lamplighter.bus.local import LocalBus
from lamplighter.errors import connect as errors
from lamplighter.lwm2m.link import parse_links
from lamplighter.lwm2m.registration import Registration
from lamplighter.services.connect.service import Ending, Identity, Proof, parse_identity
from lamplighter.services.directory.model import Block, Facts
from lamplighter.settings import Lwm2m, Settings
from lamplighter.storage.database import Database
from tests.api.toy import ACCOUNT, FOREIGN, OTHER
from tests.services.connect.bench import AUTO_TOKEN, LINKS, NAME, Bench, FakePeer

PSK = Identity(Proof.PSK, ACCOUNT, NAME)
VENDOR_LINKS = tuple(
    parse_links(
        '</3/0/2>;v="4711";aobs="1",</10255/0/4>;v="QXp786TyQD6FZA73oVFAZQ==";aobs="2",</10255/0/3>;v="+lTh0Q==",'
        '</14/0/0>;v="MAIN",</14/0/2>;v="1.2.3",</14/1/0>;v="no version"'
    )
)


async def test_a_registration_is_told_as_the_contract_draws_it(bench: Bench) -> None:
    registered = await bench.register(FakePeer(), endpoint_type="lamp", queue_mode=True)
    (item,) = await bench.told("registrations")
    assert {**item, "resources": None} == {
        "ep": registered.device_id,
        "original-ep": NAME,
        "ept": "lamp",
        "q": True,
        "resources": None,
    }
    assert item["resources"][2] == {"path": "/3303/0/5700", "rt": "temperature", "if": "", "ct": "0", "obs": True}
    listed = await bench.call("GET", "/v2/endpoints")
    assert listed.json() == [{"name": registered.device_id, "type": "lamp", "status": "ACTIVE", "q": True}]
    assert (await bench.call("GET", "/v2/endpoints", key=OTHER)).json() == []
    resources = await bench.call("GET", f"/v2/endpoints/{registered.device_id}/", "getEndpointResources")
    assert resources.json()[2] == {"uri": "/3303/0/5700", "rt": "temperature", "type": "0", "obs": True}
    for path, key in ((f"/v2/endpoints/{registered.device_id}", OTHER), ("/v2/endpoints/nobody", OTHER)):
        assert (await bench.call("GET", path, "getEndpointResources", key=key)).json()["type"] == "not_found"


async def test_what_a_device_says_of_itself_is_in_the_directory(bench: Bench) -> None:
    registered = await bench.register(FakePeer(), links=VENDOR_LINKS, endpoint_type="lamp", account=ACCOUNT)
    assert registered.location == ("rd", ACCOUNT, registered.device_id)
    device = await bench.directory.retrieve(ACCOUNT, registered.device_id)
    assert (device.state, device.endpoint_type, device.serial_number) == ("registered", "lamp", "4711")
    assert device.device_class == "417a7bf3a4f2403e85640ef7a1514065"
    assert (device.vendor_id, device.component_attributes) == ("fa54e1d1", {"MAIN": "1.2.3"})


async def test_an_update_that_changes_nothing_touches_nothing_but_the_registration(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer)
    before = await bench.directory.retrieve(ACCOUNT, registered.device_id)
    events = len(await bench.log.read("0.0", 1000))
    bench.clock.advance(30)
    assert await bench.update(peer, registered) == registered
    assert await bench.directory.retrieve(ACCOUNT, registered.device_id) == before
    assert len(await bench.log.read("0.0", 1000)) == events + 1
    (item,) = await bench.told("reg-updates")
    assert [each["path"] for each in item["resources"]] == [link.target for link in LINKS]


async def test_links_of_an_update_replace_a_standard_clients_and_add_to_the_vendors(bench: Bench) -> None:
    peer, vendor = FakePeer(), FakePeer()
    standard = await bench.register(peer)
    assert (await bench.update(peer, standard, links=LINKS[:1])).links == LINKS[:1]
    registered = await bench.register(vendor, "endpoint-of-vendor", client_version="4.13.2")
    changed = await bench.update(vendor, registered, links=tuple(parse_links("</1/0>;d,</5/0/1>")))
    assert [link.target for link in changed.links] == ["/3/0", "/3303/0/5700", "/10252/0/2", "/5/0/1"]
    shown = await bench.call("GET", f"/v2/endpoints/{registered.device_id}")
    assert [each["uri"] for each in shown.json()] == [link.target for link in changed.links]


async def test_lifetime_is_capped_and_an_expired_registration_ends(database: Database) -> None:
    bench = Bench(database, settings=Settings(lwm2m=Lwm2m(lifetime_max=100.0, expiry_grace=5.0)))
    peer = FakePeer()
    registered = await bench.register(peer, lifetime=86400)
    assert registered.lifetime == 100
    bench.clock.advance(90)
    await bench.update(peer, registered)
    bench.clock.advance(104)
    await bench.connect.expire()
    assert await bench.told("registrations-expired") == []
    bench.clock.advance(1)
    await bench.connect.expire()
    await bench.connect.expire()
    assert await bench.told("registrations-expired") == [registered.device_id]
    assert (await bench.directory.retrieve(ACCOUNT, registered.device_id)).state == "deregistered"
    with pytest.raises(errors.RegistrationNotFound):
        await bench.update(peer, registered)
    await bench.connect.close()


async def test_a_process_that_starts_expires_what_an_earlier_one_left(bench: Bench) -> None:
    registered = await bench.register(FakePeer(), lifetime=60)
    after = Bench(bench.database, clock=bench.clock, bus=LocalBus())
    bench.clock.advance(80)
    await after.connect.expire()
    assert await after.told("registrations-expired") == [registered.device_id]


@pytest.mark.parametrize(("more", "segments"), [({}, 2), ({"client_version": "4.13.2"}, 3), ({"account": ACCOUNT}, 3)])
async def test_a_location_has_two_segments_for_standard_clients_and_three_for_the_vendors_none_too_long_for_small_ones(
    bench: Bench, more: dict[str, str], segments: int
) -> None:
    registered = await bench.register(FakePeer(), **more)
    assert registered.location[0] == "rd" and registered.location[-1] == registered.device_id
    assert len(registered.location) == segments
    assert max(map(len, registered.location)) <= 32  # as small clients reserve for a segment


async def test_the_same_register_is_repeated_for_four_minutes_and_is_new_after_that(bench: Bench) -> None:
    asked = Registration(endpoint_name=NAME, links=LINKS, lifetime=3600)
    made = []
    for seconds in (0, 246, 2):
        bench.clock.advance(seconds)
        made.append(await bench.connect.register(PSK, asked, FakePeer(), "session 1 ab"))
    assert made[0].registration_id == made[1].registration_id != made[2].registration_id
    assert len(await bench.told("registrations")) == 2


async def test_a_device_that_leaves_is_deregistered_and_told_so(bench: Bench) -> None:
    registered = await bench.register(FakePeer())
    await bench.connect.deregister(PSK, registered.location, FakePeer())
    assert await bench.told("de-registrations") == [registered.device_id]
    with pytest.raises(errors.RegistrationNotFound):
        await bench.connect.deregister(PSK, registered.location, FakePeer())


@pytest.mark.parametrize(
    "location", [("rd", "x"), ("rd", "0" * 32), ("rd", FOREIGN, "{id}"), ("rd", "a", "b", "{id}"), ("rd", "{id}", "x")]
)
async def test_a_location_that_is_not_ones_own_is_not_found(bench: Bench, location: tuple[str, ...]) -> None:
    registered = await bench.register(FakePeer())
    other = registered._replace(location=tuple(part.format(id=registered.device_id) for part in location))
    with pytest.raises(errors.RegistrationNotFound):
        await bench.update(FakePeer(), other)
    with pytest.raises(errors.RegistrationNotFound):
        await bench.connect.deregister(PSK, other.location, FakePeer())


async def test_only_the_credential_that_registered_may_update_and_deregister(bench: Bench) -> None:
    registered = await bench.register(FakePeer())
    for identity in (Identity(Proof.NOTHING, ACCOUNT), Identity(Proof.PSK, ACCOUNT, "another-endpoint-1")):
        with pytest.raises(errors.RegistrationOfAnother):
            await bench.connect.deregister(identity, registered.location, FakePeer())


async def test_a_registration_in_a_foreign_name_is_refused(bench: Bench) -> None:
    peer = FakePeer()
    for claimed, more in (("another-endpoint-1", {}), (NAME, {"account": FOREIGN})):
        with pytest.raises(errors.EndpointNotOfCredential):
            await bench.register(peer, claimed, identity=PSK, **more)
    with pytest.raises(errors.EndpointNotOfCredential, match=f"is for {NAME} of the account {ACCOUNT}"):
        await bench.register(peer, NAME, identity=PSK, account=FOREIGN)
    for name in ("", "a" * 65, "lamp\x00"):
        with pytest.raises(errors.EndpointNotOfCredential):
            await bench.register(peer, name, identity=Identity(Proof.NOTHING, ACCOUNT))


async def test_a_certificate_registers_the_device_it_names_and_makes_none(bench: Bench) -> None:
    gone = Identity(Proof.CERTIFICATE, ACCOUNT, NAME, "0" * 32)
    with pytest.raises(errors.EndpointNotOfCredential):
        await bench.register(FakePeer(), identity=gone)
    async with bench.database.transaction() as tx:
        device_id = (await bench.directory.ensure_device(tx, ACCOUNT, NAME, Facts())).device_id
    registered = await bench.register(FakePeer(), identity=gone._replace(device_id=device_id))
    assert registered.device_id == device_id
    await bench.directory.suspend(ACCOUNT, device_id, Block())
    with pytest.raises(errors.DeviceBlocked):
        await bench.register(FakePeer(), identity=gone._replace(device_id=device_id))


async def test_what_ends_a_registration_leaves_a_later_one_alone(bench: Bench) -> None:
    first = bench.clock.now()
    bench.clock.advance(1)
    registered = await bench.register(FakePeer())
    await bench.connect.end(ACCOUNT, registered.device_id, Ending.REVOKED, before=first)
    assert await bench.told("de-registrations") == []


async def test_a_registration_resets_freshness_and_adopts_what_the_device_observes_itself(bench: Bench) -> None:
    peer = FakePeer()
    await bench.register(peer)
    assert (peer.fresh, peer.adopted) == (1, {AUTO_TOKEN: "/10252/0/2"})
    await bench.register(peer)
    assert peer.fresh == 2


def test_an_identity_is_kept_with_its_session_as_one_line() -> None:
    for identity in (PSK, Identity(Proof.CERTIFICATE, ACCOUNT, "a b", "0" * 32), Identity(Proof.NOTHING, ACCOUNT)):
        assert parse_identity(identity.text) == identity
    with pytest.raises(ValueError, match="too long"):
        _ = Identity(Proof.CERTIFICATE, ACCOUNT, "ä" * 100, "0" * 32).text


async def test_a_device_that_goes_to_another_process_is_left_by_the_first(bench: Bench) -> None:
    await bench.connect.start()
    first, second = FakePeer(), FakePeer()
    registered = await bench.register(first)
    other = Bench(bench.database, clock=bench.clock, bus=bench.bus, process="other")
    await other.update(second, registered)
    assert other.connect.is_attached(second)
    await other.connect.close()
    assert not bench.connect.is_attached(first)
    assert not first.closed  # whoever talks there now is told by the answer to its next update
