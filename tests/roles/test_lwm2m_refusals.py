"""Devices that are refused, put off, or met again after a restart."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from lamplighter.bus.log import EventLog
from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code, ContentFormat, Option
from lamplighter.lwm2m.link import parse_links
from lamplighter.roles import admission, device_port
from lamplighter.services.connect.service import Identity, Proof
from lamplighter.services.credentials.service import REVOKED
from lamplighter.settings import Coap, Lwm2m, Settings
from lamplighter.storage.database import Database
from lamplighter.transport.datagram_socket import CannotBind
from lamplighter.transport.dtls_client import HandshakeRefused
from tests.api.toy import ACCOUNT
from tests.coap.pair import get, request
from tests.dtls import pki
from tests.roles.lwm2m_device import with_certificate, with_key
from tests.roles.lwm2m_serving import SECRET, SETTINGS, Serving

NAME = "my-first-device-01"


async def test_a_storm_is_put_off_with_a_time_to_come_again(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    device = serving.plain_device()
    monkeypatch.setattr(device_port, "OPEN_REQUESTS", 0)
    answer = await device.register("lab-device")
    assert (answer.code, answer.max_age) == (Code.SERVICE_UNAVAILABLE, device_port.LATER)
    monkeypatch.undo()
    assert (await device.register("lab-device")).code == Code.CREATED


async def test_a_device_that_finds_the_line_full_is_given_a_turn_and_one_that_is_registered_goes_on(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered, device = serving.plain_device(), serving.plain_device()
    assert (await registered.register("lab-device-1")).code == Code.CREATED
    monkeypatch.setattr(admission, "IN_LINE", -admission.AT_ONCE)
    answer = await device.register("lab-device-2")
    assert (answer.code, answer.max_age) == (Code.SERVICE_UNAVAILABLE, admission.SOONEST)
    assert (await registered.update()).code == Code.CHANGED
    monkeypatch.undo()
    assert (await device.register("lab-device-2")).code == Code.CREATED


async def test_a_registration_that_cannot_be_kept_is_put_off(serving: Serving) -> None:
    device = serving.plain_device()
    await serving.database.close()
    answer = await device.register("lab-device")
    assert (answer.code, answer.max_age) == (Code.SERVICE_UNAVAILABLE, device_port.LATER)
    await serving.database.start()
    EventLog(serving.database, serving.bus)
    assert (await device.register("lab-device")).code == Code.CREATED


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (get("3", "0"), Code.NOT_FOUND),
        (get("rd"), Code.METHOD_NOT_ALLOWED),
        (request(Code.POST, "rd", payload=b"<not links"), Code.BAD_REQUEST),
        (request(Code.POST, "rd", "nobody"), Code.NOT_FOUND),
        (request(Code.DELETE, "rd", "nobody"), Code.NOT_FOUND),
        (request(Code.POST, "est", "sen", payload=b"a request"), Code.NOT_FOUND),
        (request(Code.POST, "est", "a-name", "sen", payload=b"a request"), Code.NOT_FOUND),
        (
            request(Code.POST, "dp", payload=b'[{"n":"/3/0/9","v":1}]').add(
                Option.CONTENT_FORMAT, ContentFormat.SENML_JSON
            ),
            Code.NOT_FOUND,
        ),
    ],
)
async def test_what_is_no_registration_is_answered_by_its_code(serving: Serving, message: Message, code: Code) -> None:
    assert (await serving.plain_device().ask(message)).code == code


async def test_a_lifetime_that_is_too_long_is_answered_with_the_one_granted(database: Database, tmp_path: Path) -> None:
    settings = Settings(coap=SETTINGS.coap, lwm2m=Lwm2m(port=0, lifetime_max=100.0))
    serving = Serving(database, tmp_path, settings)
    await serving.start()
    device = serving.plain_device()
    assert (await device.register("lab-device", lifetime=86400)).max_age == 100
    assert (await device.register("lab-device", lifetime=50)).option(Option.MAX_AGE) is None
    await serving.close()


async def test_keys_and_certificates_of_others_open_no_session(serving: Serving) -> None:
    stranger = pki.authority()
    lamp = pki.device(stranger, NAME)
    for certificate in (
        serving.authority.issue_device(NAME, "no account", "0" * 32),  # not as this authority issues them
        serving.authority.issue_developer(NAME, ACCOUNT),  # opens bootstrap, and nothing else
        serving.authority.lwm2m,  # a server's
        serving.authority.device_ca._replace(certificate=lamp.certificate, key=lamp.key),
    ):
        config = with_certificate(certificate, serving.authority.device_ca.certificate)
        with pytest.raises(HandshakeRefused):
            await serving.new_device().connect(config, serving.role.port)


async def test_after_a_restart_a_device_goes_on_with_an_update(database: Database, tmp_path: Path) -> None:
    before = Serving(database, tmp_path)
    await before.start()
    device = await before.device_with_key(NAME)
    links = tuple(parse_links("</3/0>"))
    assert (await device.register(NAME, links=links, version="1.1", binding="UT")).code == Code.CREATED
    await before.close()
    after = Serving(database, tmp_path)
    await after.start()
    assert (await after.call("GET", "/v2/endpoints")).json()[0]["name"] == device.location[-1]
    again = await after.device_with_key(NAME)
    again.location = device.location
    assert (await again.update(binding="UT", queue_mode=True)).code == Code.CHANGED
    assert (await after.request(again.location[-1], "GET", "/3/0/0"))["status"] == 200
    await after.close()


async def test_a_notification_that_cannot_be_kept_is_not_acknowledged(serving: Serving) -> None:
    device = await serving.device_with_key(NAME)
    await device.register(NAME)
    path = f"/v2/subscriptions/{device.location[-1]}/3303/0/5700"
    subscribed = await serving.call("PUT", path)
    await serving.response(subscribed.json()["async-response-id"])
    await serving.database.close()
    device.notify("/3303/0/5700", b"22")
    device.ended.clear()
    assert (await device.update()).code == Code.SERVICE_UNAVAILABLE  # it came behind the notification
    assert device.ended == []
    await serving.database.start()
    EventLog(serving.database, serving.bus)


async def test_a_notification_nobody_wants_is_reset(serving: Serving) -> None:
    device = await serving.device_with_key(NAME)
    await device.register(NAME)
    device.send_notification(b"none", Message(Code.CONTENT, payload=b"1").add(Option.OBSERVE, 3))

    async def reset() -> list[str]:
        return device.ended

    assert await serving.until(reset) == ["DeliveryReset"]


async def test_a_port_in_use_is_named_and_nothing_stays_open(serving: Serving, tmp_path: Path) -> None:
    settings = Settings(coap=Coap(host="127.0.0.1", insecure=False), lwm2m=Lwm2m(port=serving.role.port))
    other = Serving(serving.database, tmp_path, settings)
    with pytest.raises(CannotBind, match=str(serving.role.port)):
        await other.start()
    assert not other.role.ready


async def test_a_key_deleted_during_the_handshake_opens_nothing(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = await serving.device_with_key(NAME)
    look_up, told = serving.credentials.owner_of_identity, asyncio.Event()
    await serving.bus.subscribe(REVOKED, lambda _: told.set())

    async def deleted_meanwhile(identity: bytes) -> object:
        owner = await look_up(identity)
        monkeypatch.undo()
        await serving.credentials.delete_key(ACCOUNT, NAME)
        await told.wait()
        return owner

    monkeypatch.setattr(serving.credentials, "owner_of_identity", deleted_meanwhile)
    late = serving.new_device()
    await late.connect(with_key(NAME, SECRET), serving.role.port)
    await late.closed
    await device.closed


async def test_the_port_without_security_does_not_open_without_an_account(serving: Serving, tmp_path: Path) -> None:
    other = Serving(serving.database, tmp_path)
    other.role._insecure = Identity(Proof.NOTHING, "")
    with pytest.raises(ValueError, match="insecure_account"):
        await other.role.start()
    assert not other.role.ready
