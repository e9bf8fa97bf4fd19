"""Device queries through the REST API."""

from __future__ import annotations

import pytest

from lamplighter.storage.database import Database
from tests.services.directory.app import OTHER, App

NOBODY = "0" * 32


@pytest.fixture
def app(database: Database) -> App:
    return App(database)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "state=registered",
        "created_at__gte=2019-01-01T00%3A00%3A00Z&custom_attributes__foo=bar&id=0123",
        "state=registered&custom_attributes__a__neq=b&created_at__lte=2019-01-01T00:00:00.000Z",
        'created_at__lte=2019-01-01T00:00:00Z&custom_attributes__eq={"x": "y z"}&id__in=a,b&state__eq=registered',
        "?name__eq=Z%C3%BCrich&updated_at__lte=20161130T162512Z",
    ],
)
async def test_a_query_is_given_back_byte_for_byte(app: App, text: str) -> None:
    query = await app.post("/v3/device-queries/", {"name": "q", "query": text})
    assert query["query"] == text
    assert await app.get(f"/v3/device-queries/{query['id']}/") == query


async def test_a_query_that_names_what_cannot_be_filtered_is_refused(app: App) -> None:
    body = {"name": "q", "query": "colour=red&state=lost"}
    error = await app.refused("POST", "/v3/device-queries/", body, 400, "validation_error")
    assert [fault["name"] for fault in error["fields"]] == ["query", "query"]
    assert "colour" in error["fields"][0]["message"] and "endpoint_name" in error["fields"][0]["message"]
    query = await app.post("/v3/device-queries/", {"name": "q", "query": ""})
    await app.refused("PUT", f"/v3/device-queries/{query['id']}", {"query": "a__like=b"}, 400, "validation_error")


async def test_what_is_too_long_or_missing_is_named(app: App) -> None:
    body = {"name": "n" * 201, "query": "id=" + "0" * 1000}
    error = await app.refused("POST", "/v3/device-queries/", body, 400, "validation_error")
    assert {fault["name"] for fault in error["fields"]} == {"name", "query"}
    error = await app.refused("POST", "/v3/device-queries/", {}, 400, "validation_error")
    assert {fault["name"] for fault in error["fields"]} == {"name", "query"}


async def test_the_name_alone_may_be_changed(app: App) -> None:
    query = await app.post("/v3/device-queries/", {"name": "q", "query": "state=registered"})
    changed = await app.put(f"/v3/device-queries/{query['id']}/", {"name": "r"})
    assert (changed["name"], changed["query"]) == ("r", "state=registered")
    assert changed["updated_at"] > query["updated_at"]


async def test_query_names_are_unique_in_their_account(app: App) -> None:
    await app.post("/v3/device-queries/", {"name": "q", "query": ""})
    other = await app.post("/v3/device-queries/", {"name": "r", "query": ""})
    await app.refused("POST", "/v3/device-queries/", {"name": "q", "query": ""}, 409, "duplicate")
    await app.refused("PUT", f"/v3/device-queries/{other['id']}", {"name": "q"}, 409, "duplicate")
    await app.post("/v3/device-queries/", {"name": "q", "query": ""}, key=OTHER)


async def test_queries_are_listed_filtered_and_deleted(app: App) -> None:
    ids = [(await app.post("/v3/device-queries/", {"name": name, "query": "name=" + name}))["id"] for name in "abc"]
    assert await app.ids("/v3/device-queries") == ids
    assert await app.ids("/v3/device-queries?query__eq=name%3Db") == [ids[1]]
    assert await app.ids("/v3/device-queries?filter=name__nin%3Da%2Cc") == [ids[1]]
    assert (await app.call("DELETE", f"/v3/device-queries/{ids[1]}")).status_code == 204
    found = await app.get("/v3/device-queries?limit=2&order=DESC")
    assert [each["id"] for each in found["data"]] == [ids[2], ids[0]]
    assert (found["total_count"], found["has_more"]) == (2, False)


async def test_another_accounts_query_is_answered_as_one_that_never_was(app: App) -> None:
    query_id = (await app.post("/v3/device-queries/", {"name": "q", "query": ""}))["id"]
    for method, body in (("GET", None), ("PUT", {"name": "mine"}), ("DELETE", None)):
        seen, never = [
            await app.refused(method, f"/v3/device-queries/{each}", body, 404, "not_found", OTHER)
            for each in (query_id, NOBODY)
        ]
        assert seen["message"].replace(query_id, NOBODY) == never["message"]
        await app.refused(method, "/v3/device-queries/what", body, 404, "not_found", OTHER)
    assert (await app.get(f"/v3/device-queries/{query_id}"))["name"] == "q"
