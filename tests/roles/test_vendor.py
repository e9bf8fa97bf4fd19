"""The vendor's dialect over the role: the bytes that its client was seen to send, from the socket to the directory."""

from __future__ import annotations

import base64
from typing import Any

from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code, Option
from tests.api.toy import ACCOUNT
from tests.roles.lwm2m_device import Device, with_certificate
from tests.roles.lwm2m_serving import Serving

NAME = "endpoint-of-the-vendor"
PAYLOAD = (
    b'</3/0/2>;v="0";aobs="353",</3/0/1>;v="dev_model_num";aobs="352",</3/0/0>;v="dev_manufacturer";aobs="351",</3/0/5>,'
    b"</3/0/16>;obs,</3/0/11>;obs,</3/0/11/0>;obs,</3/0/4>,"
    b'</35011/0/27002>;rt="Enroll",</14/0/2>;rt="Component Version";v="0.0.0",</14/0/0>;rt="Component Identity";v="MAIN",'
    b'</10255/0/4>;rt="Class";v="QXp786TyQD6FZA73oVFAZQ==";aobs="350",</10255/0/3>;rt="Vendor";v="+lTh0Q==";aobs="349",'
    b'</10255/0/0>;rt="ProtocolSupported";v="4";aobs="348",</10252/0/3>;rt="UpdateResult";v="-1";aobs="344",'
    b'</10252/0/2>;rt="State";v="1";aobs="343",</10252/0/1>;rt="Package",</3200/0/5501>;obs,</1/0/1>;obs,</10252>,</10252/0>'
)
QUERY = ("ep={name}", "et={type}", "lt=7200", "lwm2m=1.0", "d={account}", "b=U", "aid={account}", "mccv=4.13.2")
GATEWAY = (
    b'</3/0/2>;v="gw-1";aobs="12",</1/0/1>;obs,</d/lamp>;name="lamp",</d/lamp/3303/0/5700>;obs,'
    b'</d/lamp/10252/0/2>;v="1";aobs="13",</d/fan>;name="fan",</d/fan/3311/0/5850>;obs'
)


def register_request(payload: bytes, *more: str, type_: str = "default") -> Message:
    message = Message(Code.POST, payload=payload).add(Option.URI_PATH, "rd").add(Option.CONTENT_FORMAT, 40)
    for argument in (*QUERY, *more):
        message.add(Option.URI_QUERY, argument.format(name=NAME, account=ACCOUNT, type=type_))
    return message


def update_request(location: tuple[str, ...], payload: bytes) -> Message:
    """As the client sends it: ``et`` in every one."""
    message = Message(Code.POST, payload=payload).add(Option.CONTENT_FORMAT, 40).add(Option.URI_QUERY, "et=MBED_GW")
    for segment in location:
        message.add(Option.URI_PATH, segment)
    return message


async def connected(serving: Serving) -> Device:
    """With a certificate of ours, as bootstrap gives it."""
    device_id = await serving.ensured(NAME)
    credential = serving.authority.issue_device(NAME, ACCOUNT, device_id)
    device = serving.new_device()
    await device.connect(with_certificate(credential, serving.authority.device_ca.certificate), serving.role.port)
    return device


async def registered(serving: Serving, payload: bytes = PAYLOAD, type_: str = "default") -> Device:
    device = await connected(serving)
    answer = await device.ask(register_request(payload, type_=type_))
    assert answer.code == Code.CREATED, answer.payload
    device.location = answer.location_path()
    return device


async def told(serving: Serving, key: str) -> list[Any]:
    return [each.item for each in await serving.deliveries(key)]


async def test_the_registration_that_was_seen_is_in_the_directory_as_it_says(serving: Serving) -> None:
    device = await registered(serving)
    assert device.location[:2] == ("rd", ACCOUNT) and len(device.location) == 3
    shown = await serving.directory.retrieve(ACCOUNT, device.location[-1])
    assert (shown.state, shown.endpoint_name, shown.endpoint_type) == ("registered", NAME, "default")
    assert (shown.serial_number, shown.vendor_id) == ("0", "fa54e1d1")
    assert shown.device_class == "417a7bf3a4f2403e85640ef7a1514065"
    assert shown.component_attributes == {"MAIN": "0.0.0"}
    (item,) = await told(serving, "registrations")
    assert (item["ep"], item["original-ep"], item["ept"], item["q"]) == (shown.id, NAME, "default", False)
    assert item["resources"][4] == {"path": "/3/0/16", "rt": "", "if": "", "ct": "", "obs": True}
    assert len(item["resources"]) == 21
    listed = await serving.call("GET", f"/v2/endpoints/{shown.id}", "getEndpointResources")
    assert {each["uri"] for each in listed.json()} >= {"/10252", "/10252/0", "/3/0/11/0", "/35011/0/27002"}


async def test_what_the_client_says_of_its_identity_is_not_believed(serving: Serving) -> None:
    device = await connected(serving)
    answer = await device.ask(register_request(PAYLOAD, "iep=0123456789abcdef0123456789abcdef"))
    known = await serving.directory.device_of_endpoint(serving.database, ACCOUNT, NAME)
    assert known is not None and answer.location_path() == ("rd", ACCOUNT, known.device_id)


