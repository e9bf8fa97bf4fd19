"""The LwM2M role as devices and applications see it: sockets on loopback, DTLS, and the API beside it."""

from __future__ import annotations

import base64
from dataclasses import replace

from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code, ContentFormat, Option
from lamplighter.lwm2m.link import parse_links
from lamplighter.lwm2m.registration import Registration, register_request
from lamplighter.services.directory.model import Block
from tests.api.toy import ACCOUNT, FOREIGN
from tests.coap.pair import request
from tests.roles.lwm2m_device import Device, with_certificate
from tests.roles.lwm2m_serving import Serving

NAME = "my-first-device-01"


async def registered(serving: Serving, name: str = NAME) -> Device:
    device = await serving.device_with_key(name)
    assert (await device.register(name)).code == Code.CREATED
    return device


async def test_a_device_with_a_key_registers_and_is_in_the_directory_and_in_the_events(serving: Serving) -> None:
    device = await registered(serving)
    device_id = device.location[-1]
    assert device.location == ("rd", device_id)
    shown = await serving.directory.retrieve(ACCOUNT, device_id)
    assert (shown.endpoint_name, shown.state) == (NAME, "registered")
    (delivery,) = await serving.deliveries("registrations")
    assert delivery.item["ep"] == device_id and delivery.item["original-ep"] == NAME  # type: ignore[index]
    assert serving.role.ready


async def test_a_device_with_a_certificate_of_ours_registers_as_the_device_it_names(serving: Serving) -> None:
    device_id = await serving.ensured(NAME)
    credential = serving.authority.issue_device(NAME, ACCOUNT, device_id)
    device = serving.new_device()
    await device.connect(with_certificate(credential, serving.authority.device_ca.certificate), serving.role.port)
    assert (await device.register(NAME, account=ACCOUNT, client_version="4.13.2")).code == Code.CREATED
    assert device.location == ("rd", ACCOUNT, device_id)
    assert (await device.update()).code == Code.CHANGED
    assert (await device.deregister()).code == Code.DELETED


async def test_a_device_of_1_1_may_leave_its_name_to_its_credential(serving: Serving) -> None:
    device = await serving.device_with_key(NAME)
    nameless = Registration(endpoint_name=None, version="1.1", links=parse_links("</3/0>"))
    answer = await device.ask(register_request(nameless))
    assert answer.code == Code.CREATED
    shown = await serving.directory.retrieve(ACCOUNT, answer.location_path()[-1])
    assert (shown.endpoint_name, shown.state) == (NAME, "registered")
    assert (await device.ask(register_request(replace(nameless, version="1.0")))).code == Code.BAD_REQUEST


async def test_a_device_cannot_register_under_another_name_or_account(serving: Serving) -> None:
    device = await serving.device_with_key(NAME)
    assert (await device.register("another-device-01")).code == Code.FORBIDDEN
    assert (await device.register(NAME, account=FOREIGN)).code == Code.FORBIDDEN
    assert await serving.deliveries("registrations") == []


async def test_a_plain_device_belongs_to_the_account_of_the_setting_and_takes_over_no_secured_one(
    serving: Serving,
) -> None:
    plain = serving.plain_device()
    assert (await plain.register("lab-device")).code == Code.CREATED
    await serving.directory.retrieve(ACCOUNT, plain.location[-1])
    secured = await registered(serving)
    assert (await plain.register(NAME)).code == Code.FORBIDDEN
    plain.location = secured.location
    assert (await plain.update()).code == Code.FORBIDDEN
    assert (await plain.deregister()).code == Code.FORBIDDEN
    assert (await secured.update()).code == Code.CHANGED


async def test_a_device_is_read_written_executed_and_answers_its_own_errors(serving: Serving) -> None:
    device = await registered(serving)
    device_id = device.location[-1]
    read = await serving.request(device_id, "GET", "/3/0/0")
    assert read["status"] == 200 and base64.b64decode(read["payload"]) == b"maker" and read["ct"] == "text/plain"
    written = await serving.request(device_id, "PUT", "/1/0/1", b"90", **{"content-type": "text/plain"})
    assert (written["status"], written["payload"]) == (200, "")
    assert device.resources["/1/0/1"] == b"90"
    assert (await serving.request(device_id, "POST", "/3/0/4"))["status"] == 200
    assert device.executed == ["/3/0/4"]
    assert (await serving.request(device_id, "GET", "/3/0/99"))["status"] == 404


async def test_an_application_subscribes_is_notified_and_unsubscribes(serving: Serving) -> None:
    device = await registered(serving)
    path = f"/v2/subscriptions/{device.location[-1]}//3303/0/5700"
    answer = await serving.call("PUT", path, "addResourceSubscription")
    assert answer.status_code == 202
    first = await serving.response(answer.json()["async-response-id"])
    assert (first["status"], base64.b64decode(first["payload"])) == (200, b"21.5")
    assert (await serving.call("PUT", path, "addResourceSubscription")).status_code == 200
    device.notify("/3303/0/5700", b"22.0")

    async def told() -> list[object]:
        return [each.item for each in await serving.deliveries("notifications")]

    ((item),) = await serving.until(told)
    assert item["path"] == "/3303/0/5700" and base64.b64decode(item["payload"]) == b"22.0"
    assert (await serving.call("DELETE", path, "deleteResourceSubscription")).status_code == 204

    async def cancelled() -> bool:
        return not device.observers

    await serving.until(cancelled)


