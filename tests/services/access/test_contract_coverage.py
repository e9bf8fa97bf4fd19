"""Which operations this service has, beside the public contract's."""

from __future__ import annotations

import re

from lamplighter.services.access.permissions import PERMISSIONS, POLICIES
from tests import contract
from tests.services.app import OURS, App

PATHS = re.compile(
    r"/v3/(accounts/\{account_id\}/)?(users|applications|access-keys|api-keys|policy-groups)\b.*"
    r"|/v3/accounts(/me|/\{account_id\})?"
)
LATER = {
    "updateMyAccount",
    "updateAccount",
    "validateAccountUserEmail",
}
"""What the contract has and this server does not yet."""


async def test_every_operation_is_the_contract_s_in_method_path_and_status(app: App) -> None:
    bound = app.access.operations()
    ours = {each.operation.operation_id: each.operation for each in bound}
    assert len(ours) == len(bound) == 127
    known = contract.here()
    if known is None:
        return
    theirs = {name: each for name, each in known.operations.items() if PATHS.fullmatch(each["path"])}
    assert set(ours) - OURS == set(theirs) - LATER
    for name in set(ours) - OURS:
        operation, public = ours[name], theirs[name]
        assert (operation.method, operation.path) == (public["method"], public["path"])
        assert str(operation.status) in public["success"], name
        assert operation.deprecated == public.get("deprecated", False), name


async def test_every_permission_is_of_the_table(app: App) -> None:
    asked = {each.operation.permission for each in app.access.operations()}
    assert asked <= {None, "", *PERMISSIONS}


def test_developers_may_all_but_administer() -> None:
    assert {"devices.write", "connect.use", "credentials.read"} <= POLICIES["developers"]
    assert not any(
        name.startswith(("accounts", "users", "groups", "applications", "apikeys")) for name in POLICIES["developers"]
    )
