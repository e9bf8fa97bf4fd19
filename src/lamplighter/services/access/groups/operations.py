"""Policy groups over REST."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lamplighter.api.filter import FilterField
from lamplighter.api.operation import Call, Handler, Operations
from lamplighter.api.page import Paging
from lamplighter.errors import access as errors
from lamplighter.services.access.apikeys import service as apikeys
from lamplighter.services.access.apikeys.model import ApiKey
from lamplighter.services.access.applications import service as applications
from lamplighter.services.access.applications.model import Application
from lamplighter.services.access.groups import service, store
from lamplighter.services.access.groups.model import Group, GroupCreate, GroupUpdate, Subjects, group_of
from lamplighter.services.access.names import key_of
from lamplighter.services.access.pages import Listed
from lamplighter.services.access.users import service as users
from lamplighter.services.access.users.model import STATUSES, User

if TYPE_CHECKING:
    from lamplighter.services.access.service import Access

operations = Operations("Account - policy groups")
add = operations.add
NOT_FOUND = (errors.GroupNotFound,)
JOINING = (errors.GroupNotFound, errors.AlreadyInGroup)


@add(
    "GET",
    "/v3/policy-groups",
    "getAllGroups",
    tenant="getAllAccountGroups",
    permission="groups.read",
    paging=Paging(),
    filters={"name": FilterField(("eq",))},
    answer=Listed[Group],
)
async def get_all_groups(access: Access, call: Call) -> dict[str, Any]:
    """List policy groups."""
    conditions = [each._replace(value=key_of(each.value)) for each in call.conditions]
    found = await store.LIST.read(access.database, call.page, conditions, account_id=call.account_id)
    return found.envelope(call.page, [group_of(row) for row in found.rows])


@add(
    "POST",
    "/v3/policy-groups",
    "createGroup",
    tenant="createAccountGroup",
    permission="groups.write",
    status=201,
    body=GroupCreate,
    answer=Group,
    raises=(errors.GroupNameTaken,),
)
async def create_group(access: Access, call: Call) -> Group:
    """Create a policy group with the rights of developers."""
    return await service.create(access, call.account_id, call.body.name, call.body.members, call.now)


@add(
    "GET",
    "/v3/policy-groups/{group_id}",
    "getGroupSummary",
    tenant="getAccountGroupSummary",
    permission="groups.read",
    answer=Group,
    raises=NOT_FOUND,
)
async def get_group_summary(access: Access, call: Call, group_id: str) -> Group:
    """Get a policy group."""
    return await service.get(access.database, call.account_id, group_id)


@add(
    "PUT",
    "/v3/policy-groups/{group_id}",
    "updateGroupName",
    tenant="updateAccountGroupName",
    permission="groups.write",
    body=GroupUpdate,
    answer=Group,
    raises=(errors.GroupNotFound, errors.GroupNameTaken),
)
async def update_group_name(access: Access, call: Call, group_id: str) -> Group:
    """Rename a policy group."""
    return await service.rename(access, call.account_id, group_id, call.body.name, call.now)


@add(
    "DELETE",
    "/v3/policy-groups/{group_id}",
    "deleteGroup",
    tenant="deleteAccountGroup",
    permission="groups.write",
    status=204,
    raises=(errors.GroupNotFound, errors.GroupInUse),
)
async def delete_group(access: Access, call: Call, group_id: str) -> None:
    """Delete a policy group; Administrators cannot be deleted."""
    await service.delete(access, call.account_id, group_id, call.now)


@add(
    "GET",
    "/v3/policy-groups/{group_id}/users",
    "getUsersOfGroup",
    tenant="getUsersOfAccountGroup",
    permission="groups.read",
    paging=Paging(),
    filters={"status": FilterField(("eq", "in", "nin"), choices=STATUSES)},
    answer=Listed[User],
    raises=NOT_FOUND,
)
async def get_users_of_group(access: Access, call: Call, group_id: str) -> dict[str, Any]:
    """List the users of a policy group."""
    await service.get(access.database, call.account_id, group_id)
    return await users.listed(access, call.account_id, call.page, call.conditions, group_id)


@add(
    "GET",
    "/v3/policy-groups/{group_id}/applications",
    "getApplicationsOfGroup",
    tenant="getApplicationsOfAccountGroup",
    permission="groups.read",
    paging=Paging(),
    answer=Listed[Application],
    raises=NOT_FOUND,
)
async def get_applications_of_group(access: Access, call: Call, group_id: str) -> dict[str, Any]:
    """List the applications of a policy group."""
    await service.get(access.database, call.account_id, group_id)
    return await applications.listed(access, call.account_id, call.page, [], group_id)


@add(
    "GET",
    "/v3/policy-groups/{group_id}/api-keys",
    "getApiKeysOfGroup",
    tenant="getApiKeysOfAccountGroup",
    permission="groups.read",
    paging=Paging(),
    answer=Listed[ApiKey],
    raises=NOT_FOUND,
    deprecated=True,
)
async def get_api_keys_of_group(access: Access, call: Call, group_id: str) -> dict[str, Any]:
    """List the API keys of a policy group."""
    await service.get(access.database, call.account_id, group_id)
    return await apikeys.listed(access, call.account_id, call.page, [], group_id)


def _change(
    method: str, tail: str, own: str, tenant: str, deprecated: bool = False, joining: bool = True
) -> Callable[[Handler], Handler]:
    """The declaration of a change of members; all of them look alike."""
    return add(
        method,
        "/v3/policy-groups/{group_id}" + tail,
        own,
        tenant=tenant,
        permission="groups.write",
        body=Subjects,
        answer=Group,
        raises=JOINING if joining else NOT_FOUND,
        deprecated=deprecated,
    )


@_change("POST", "", "addSubjectsToGroup", "addSubjectsToAccountGroup")
async def add_subjects_to_group(access: Access, call: Call, group_id: str) -> Group:
    """Add users, applications and API keys to a policy group."""
    return await service.change_members(access, call.account_id, group_id, call.body, call.now, join=True)


@_change("POST", "/users", "addUsersToGroup.", "addUsersToAccountGroup", deprecated=True)
@_change("POST", "/users/add", "addListedUsersToGroup.", "addListedUsersToAccountGroup")
async def add_users_to_group(access: Access, call: Call, group_id: str) -> Group:
    """Add users to a policy group."""
    only = Subjects(users=call.body.users)
    return await service.change_members(access, call.account_id, group_id, only, call.now, join=True)


@_change("DELETE", "/users", "removeUsersFromGroup", "removeUsersFromAccountGroup", deprecated=True, joining=False)
@_change("POST", "/users/remove", "removeListedUsersFromGroup", "removeListedUsersFromAccountGroup", joining=False)
async def remove_users_from_group(access: Access, call: Call, group_id: str) -> Group:
    """Remove users from a policy group."""
    only = Subjects(users=call.body.users)
    return await service.change_members(access, call.account_id, group_id, only, call.now, join=False)


@_change("POST", "/applications/add", "addListedApplicationsToGroup", "addListedApplicationsToAccountGroup")
async def add_applications_to_group(access: Access, call: Call, group_id: str) -> Group:
    """Add applications to a policy group."""
    only = Subjects(applications=call.body.applications)
    return await service.change_members(access, call.account_id, group_id, only, call.now, join=True)


@_change(
    "POST",
    "/applications/remove",
    "removeListedApplicationsFromGroup",
    "removeListedApplicationsFromAccountGroup",
    joining=False,
)
async def remove_applications_from_group(access: Access, call: Call, group_id: str) -> Group:
    """Remove applications from a policy group."""
    only = Subjects(applications=call.body.applications)
    return await service.change_members(access, call.account_id, group_id, only, call.now, join=False)


@_change("POST", "/api-keys", "addApiKeysToGroup", "addApiKeysToAccountGroup", deprecated=True)
@_change("POST", "/api-keys/add", "addListedApiKeysToGroup", "addListedApiKeysToAccountGroup", deprecated=True)
async def add_api_keys_to_group(access: Access, call: Call, group_id: str) -> Group:
    """Add API keys to a policy group."""
    only = Subjects(apikeys=call.body.apikeys)
    return await service.change_members(access, call.account_id, group_id, only, call.now, join=True)


@_change("DELETE", "/api-keys", "removeApiKeysFromGroup", "removeApiKeysFromAccountGroup", True, False)
@_change("POST", "/api-keys/remove", "removeListedApiKeysFromGroup", "removeListedApiKeysFromAccountGroup", True, False)
async def remove_api_keys_from_group(access: Access, call: Call, group_id: str) -> Group:
    """Remove API keys from a policy group."""
    only = Subjects(apikeys=call.body.apikeys)
    return await service.change_members(access, call.account_id, group_id, only, call.now, join=False)
