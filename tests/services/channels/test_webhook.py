"""Registering webhooks: what a receiver must answer, what a URL and headers may be, and the rules that channels share."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest

from lamplighter.services.access.events import happened
from lamplighter.storage.database import Database
from tests.api.toy import ACCOUNT, ADMIN, TOKEN
from tests.contract import check
from tests.outbound.receivers import ok, receiving, stall, status
from tests.services.channels.served import (
    CALLBACK,
    OTHER_APP,
    PULL,
    SECOND_KEY,
    SOCKET,
    Served,
    now,
    serving,
)

only_sqlite = pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
CHANNEL = "/v2/notification/channel"
URL = "http://127.0.0.1:9/hook"


async def put(served: Served, url: str, key: str | None = ADMIN, **more: Any) -> httpx2.Response:
    return await served.call("PUT", CALLBACK, key, json={"url": url, **more})


async def test_a_webhook_is_probed_registered_shown_and_deleted(database: Database) -> None:
    async with serving(database) as served, receiving() as receiver:
        assert (await served.call("GET", CALLBACK)).status_code == 404
        headers = {"authorization": "f4b93d6e", "X-Lamp": "post 1"}
        answer = await put(served, receiver.url(), headers=headers)
        assert (answer.status_code, answer.content) == (204, b"")
        probe = receiver.requests[0]
        assert (probe.method, probe.path, probe.body) == ("PUT", "/hook", b"{}")
        assert (probe.headers["authorization"], probe.headers["x-lamp"]) == ("f4b93d6e", "post 1")
        assert probe.headers["content-type"] == "application/json"
        shown = await served.call("GET", CALLBACK)
        check("getWebhook", 200, shown.json())
        assert (shown.json()["url"], shown.json()["headers"]) == (receiver.url(), headers)
        assert (await served.call("GET", CHANNEL)).json() == {"delivery_mechanism": "CALLBACK"}
        assert (await served.call("DELETE", CALLBACK)).status_code == 204
        for method in ("GET", "DELETE"):
            gone = await served.call(method, CALLBACK)
            assert (gone.status_code, gone.json()["type"]) == (404, "not_found")
        assert (await served.call("GET", CHANNEL)).status_code == 404


@only_sqlite
async def test_what_a_webhook_must_keep_secret_is_not_readable_in_the_database(database: Database) -> None:
    async with serving(database) as served, receiving() as receiver:
        await put(served, receiver.url(path="/hook?token=abcdef"), headers={"authorization": "top secret"})
        row = await served.channels._store.get(ACCOUNT, "subject")
        assert row is not None and row.endpoint is not None
        assert b"top secret" not in row.endpoint and b"abcdef" not in row.endpoint


@only_sqlite
@pytest.mark.parametrize("code", [200, 204])
async def test_a_receiver_confirms_with_200_or_204(database: Database, code: int) -> None:
    async with serving(database) as served, receiving(status(code)) as receiver:
        assert (await put(served, receiver.url())).status_code == 204


@only_sqlite
@pytest.mark.parametrize("code", [201, 202, 301, 302, 307, 308, 400, 401, 403, 404, 500, 503])
async def test_any_other_answer_of_the_receiver_refuses_the_webhook(database: Database, code: int) -> None:
    async with serving(database) as served, receiving() as target:
        async with receiving(status(code, f"Location: {target.url()}")) as receiver:
            answer = await put(served, receiver.url())
            assert (answer.status_code, answer.json()["type"]) == (400, "bad_request")
            assert str(code) in answer.json()["message"]
            assert target.requests == []
            assert (await served.call("GET", CALLBACK)).status_code == 404


@only_sqlite
async def test_a_receiver_that_is_not_there_or_does_not_answer_refuses_the_webhook(database: Database) -> None:
    async with serving(database, outbound={"timeout": 0.2}) as served, receiving(stall) as receiver:
        for url, word in (
            (receiver.url(), "0.2 seconds"),
            (URL, "refused"),
            ("http://no-such-name.invalid/", "no-such-name.invalid"),
            (f"https://127.0.0.1:{receiver.port}/", "seconds"),
        ):
            answer = await put(served, url)
            assert (answer.status_code, answer.json()["type"]) == (400, "bad_request")
            assert word in answer.json()["message"], answer.json()["message"]


@only_sqlite
@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "10.0.0.1", "192.168.0.1", "169.254.169.254", "[::ffff:10.0.0.1]", "[fe80::1]"],
)
async def test_an_address_inside_is_refused_and_the_error_says_how_it_may_be_allowed(
    database: Database, host: str
) -> None:
    async with serving(database, outbound={"allowed_networks": ()}) as served, receiving() as receiver:
        answer = await put(served, receiver.url(host))
        assert (answer.status_code, answer.json()["type"]) == (400, "bad_request")
        assert "outbound.allowed_networks" in answer.json()["message"]
        assert receiver.connections == 0


@only_sqlite
@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"url"}),
        ({"url": 1}, {"url"}),
        ({"url": ""}, {"url"}),
        ({"url": "ftp://lamps.example/"}, {"url"}),
        ({"url": "https://user:password@lamps.example/"}, {"url"}),
        ({"url": URL, "headers": {"a": 1}}, {"headers.a"}),
        ({"url": URL, "headers": "a: b"}, {"headers"}),
        ({"url": URL, "headers": {"a b": "c", "": "d"}}, {"headers.a b", "headers."}),
        ({"url": URL, "headers": {"a": "b\r\nc: d", "e": " f", "g": "é"}}, {"headers.a", "headers.e", "headers.g"}),
        ({"url": URL, "headers": {"Host": "a", "content-LENGTH": "1"}}, {"headers.Host", "headers.content-LENGTH"}),
        ({"url": URL, "headers": {"webhook-signature": "v1,a"}}, {"headers.webhook-signature"}),
        ({"url": URL, "headers": {"X-A": "1", "x-a": "2"}}, {"headers"}),
        ({"url": URL, "serialization": {}}, {"serialization.type"}),
        ({"url": URL, "serialization": {"type": "v1"}}, {"serialization.type"}),
        ({"url": URL, "serialization": {"type": "v2", "max_chunk_size": 99}}, {"serialization.max_chunk_size"}),
        ({"url": URL, "serialization": {"type": "v2", "max_chunk_size": "10001"}}, {"serialization.max_chunk_size"}),
        (
            {"url": "x", "headers": {"te": "a"}, "serialization": {"type": "v2", "cfg": {"include_uid": "yes"}}},
            {"serialization.cfg.include_uid"},
        ),
        ({"url": "x", "headers": {"te": "a"}}, {"url", "headers.te"}),
    ],
)
async def test_every_faulty_parameter_is_named_and_nothing_is_sent(
    database: Database, body: dict[str, Any], fields: set[str]
) -> None:
    async with serving(database) as served:
        answer = await served.call("PUT", CALLBACK, json=body)
        assert (answer.status_code, answer.json()["type"]) == (400, "validation_error")
        assert {each["name"] for each in answer.json()["fields"]} == fields


@only_sqlite
async def test_url_and_headers_have_at_most_400_characters_together(database: Database) -> None:
    async with serving(database) as served, receiving() as receiver:
        url = receiver.url()
        headers = {"abcd": "x" * (400 - len(url) - 4)}
        assert (await put(served, url, headers=headers)).status_code == 204
        answer = await put(served, url + "y", headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (400, "validation_error")
        assert "401" in answer.json()["fields"][0]["message"]


@only_sqlite
async def test_a_body_of_another_type_is_415_and_one_that_is_no_json_400(database: Database) -> None:
    async with serving(database) as served:
        headers = {"Authorization": f"Bearer {ADMIN}", "Content-Type": "text/plain"}
        answer = await served.client.put(CALLBACK, headers=headers, content=b"{}")
        assert (answer.status_code, answer.json()["type"]) == (415, "unsupported_media_type")
        answer = await served.client.put(
            CALLBACK, headers={**headers, "Content-Type": "application/json"}, content=b"{"
        )
        assert (answer.status_code, answer.json()["type"]) == (400, "bad_request")


@only_sqlite
async def test_a_content_type_that_is_sent_twice_is_taken(database: Database) -> None:
    async with serving(database) as served, receiving() as receiver:
        sent = [("Authorization", f"Bearer {ADMIN}"), *[("Content-Type", "application/json")] * 2]
        body = b'{"url": "%s"}' % receiver.url().encode()
        assert (await served.client.put(CALLBACK, headers=sent, content=body)).status_code == 204


@only_sqlite
@pytest.mark.parametrize(
    ("serialization", "shown"),
    [
        (
            {"type": "v2", "max_chunk_size": "100", "cfg": {"include_uid": "true", "include_timestamp": "false"}},
            {
                "type": "v2",
                "max_chunk_size": 100,
                "cfg": {
                    "deregistrations_as_object": False,
                    "include_uid": True,
                    "include_timestamp": False,
                    "include_original_ep": False,
                },
            },
        ),
    ],
)
async def test_numbers_and_booleans_may_be_sent_as_strings(
    database: Database, serialization: dict[str, Any], shown: dict[str, Any]
) -> None:
    async with serving(database) as served, receiving() as receiver:
        assert (await put(served, receiver.url(), serialization=serialization)).status_code == 204
        assert (await served.call("GET", CALLBACK)).json()["serialization"] == shown


async def test_a_second_registration_replaces_the_first(database: Database) -> None:
    async with serving(database) as served, receiving() as old, receiving() as new:
        await put(served, old.url(), headers={"a": "b"})
        assert (await put(served, new.url(), SECOND_KEY)).status_code == 204
        shown = (await served.call("GET", CALLBACK)).json()
        assert (shown["url"], shown["headers"]) == (new.url(), {})
        assert (await put(served, old.url(), OTHER_APP)).status_code == 204
        assert (await served.call("GET", CALLBACK, OTHER_APP)).json()["url"] == old.url()


@only_sqlite
async def test_a_registration_that_fails_leaves_the_former_webhook(database: Database) -> None:
    async with serving(database) as served, receiving() as receiver:
        await put(served, receiver.url())
        assert (await put(served, URL)).status_code == 400
        assert (await served.call("GET", CALLBACK)).json()["url"] == receiver.url()


async def test_an_application_has_one_channel_whatever_its_type(database: Database) -> None:
    async with serving(database, long_poll=0.05) as served, receiving() as receiver:
        await put(served, receiver.url())
        for method, path in (("PUT", SOCKET), ("GET", PULL)):
            refused = await served.call(method, path)
            assert (refused.status_code, refused.json()["type"]) == (400, "bad_request")
            assert "DELETE /v2/notification/callback" in refused.json()["message"]
        assert (await served.call("DELETE", SOCKET)).status_code == 404
        assert (await served.call("DELETE", PULL)).text == "ALREADY_DELETED"
        assert (await served.call("GET", SOCKET)).status_code == 404
        await served.call("DELETE", CALLBACK)
        for make, remove, word in (
            (("PUT", SOCKET), ("DELETE", SOCKET), "DELETE /v2/notification/websocket"),
            (("GET", PULL), ("DELETE", PULL), "DELETE /v2/notification/pull"),
        ):
            await served.call(*make)
            probes = len(receiver.requests)
            refused = await put(served, receiver.url())
            assert (refused.status_code, refused.json()["type"]) == (400, "bad_request")
            assert word in refused.json()["message"]
            assert len(receiver.requests) == probes
            await served.call(*remove)
        assert (await put(served, receiver.url())).status_code == 204


@only_sqlite
async def test_only_keys_have_webhooks(database: Database) -> None:
    async with serving(database) as served:
        for method in ("GET", "PUT", "DELETE"):
            body = {"json": {"url": URL}} if method == "PUT" else {}
            user = await served.call(method, CALLBACK, TOKEN, **body)
            assert (user.status_code, user.json()["type"]) == (403, "access_denied")
            nobody = await served.call(method, CALLBACK, None, **body)
            assert (nobody.status_code, nobody.json()["type"]) == (401, "invalid_auth")


@only_sqlite
@pytest.mark.parametrize("kind", ["ApplicationDeactivated", "ApplicationDeleted", "ApiKeyDeleted"])
async def test_a_subject_that_ends_takes_its_webhook_with_it(database: Database, kind: str) -> None:
    async with serving(database, look=0.02) as served, receiving() as receiver:
        await put(served, receiver.url())
        await served.happen(happened(kind, ACCOUNT, "subject", now()))
        async with asyncio.timeout(10):
            while (await served.call("GET", CALLBACK)).status_code != 404:
                pass
        receiver.script = ok
        assert (await put(served, receiver.url())).status_code == 204


@only_sqlite
@pytest.mark.parametrize("path", [CALLBACK, CALLBACK + "/", "/v2//notification/callback"])
async def test_each_form_of_the_path_is_served(database: Database, path: str) -> None:
    async with serving(database) as served, receiving() as receiver:
        assert (await served.call("PUT", path, json={"url": receiver.url()})).status_code == 204
        assert (await served.call("GET", path)).status_code == 200
