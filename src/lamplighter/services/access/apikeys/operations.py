"""API keys over REST."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from lamplighter.api.caller import CredentialKind
from lamplighter.api.filter import FilterField
from lamplighter.api.operation import Call, Handler, Operations
from lamplighter.api.page import Paging
from lamplighter.errors import access as errors
from lamplighter.services.access.apikeys import service
from lamplighter.services.access.apikeys.model import ApiKey, ApiKeyCreate, ApiKeyUpdate
from lamplighter.services.access.groups import service as groups
from lamplighter.services.access.groups.model import Group
from lamplighter.services.access.pages import Listed

if TYPE_CHECKING:
    from lamplighter.services.access.service import Access

operations = Operations("Account - API keys")
add = operations.add
NOT_FOUND = (errors.ApiKeyNotFound,)
JOINING = (errors.ApiKeyNotFound, errors.AlreadyInGroup)
ITSELF: dict[str, Any] = {
    "credentials": frozenset({CredentialKind.API_KEY}),
    "refusal": errors.ApiKeyNeeded,
    "deprecated": True,
}
"""Declared by what only an API key may do: speak of itself."""


@add(
    "GET",
    "/v3/api-keys",
    "getAllApiKeys",
    tenant="getAllAccountApiKeys",
    permission="apikeys.read",
    paging=Paging(),
    filters={"key": FilterField(("eq",)), "owner": FilterField(("eq",))},
    answer=Listed[ApiKey],
    deprecated=True,
)
async def get_all_api_keys(access: Access, call: Call) -> dict[str, Any]:
    """List API keys."""
    return await service.listed(access, call.account_id, call.page, call.conditions)


@add(
    "POST",
    "/v3/api-keys",
    "createApiKey",
    tenant="createAccountApiKey",
    permission="apikeys.write",
    status=201,
    body=ApiKeyCreate,
    answer=ApiKey,
    deprecated=True,
)
async def create_api_key(access: Access, call: Call) -> ApiKey:
    """Create an API key; its secret is in this answer only."""
    owner = call.caller.user_id if call.account_id == call.caller.account_id else None
    return await service.create(access, call.account_id, call.body, owner, call.now)


@add("GET", "/v3/api-keys/me", "getMyApiKey", permission="", answer=ApiKey, **ITSELF)
async def get_my_api_key(access: Access, call: Call) -> ApiKey:
    """Get the calling API key."""
    return await service.get(access.database, call.account_id, call.caller.credential_id)


@add(
    "PUT",
    "/v3/api-keys/me",
    "updateMyApiKey",
    permission="",
    body=ApiKeyUpdate,
    answer=ApiKey,
    raises=(errors.PermissionMissing,),
    **ITSELF,
)
async def update_my_api_key(access: Access, call: Call) -> ApiKey:
    """Update the calling API key; its groups and owner need an administrator."""
    mine = await service.get(access.database, call.account_id, call.caller.credential_id)
    other_groups = call.body.groups is not UNSET and set(call.body.groups) != set(mine.groups)
    other_owner = call.body.owner is not UNSET and (call.body.owner or UNSET) != mine.owner
    if (other_groups or other_owner) and not call.caller.may("apikeys.write"):
        raise errors.PermissionMissing(permission="apikeys.write")
    return await service.update(access, call.account_id, mine.id, call.body, call.now)


@add(
    "GET",
    "/v3/api-keys/me/groups",
    "getGroupsOfMyApiKey",
    permission="",
    paging=Paging(),
    answer=Listed[Group],
    **ITSELF,
)
async def get_groups_of_my_api_key(access: Access, call: Call) -> dict[str, Any]:
    """List the policy groups of the calling API key."""
    return await groups.of_subject(access.database, call.account_id, "apikey", call.caller.credential_id, call.page)


def _mine(method: str, tail: str, own: str, *, join: bool) -> Callable[[Handler], Handler]:
    """The declaration of a change of the calling key's groups."""
    raises = (errors.AlreadyInGroup,) if join else ()
    return add(
        method,
        "/v3/api-keys/me/groups" + tail,
        own,
        permission="apikeys.write",
        body=list[str],
        answer=ApiKey,
        raises=raises,
        **ITSELF,
    )


@_mine("POST", "", "addMyApiKeyToGroups", join=True)
@_mine("POST", "/add", "addMyApiKeyToListedGroups", join=True)
async def add_my_api_key_to_groups(access: Access, call: Call) -> ApiKey:
    """Add the calling API key to policy groups."""
    return await service.change_groups(access, call.account_id, call.caller.credential_id, call.body, join=True)


