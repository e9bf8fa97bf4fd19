"""What no good client sends."""

from __future__ import annotations

import re

from lamplighter.api.operation import Operation
from lamplighter.bus.outbox import events
from lamplighter.storage.query import Query
from tests.services.app import App

ABSENT = "0" * 32
NOT_IDS = ("%00", "x" * 3000, "%F0%9F%92%A1", "A" * 32)


def filled(operation: Operation, value: str) -> str:
    """The operation's path with that in place of each of its variables, the account's too."""
    return re.sub(r"\{[^}]+\}", value, operation.path)


async def test_what_cannot_be_an_id_is_not_found_on_every_path(app: App) -> None:
    operations = [each.operation for each in app.access.operations() if each.operation.path_names]
    assert len(operations) > 100
    wrong = []
    for operation in operations:
        body: object = {"name": "x"}
        if operation.body == list[str]:
            body = []
        elif operation.body is not None and "email" in operation.body.__struct_fields__:
            body = {"email": "a@b.test", "password": "long enough"}
        for value in NOT_IDS:
            answer = await app.call(operation.method, filled(operation, value), app.admin, json=body)
            if (answer.status_code, answer.json()["type"]) != (404, "not_found"):
                wrong.append((operation.operation_id, value[:10], answer.status_code))
    assert not wrong


async def test_own_ids_inside_a_path_of_another_object_are_not_found(app: App) -> None:
    (one, two) = (await app.get("/v3/applications")).json()["data"][:2]
    key = (await app.get(f"/v3/applications/{one['id']}/access-keys")).json()["data"][0]["id"]
    path = f"/v3/applications/{two['id']}/access-keys/{key}"
    for answer in (
        await app.get(path),
        await app.put(path, json={"name": "mine"}),
        await app.delete(path),
    ):
        assert (answer.status_code, answer.json()["type"]) == (404, "not_found")


async def test_more_ids_than_a_statement_carries_are_refused(app: App) -> None:
    many = [ABSENT] * 1001
    answers = [
        await app.post(f"/v3/users/{app.user_id}/groups/add", json=many),
        await app.post("/v3/policy-groups", json={"name": "crowd", "members": {"users": many}}),
        await app.post("/v3/applications", json={"name": "crowd", "groups": many}),
    ]
    assert [each.status_code for each in answers] == [400] * 3
    assert ["at most 1000" in each.json()["fields"][0]["message"] for each in answers] == [True] * 3


async def test_odd_characters_in_names_come_back_as_sent(app: App) -> None:
    for name in ("\u202e drop table; --'\"", "\U0001f4a1", "<b>&amp;", "\t\u00a0"):
        made = await app.post("/v3/policy-groups", json={"name": name})
        assert made.json()["name"] == name
        found = (await app.get("/v3/policy-groups", params={"name__eq": name})).json()
        assert [each["name"] for each in found["data"]] == [name]
    assert (await app.post("/v3/policy-groups", json={"name": "a\x00b"})).status_code == 400


async def test_what_happens_is_in_the_event_log_and_what_fails_is_not(app: App) -> None:
    query = Query(events.select().order_by(events.c.position))
    before = len(await app.database.fetch_all(query))
    made = (await app.post("/v3/policy-groups", json={"name": "Heard of"})).json()
    await app.post("/v3/policy-groups", json={"name": "Heard of"})
    (event,) = (await app.database.fetch_all(query))[before:]
    assert (event["kind"], event["account_id"], event["time"]) == ("GroupCreated", app.account_id, app.clock.now())
    assert made["id"] in event["data"]