async def test_an_updates_values_come_by_notification_with_the_tokens_it_chose(serving: Serving) -> None:
    device = await registered(serving)
    device_id = device.location[-1]
    for number, payload in ((353, b"4711"), (343, b"2")):
        message = Message(Code.CONTENT, payload=payload).add(Option.OBSERVE, 2).add(Option.MAX_AGE, 0)
        device.send_notification(number.to_bytes(2, "big"), message)

    async def both() -> bool:
        return len(device.ended) == 2

    await serving.until(both)
    assert device.ended == ["DeliveryAcknowledged"] * 2
    items = await told(serving, "notifications")
    assert [(each["ep"], each["path"]) for each in items] == [(device_id, "/3/0/2"), (device_id, "/10252/0/2")]
    assert (await serving.directory.retrieve(ACCOUNT, device_id)).serial_number == "4711"
    assert device.requests == []


async def test_after_a_reboot_its_new_tokens_count_and_the_old_ones_do_not(serving: Serving) -> None:
    device = await registered(serving)
    again = PAYLOAD.replace(b'aobs="343"', b'aobs="500"').replace(b'v="0.0.0"', b'v="0.0.1"')
    answer = await device.ask(register_request(again))
    assert answer.location_path() == device.location
    shown = await serving.directory.retrieve(ACCOUNT, device.location[-1])
    assert shown.component_attributes == {"MAIN": "0.0.1"}
    for number in (343, 500):  # a counter below the last one: freshness begins anew
        message = Message(Code.CONTENT, payload=b"1").add(Option.OBSERVE, 1)
        device.send_notification(number.to_bytes(2, "big"), message)

    async def both() -> bool:
        return len(device.ended) == 2

    await serving.until(both)
    assert sorted(device.ended) == ["DeliveryAcknowledged", "DeliveryReset"]


async def test_a_payload_that_cannot_be_read_is_a_bad_request_and_a_storm_is_not(serving: Serving) -> None:
    device = await connected(serving)
    answer = await device.ask(register_request(b"</3/0>;v="))
    assert answer.code == Code.CREATED  # an empty value is one
    answer = await device.ask(register_request(b"3/0"))
    assert answer.code == Code.BAD_REQUEST and b"list of objects" in answer.payload
    codes = {(await device.ask(register_request(PAYLOAD))).code for _ in range(30)}
    assert codes == {Code.CREATED, Code.SERVICE_UNAVAILABLE}


async def test_a_gateway_brings_devices_that_are_reached_through_it(serving: Serving) -> None:
    gateway = await registered(serving, GATEWAY, "MBED_GW")
    gateway.resources["/d/lamp/3303/0/5700"] = b"21.5"
    lamp = await serving.directory.device_of_endpoint(serving.database, ACCOUNT, "lamp")
    assert lamp is not None and lamp.host_gateway == gateway.location[-1] and lamp.state == "registered"
    read = await serving.request(lamp.device_id, "GET", "/3303/0/5700")
    assert (read["status"], base64.b64decode(read["payload"])) == (200, b"21.5")
    answer = await serving.call("PUT", f"/v2/subscriptions/{lamp.device_id}/3303/0/5700", "addResourceSubscription")
    assert base64.b64decode((await serving.response(answer.json()["async-response-id"]))["payload"]) == b"21.5"
    gateway.notify("/d/lamp/3303/0/5700", b"22")
    gateway.send_notification((13).to_bytes(2, "big"), Message(Code.CONTENT, payload=b"3").add(Option.OBSERVE, 2))

    async def both() -> Any:
        items = await told(serving, "notifications")
        return items if len(items) == 2 else None

    items = await serving.until(both)
    assert {(each["ep"], each["path"]) for each in items} == {
        (lamp.device_id, "/3303/0/5700"),
        (lamp.device_id, "/10252/0/2"),
    }


async def test_a_gateways_updates_add_devices_and_take_them_away(serving: Serving) -> None:
    gateway = await registered(serving, GATEWAY, "MBED_GW")
    lamp = await serving.directory.device_of_endpoint(serving.database, ACCOUNT, "lamp")
    assert lamp is not None
    payload = b'</d/lamp>;d,</d/pump>;name="pump",</d/pump/3306/0/5850>;obs'
    assert (await gateway.ask(update_request(gateway.location, payload))).code == Code.CHANGED
    assert await told(serving, "de-registrations") == [lamp.device_id]
    assert {item["original-ep"] for item in await told(serving, "registrations")} == {NAME, "lamp", "fan", "pump"}
    assert (await gateway.ask(update_request(gateway.location, b""))).code == Code.CHANGED
    assert (await gateway.deregister()).code == Code.DELETED

    async def gone() -> bool:
        return len(await told(serving, "de-registrations")) == 4

    await serving.until(gone)


async def test_a_registration_of_eleven_thousand_links_is_taken(serving: Serving) -> None:
    links = b",".join(b'</40000/%d/%d>;v="21.5";obs' % (number // 1000, number % 1000) for number in range(11_000))
    device = await registered(serving, links)
    listed = await serving.call("GET", f"/v2/endpoints/{device.location[-1]}", "getEndpointResources")
    assert len(listed.json()) == 11_000
