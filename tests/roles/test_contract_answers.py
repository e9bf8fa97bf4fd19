"""Every operation of a running server is called once with success, and its answer held against the public contract.

One walk goes through the own account and, by the twins of the same operations, through a tenant. Without the contract at
hand (tests/contract.py) the walk still checks the declared statuses and that no operation is left out.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.outbound.receivers import LOOPBACK, receiving
from tests.roles.serving import Serving, settings_for
from tests.roles.simulated import simulated
from tests.roles.walk import Walk
from tests.roles.walk_trust import (
    walk_certificates,
    walk_credentials,
    walk_enrollment,
    walk_issuers,
    walk_secure_access,
)

EXTENSIONS = (
    {"getLwm2mObjects", "createLwm2mObject", "getLwm2mObject", "deleteLwm2mObject"}
    | {
        "getDeviceRequest",
        "getWebhookDeliveries",
        "testWebhook",
        "createWebhookSecret",
        "deleteWebhookSecret",
    }
    | {"listChannels", "putChannel", "getChannel", "deleteChannel", "replayChannel"}
    | {
        "getChannelDeliveries",
        "testChannel",
        "createChannelSecret",
        "deleteChannelSecret",
    }
    | {"getAutomaticRenewal", "setAutomaticRenewal", "listDeviceCertificates", "getAcmeChallenge"}
    | {f"getBulkDeviceEnrollment{kind}{name}Report" for kind in ("", "Delete") for name in ("Full", "Errors")}
)
"""Additions with answers of their own, tested by those of connect, channels, issuers and enrollment."""
ELSEWHERE = {
    "connectWebsocket",
    "connectChannel",
    "watchNotifications",
    "followChannel",
    "RequestCertificateRenewal",
    "getCertificateEnrollment",
}
"""Tested with real WebSockets and event streams by the tests of channels, and with a device by those of renewals."""


@pytest.fixture
async def serving(tmp_path: Path) -> AsyncIterator[Serving]:
    each = Serving(tmp_path, settings_for(channels={"long_poll": 0.05}, outbound={"allowed_networks": LOOPBACK}))
    await each.start()
    yield each
    await each.close()


async def test_every_operation_succeeds_as_the_contract_says_and_none_is_left_out(serving: Serving) -> None:
    reached: set[str] = set()
    async with serving.client() as client, simulated(serving, 1) as (device_id,):
        own = Walk(serving, client, None, reached)
        await walk_own_accounts(own)
        await walk_management(own)
        await walk_me(own)
        account = await walk_accounts(own)
        tenant = Walk(serving, client, account, reached)
        await walk_management(tenant)
        await walk_certificates(tenant)
        await walk_directory(own, device_id)
        await walk_credentials(own)
        await walk_enrollment(own, serving)
        await walk_certificates(own)
        await walk_issuers(own)
        await walk_secure_access(own)
        await walk_devices(own, device_id)
        await walk_channels(own)
        await walk_errors(own, client)
    everything = {each.operation_id for each in serving.process.api.operations}
    assert everything - reached == ELSEWHERE | EXTENSIONS


async def walk_own_accounts(walk: Walk) -> None:
    account = await walk.do("getMyAccountInfo", query="include=limits,policies")
    await walk.do("getAllAccounts", query="include=total_count&limit=2")
    user = {"email": "me@example.com", "username": "its.me", "password": "a long password 1"}
    made = await walk.do("createUser", body=user)
    login = {"username": "its.me", "password": user["password"], "account": account["id"]}
    token = (await walk.do("login", body=login))["token"]
    await walk.do("getMyUser", key=token)
    await walk.do("updateMyUser", key=token, body={"full_name": "It is me"})
    await walk.do("logout", key=token)
    await walk.do("updateUser", made["id"], body={"status": "INACTIVE"})
    await walk.do("deleteUser", made["id"])


async def walk_accounts(walk: Walk) -> str:
    """Make a tenant; its id."""
    account = await walk.do(
        "createAccount",
        body={
            "end_market": "lighting",
            "display_name": "Tenant",
            "country": "GB",
            "admin_name": "tenant.admin",
            "admin_email": "tenant@example.com",
            "aliases": ["a-tenant"],
        },
    )
    await walk.do("getAccountInfo", account["id"], query="include=limits,policies")
    tenant: str = account["id"]
    return tenant


async def walk_me(walk: Walk) -> None:
    """What an API key may do about itself."""
    groups = {each["name"]: each["id"] for each in (await walk.do("getAllGroups"))["data"]}
    made = await walk.do("createApiKey", body={"name": "me", "groups": [groups["Administrators"]]})
    me, developers = made["key"], [groups["Developers"]]
    await walk.do("getMyApiKey", key=me)
    await walk.do("updateMyApiKey", key=me, body={"name": "myself"})
    await walk.do("getGroupsOfMyApiKey", key=me)
    for add, remove in (
        ("addMyApiKeyToGroups", "removeMyApiKeyListedGroups"),
        ("addMyApiKeyToListedGroups", "removeMyApiKeyFromListedGroups"),
    ):
        await walk.do(add, key=me, body=developers)
        await walk.do(remove, key=me, body=developers)
    await walk.do("deleteApiKey", made["id"])


async def walk_management(walk: Walk) -> None:
    """Users, keys, applications and policy groups, in the own account or in a tenant."""
    group = (await walk.do("createGroup", body={"name": "Walkers"}))["id"]
    await walk.do("getAllGroups", query="include=total_count&order=DESC&limit=2")
    await walk.do("updateGroupName", group, body={"name": "Lamplighters"})
    await walk.do("getGroupSummary", group)

    people = [{"email": f"walker{n}@example.com", "username": f"walker.{n}", "full_name": "Walker"} for n in (1, 2)]
    first, second = [(await walk.do("createUser", body=person))["id"] for person in people]
    await walk.do("getAllUsers", query="include=total_count&email__eq=walker1@example.com")
    await walk.do("updateUser", first, body={"phone_number": "+44 20 7946 0000"})
    await walk.do("getUser", first)

    key = (await walk.do("createApiKey", body={"name": "walker", "owner": first}))["id"]
    await walk.do("getAllApiKeys", query=f"owner__eq={first}")
    await walk.do("updateApiKey", key, body={"name": "walker", "status": "INACTIVE"})
    await walk.do("getApiKey", key)
    await walk.do("resetSecret", key)

    application = (await walk.do("createApplication", body={"name": "walk", "description": "Walks."}))["id"]
    await walk.do("getAllApplications")
    await walk.do("updateApplication", application, body={"name": "walk on"})
    await walk.do("getApplication", application)
    access = {"name": "walker's", "expiration": "2090-01-01T00:00:00Z"}
    access_key = (await walk.do("createApplicationAccessKey", application, body=access))["id"]
    await walk.do("getAllApplicationAccessKeys", application)
    await walk.do("getAllAccessKeys")
    await walk.do("getAccessKey", access_key)
    await walk.do("getApplicationAccessKey", application, access_key)
    await walk.do("updateApplicationAccessKey", application, access_key, body={"name": "the walker's"})

    await walk_memberships(walk, group, first, key, application)

    await walk.do("deleteApplicationAccessKey", application, access_key)
    await walk.do("deleteApplication", application)
    await walk.do("deleteApiKey", key)
    await walk.do("updateUser", first, body={"status": "INACTIVE"})
    await walk.do("deleteUser", first)
    await walk.do("removeUserFromAccount", second)
    await walk.do("deleteGroup", group)


async def walk_memberships(walk: Walk, group: str, user: str, key: str, application: str) -> None:
    """Into the group and out of it, from both sides."""
    for kind, member, pairs in (
        ("User", user, (("addUserToGroups", "removeUserFromGroups"),
                        ("addUserToListedGroups", "removeUserFromListedGroups"))),
        ("Apikey", key, (("addApiKeyToGroups", "removeApiKeyFromGroups"),
                         ("addApiKeyToListedGroups", "removeApiKeyFromListedGroups"))),
        ("Application", application, (("addApplicationToGroups", "removeApplicationFromGroups"),)),
    ):  # fmt: skip
        for add, remove in pairs:
            await walk.do(add, member, body=[group])
            await walk.do(f"getGroupsOf{kind}", member)
            await walk.do(remove, member, body=[group])
    await walk.do("addSubjectsToGroup", group, body={"users": [user], "apikeys": [key], "applications": [application]})
    await walk.do("getUsersOfGroup", group)
    await walk.do("getApiKeysOfGroup", group)
    await walk.do("getApplicationsOfGroup", group)
    users, keys, applications = {"users": [user]}, {"apikeys": [key]}, {"applications": [application]}
    for remove, add, body in (
        ("removeUsersFromGroup", "addUsersToGroup.", users),
        ("removeListedUsersFromGroup", "addListedUsersToGroup.", users),
        ("removeApiKeysFromGroup", "addApiKeysToGroup", keys),
        ("removeListedApiKeysFromGroup", "addListedApiKeysToGroup", keys),
        ("removeListedApplicationsFromGroup", "addListedApplicationsToGroup", applications),
    ):
        await walk.do(remove, group, body=body)
        await walk.do(add, group, body=body)
        await walk.do(remove, group, body=body)


async def walk_directory(walk: Walk, registered: str) -> None:
    device = await walk.do(
        "Device_create",
        body={
            "name": "Lamp",
            "endpoint_name": "lamp-of-the-walk",
            "device_execution_mode": 1,
            "ca_id": "c" * 32,
            "device_key": "d" * 32,
            "custom_attributes": {"street": "High Street"},
        },
    )
    lamp = device["id"]
    await walk.do("Device_list", query="include=total_count&order=DESC")
    await walk.do("Device_retrieve", registered)
    await walk.do("Device_update", lamp, body={"description": "A lamp"})
    await walk.do("Device_suspend", lamp, body={"category": "maintenance"})
    await walk.do("Device_retrieve", lamp)
    await walk.do("Device_resume", lamp, body={"category": "maintenance"})
    categories = await walk.do("Block_Categories_list")
    await walk.do("Block_Categories_retrieve", categories["data"][0]["reference"])
    group = (await walk.do("Group_create", body={"name": "Street", "custom_attributes": {"a": "b"}}))["id"]
    await walk.do("Group_members_add", group, body={"device_id": lamp})
    await walk.do("Group_members_retrieve", group)
    await walk.do("Group_list", query="devices_count__gte=1")
    await walk.do("Group_update", group, body={"name": "Square"})
    await walk.do("Group_retrieve", group)
    await walk.do("Group_members_remove", group, body={"device_id": lamp})
    await walk.do("Group_delete", group)
    query = (await walk.do("Device_Query_create", body={"name": "On", "query": "state=registered"}))["id"]
    await walk.do("Device_Query_list")
    await walk.do("Device_Query_retrieve", query)
    await walk.do("Device_Query_update", query, body={"name": "Off"})
    await walk.do("Device_Query_destroy", query)
    await walk.do("Device_destroy", lamp)
    event = (await walk.do("Device_Event_list"))["data"][0]["id"]
    await walk.do("Device_Event_retrieve", event)
    await walk.do("Device_Log_list")
    await walk.do("Device_Log_retrieve", event)


async def walk_devices(walk: Walk, device: str) -> None:
    """Requests and subscriptions, with their results by long poll."""
    await walk.do("getEndpoints")
    await walk.do("getEndpointResources", device)
    await walk.do("longPollNotifications", status=204)
    write = {"method": "PUT", "uri": "/3311/0/5851", "content-type": "text/plain", "payload-b64": _base64("7")}
    await walk.do("createAsyncRequest", device, body=write, query="async-id=write")
    assert (await result(walk, "write"))["status"] == 200
    async_id = (await walk.do("addResourceSubscription", device, "3311/0/5851"))["async-response-id"]
    assert (await result(walk, async_id))["payload"] == _base64("7")
    await walk.do("addResourceSubscription", device, "3311/0/5851", status=200)
    await walk.do("checkResourceSubscription", device, "3311/0/5851")
    assert await walk.do("getEndpointSubscriptions", device) == "/3311/0/5851"
    await walk.do("createAsyncRequest", device, body={**write, "payload-b64": _base64("8")}, query="async-id=again")
    notified = await news(walk, "notifications")
    assert (notified["ep"], notified["path"], notified["payload"]) == (device, "/3311/0/5851", _base64("8"))
    await walk.do("deleteResourceSubscription", device, "3311/0/5851")
    await walk.do("deleteEndpointSubscriptions", device)
    rule = {"endpoint-name": device, "resource-path": ["/3311/0/5850"]}
    await walk.do("updatePreSubscriptions", body=[rule])
    assert await walk.do("getPreSubscriptions") == [rule]
    await walk.do("deletePreSubscriptions")
    for name in ("updateResourceValue", "executeOrCreateResource", "deleteResourcePath"):
        direct = await walk.do(name, device, "3311/0/5851")
        await result(walk, direct["async-response-id"])
    await walk.do("getResourceValue", device, "3311/0/5851", query="cacheOnly=true", status=205)
    direct = await walk.do("getResourceValue", device, "3311/0/5851")
    assert (await result(walk, direct["async-response-id"]))["status"] == 200
    while not (echo := await walk.do("getDeviceEchoObject", device))["resources"]:
        pass  # it follows a little later
    assert echo["device_id"] == device
    await walk.do("deleteDeviceEchoObject", device)
    await walk.do("getChannelMetadata")
    await walk.do("deleteLongPollChannel")


async def result(walk: Walk, async_id: str) -> Any:
    """The async response of that id."""
    async with asyncio.timeout(20):
        while True:
            body = await walk.do("longPollNotifications", status=(200, 204))
            for found in (body or {}).get("async-responses", ()):
                if found["id"] == async_id:
                    return found


async def news(walk: Walk, kind: str) -> Any:
    """The next message of a kind; what else comes meanwhile is passed by."""
    async with asyncio.timeout(20):
        while True:
            body = await walk.do("longPollNotifications", status=(200, 204))
            if body and kind in body:
                return body[kind][0]


async def walk_channels(walk: Walk) -> None:
    await walk.do("registerWebsocket", body={"serialization": {"type": "v2"}}, status=201)
    await walk.do("registerWebsocket", body={})
    await walk.do("getWebsocket")
    await walk.do("deleteWebsocket")
    async with receiving() as receiver:
        await walk.do("registerWebhook", body={"url": receiver.url(), "headers": {"authorization": "lamp"}})
        await walk.do("getWebhook")
        await walk.do("deregisterWebhook")


async def walk_errors(walk: Walk, client: httpx2.AsyncClient) -> None:
    answer = await client.get("/v3/devices")
    assert answer.status_code == 401
    await walk.do("getKeptError", answer.headers["x-request-id"])


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
