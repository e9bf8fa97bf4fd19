"""Accounts over REST."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamplighter.api.filter import FilterField
from lamplighter.api.operation import Call, Operations
from lamplighter.api.page import Paging
from lamplighter.api.parameter import Parameter
from lamplighter.errors import access as errors
from lamplighter.services.access.accounts import service
from lamplighter.services.access.accounts.model import STATUSES, Account, AccountCreate, CreatedAccount
from lamplighter.services.access.names import shown
from lamplighter.services.access.pages import Listed

if TYPE_CHECKING:
    from lamplighter.services.access.service import Access

operations = Operations("Tenant accounts - accounts")
add = operations.add
INCLUDE = Parameter("include", "What to add, by commas: limits, policies, sub_accounts.")
PROPERTIES = Parameter("properties", "Names of custom properties to add; there are none on this server.")
FORMAT = Parameter("format", "breakdown: tenants of tenants too; an account's tenants have none on this server.")
ACTION = Parameter("action", "How the administrator begins.", choices=("create",), default="create")


def included(text: str | None) -> frozenset[str]:
    return frozenset(part.strip() for part in (text or "").split(",") if part.strip())


@add(
    "GET",
    "/v3/accounts/me",
    "getMyAccountInfo",
    permission="accounts.read",
    parameters=(INCLUDE, PROPERTIES),
    answer=Account,
    tag="Account - profile",
)
async def get_my_account_info(access: Access, call: Call) -> Account:
    """Get one's own account."""
    return await service.get(access, call.account_id, included(call.parameters["include"]))


@add(
    "GET",
    "/v3/accounts",
    "getAllAccounts",
    permission="accounts.read",
    paging=Paging(default_limit=1000, includes=("total_count", "limits", "policies", "sub_accounts")),
    parameters=(FORMAT, PROPERTIES),
    filters={
        "status": FilterField(("eq", "in", "nin"), choices=STATUSES),
        "tier": FilterField(("eq",)),
        "parent": FilterField(("eq",)),
        "end_market": FilterField(("eq",)),
        "country": FilterField(("like",)),
    },
    answer=Listed[Account],
)
async def get_all_accounts(access: Access, call: Call) -> dict[str, Any]:
    """List one's own account and its tenants; for the root account, all."""
    return await service.listed(access, call.caller, call.page, call.conditions, call.page.include)


@add(
    "POST",
    "/v3/accounts",
    "createAccount",
    permission="accounts.write",
    status=201,
    parameters=(ACTION,),
    body=AccountCreate,
    answer=CreatedAccount,
    raises=(errors.RootAccountOnly, errors.AccountAliasTaken),
)
async def create_account(access: Access, call: Call) -> CreatedAccount:
    """Create a tenant account with its groups and its administrator."""
    return await service.create(access, call.caller, call.body, call.now)


@add(
    "GET",
    "/v3/accounts/{account_id}",
    "getAccountInfo",
    permission="accounts.read",
    parameters=(INCLUDE, PROPERTIES),
    answer=Account,
    raises=(errors.AccountNotFound,),
)
async def get_account_info(access: Access, call: Call, account_id: str) -> Account:
    """Get one's own account or a tenant."""
    if account_id == "/" and call.caller.root:  # old tools name the root account by an encoded slash
        account_id = call.caller.account_id
    if not await access.authenticator.is_tenant(call.caller, account_id):
        raise errors.AccountNotFound(account_id=shown(account_id))
    return await service.get(access, account_id, included(call.parameters["include"]))
