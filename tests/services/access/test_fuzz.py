"""Odd values everywhere: whatever is sent, the answer is one of the documented ones and never a defect."""

from __future__ import annotations

import random
import re
from typing import Any

from lamplighter.api.operation import Operation
from tests.services.app import App

ODD: list[Any] = [
    None,
    True,
    -1,
    2**70,
    1e308,
    "",
    "x" * 600,
    "\u0000",
    "e\u0301",
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00Z",
    [],
    ["x"],
    [None],
    [{}],
    ["0" * 32] * 2,
    [{"id": "a b"}],
    {},
    {"a": 1},
    "EXPIRED",
    "0" * 32,
]
TEXTS = ["", "x", "-1", "9" * 20, "0" * 32, "ACTIVE,x", "\u0000", "%", "_", "\\"]
ROUNDS = 3


def body_of(operation: Operation, chance: random.Random) -> Any:
    """A body that is good but for two members."""
    if operation.body == list[str]:
        return chance.choice(ODD)
    names = ["username", "password", "account"]
    if operation.body is not bytes:
        names = list(operation.body.__struct_fields__)
    unique = chance.randrange(10**9)
    good = {"name": f"n{unique}", "email": f"e{unique}@x.test", "end_market": "x", "admin_email": "a@b.test"}
    return {**good, **{name: chance.choice(ODD) for name in chance.sample(names, min(2, len(names)))}}


def query_of(operation: Operation, chance: random.Random) -> dict[str, str]:
    """Two odd parameters of a list."""
    if operation.paging is None:
        return {"include": chance.choice(TEXTS)}
    filters = [f"{name}__{how}" for name in operation.filters or {} for how in ("eq", "in", "nin", "like", "neq")]
    return {name: chance.choice(TEXTS) for name in chance.sample(["limit", "after", "order", "include", *filters], 2)}


async def test_no_operation_has_a_defect_that_odd_values_show(app: App) -> None:
    chance = random.Random(1)
    application = (await app.get("/v3/applications")).json()["data"][1]["id"]
    ids = {
        "account_id": app.other_account_id,
        "user_id": app.user_id,
        "group_id": app.groups["Developers"],
        "application_id": application,
        "access_key_id": (await app.get("/v3/access-keys")).json()["data"][1]["id"],
        "apikey_id": (await app.get("/v3/api-keys")).json()["data"][0]["id"],
    }
    tried = 0
    for operation in (each.operation for each in app.access.operations()):
        if operation.body is None and operation.method != "GET":
            continue
        key = app.user_token if "users/me" in operation.path else app.admin
        path = re.sub(r"\{([^}]+)\}", lambda match: ids[match[1]], operation.path)
        for _ in range(ROUNDS):
            tried += 1
            if operation.body is None:
                answer = await app.call("GET", path, key, params=query_of(operation, chance))
            else:
                answer = await app.call(operation.method, path, key, json=body_of(operation, chance))
            assert answer.status_code < 500, (operation.operation_id, answer.request.content[:200])
    assert tried > 300