@_mine("DELETE", "", "removeMyApiKeyListedGroups", join=False)
@_mine("POST", "/remove", "removeMyApiKeyFromListedGroups", join=False)
async def remove_my_api_key_from_groups(access: Access, call: Call) -> ApiKey:
    """Remove the calling API key from policy groups."""
    return await service.change_groups(access, call.account_id, call.caller.credential_id, call.body, join=False)


@add(
    "GET",
    "/v3/api-keys/{apikey_id}",
    "getApiKey",
    tenant="getAccountApiKey",
    permission="apikeys.read",
    answer=ApiKey,
    raises=NOT_FOUND,
    deprecated=True,
)
async def get_api_key(access: Access, call: Call, key_id: str) -> ApiKey:
    """Get an API key without its secret."""
    return await service.get(access.database, call.account_id, key_id)


@add(
    "PUT",
    "/v3/api-keys/{apikey_id}",
    "updateApiKey",
    tenant="updateAccountApiKey",
    permission="apikeys.write",
    body=ApiKeyUpdate,
    answer=ApiKey,
    raises=NOT_FOUND,
    deprecated=True,
)
async def update_api_key(access: Access, call: Call, key_id: str) -> ApiKey:
    """Update an API key."""
    return await service.update(access, call.account_id, key_id, call.body, call.now)


@add(
    "DELETE",
    "/v3/api-keys/{apikey_id}",
    "deleteApiKey",
    tenant="deleteAccountApiKey",
    permission="apikeys.write",
    status=204,
    raises=NOT_FOUND,
    deprecated=True,
)
async def delete_api_key(access: Access, call: Call, key_id: str) -> None:
    """Delete an API key; it stops working at once."""
    await service.delete(access, call.account_id, key_id, call.now)


@add(
    "POST",
    "/v3/api-keys/{apikey_id}/reset-secret",
    "resetSecret",
    tenant="resetAccountApiKeySecret",
    permission="apikeys.write",
    body=ApiKeyUpdate,
    body_required=False,
    answer=ApiKey,
    raises=NOT_FOUND,
    deprecated=True,
)
async def reset_secret(access: Access, call: Call, key_id: str) -> ApiKey:
    """Give an API key a new secret, shown in this answer only."""
    return await service.reset_secret(access, call.account_id, key_id, call.now)


@add(
    "GET",
    "/v3/api-keys/{apikey_id}/groups",
    "getGroupsOfApikey",
    tenant="getGroupsOfAccountApikey",
    permission="apikeys.read",
    paging=Paging(),
    answer=Listed[Group],
    raises=NOT_FOUND,
    deprecated=True,
)
async def get_groups_of_apikey(access: Access, call: Call, key_id: str) -> dict[str, Any]:
    """List the policy groups of an API key."""
    await service.get(access.database, call.account_id, key_id)
    return await groups.of_subject(access.database, call.account_id, "apikey", key_id, call.page)


def _change(method: str, tail: str, own: str, tenant: str, *, join: bool) -> Callable[[Handler], Handler]:
    """The declaration of a change of a key's groups."""
    return add(
        method,
        "/v3/api-keys/{apikey_id}/groups" + tail,
        own,
        tenant=tenant,
        permission="apikeys.write",
        body=list[str],
        answer=ApiKey,
        raises=JOINING if join else NOT_FOUND,
        deprecated=True,
    )


@_change("POST", "", "addApiKeyToGroups", "addAccountApiKeyToGroups", join=True)
@_change("POST", "/add", "addApiKeyToListedGroups", "addAccountApiKeyToListedGroups", join=True)
async def add_api_key_to_groups(access: Access, call: Call, key_id: str) -> ApiKey:
    """Add an API key to policy groups."""
    return await service.change_groups(access, call.account_id, key_id, call.body, join=True)


@_change("DELETE", "", "removeApiKeyFromGroups", "removeAccountApiKeyFromGroups", join=False)
@_change("POST", "/remove", "removeApiKeyFromListedGroups", "removeAccountApiKeyFromListedGroups", join=False)
async def remove_api_key_from_groups(access: Access, call: Call, key_id: str) -> ApiKey:
    """Remove an API key from policy groups."""
    return await service.change_groups(access, call.account_id, key_id, call.body, join=False)