async def test_a_device_updates_deregisters_and_must_register_again(serving: Serving) -> None:
    device = await registered(serving)
    assert (await device.update()).code == Code.CHANGED
    assert (await device.update(links=tuple(parse_links("</5/0>")))).code == Code.CHANGED
    (first, second) = await serving.deliveries("reg-updates")
    assert [each["path"] for each in second.item["resources"]] == ["/5/0"]  # type: ignore[index]
    assert (await device.deregister()).code == Code.DELETED
    assert [each.item for each in await serving.deliveries("de-registrations")] == [device.location[-1]]
    assert (await device.update()).code == Code.NOT_FOUND


async def test_deleting_a_key_ends_session_and_registration(serving: Serving) -> None:
    device = await registered(serving)
    await serving.credentials.delete_key(ACCOUNT, NAME)
    await device.closed

    async def gone() -> object:
        return await serving.deliveries("de-registrations")

    await serving.until(gone)
    assert (await serving.call("GET", f"/v2/endpoints/{device.location[-1]}")).status_code == 404


async def test_suspending_a_device_ends_its_session_and_its_registration(serving: Serving) -> None:
    device = await registered(serving)
    device_id = device.location[-1]
    await serving.directory.suspend(ACCOUNT, device_id, Block(category="lost_or_stolen"))
    await device.closed
    assert (await serving.directory.retrieve(ACCOUNT, device_id)).state == "deregistered"


async def test_commands_wait_for_a_device_whose_session_ended_until_it_comes_back(serving: Serving) -> None:
    device = await registered(serving)
    device.close()

    async def detached() -> bool:
        return not serving.connect.attached.by_peer

    await serving.until(detached)
    path = f"/v2/device-requests/{device.location[-1]}?async-id=later"
    assert (await serving.call("POST", path, json={"method": "GET", "uri": "/3/0/0"})).status_code == 202
    again = await serving.device_with_key(NAME)
    again.location = device.location
    assert (await again.update()).code == Code.CHANGED
    assert (await serving.response("later"))["status"] == 200


async def test_the_vendors_client_is_heard_for_what_it_observes_by_itself(serving: Serving) -> None:
    device = await serving.device_with_key(NAME)
    links = tuple(parse_links('</10252/0/2>;v="1";aobs="343",</3/0/2>;v="4711";aobs="344"'))
    assert (await device.register(NAME, links=links, account=ACCOUNT)).code == Code.CREATED
    assert (await serving.directory.retrieve(ACCOUNT, device.location[-1])).serial_number == "4711"
    path = f"/v2/subscriptions/{device.location[-1]}/10252/0/2"
    answer = await serving.call("PUT", path, "addResourceSubscription")
    first = await serving.response(answer.json()["async-response-id"])
    assert base64.b64decode(first["payload"]) == b"1"
    message = Message(Code.CONTENT, payload=b"3").add(Option.OBSERVE, 2)
    device.send_notification((343).to_bytes(2, "big"), message)

    async def acknowledged() -> list[str]:
        return device.ended

    assert await serving.until(acknowledged) == ["DeliveryAcknowledged"]
    (delivery,) = await serving.deliveries("notifications")  # it was there before it was acknowledged
    assert delivery.item["path"] == "/10252/0/2" and delivery.subjects == ("subject",)  # type: ignore[index]
    assert device.requests == []


async def test_values_that_a_device_sends_unasked_reach_who_subscribed(serving: Serving) -> None:
    device = await serving.device_with_key(NAME)
    assert (await device.register(NAME, version="1.1")).code == Code.CREATED
    path = f"/v2/subscriptions/{device.location[-1]}/3303/0/5700"
    answer = await serving.call("PUT", path, "addResourceSubscription")
    await serving.response(answer.json()["async-response-id"])
    send = request(Code.POST, "dp", payload=b'[{"n":"/3303/0/5700","v":23.5}]')
    assert (await device.ask(send.add(Option.CONTENT_FORMAT, ContentFormat.SENML_JSON))).code == Code.CHANGED
    (delivery,) = await serving.deliveries("notifications")
    assert base64.b64decode(delivery.item["payload"]) == b"23.5"  # type: ignore[index]


async def test_a_device_that_only_shakes_hands_again_is_asked_in_its_new_session(serving: Serving) -> None:
    device = await registered(serving)
    device_id = device.location[-1]
    path = f"/v2/subscriptions/{device_id}/3303/0/5700"
    answer = await serving.call("PUT", path, "addResourceSubscription")
    await serving.response(answer.json()["async-response-id"])
    device.observers.clear()
    await device.shake_hands_again()
    assert (await serving.request(device_id, "GET", "/3/0/0"))["status"] == 200

    async def observed() -> bool:
        return "/3303/0/5700" in device.observers

    assert await serving.until(observed)
    assert (await device.update()).code == Code.CHANGED
    assert len(await serving.deliveries("registrations")) == 1


async def test_a_command_under_way_when_the_device_shakes_hands_again_goes_on(serving: Serving) -> None:
    device = await registered(serving)
    device_id = device.location[-1]
    device.deaf = True
    body = {"method": "GET", "uri": "/3/0/0"}
    await serving.call("POST", f"/v2/device-requests/{device_id}?async-id=under-way", "createAsyncRequest", json=body)

    async def was_asked() -> bool:
        return bool(device.requests)

    await serving.until(was_asked)
    device.deaf = False
    await device.shake_hands_again()
    assert (await serving.response("under-way"))["status"] == 200
