"""Users over REST."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lamplighter.api.caller import CredentialKind
from lamplighter.api.filter import FilterField
from lamplighter.api.operation import Call, Handler, Operations
from lamplighter.api.page import Paging
from lamplighter.api.parameter import Parameter
from lamplighter.errors import access as errors
from lamplighter.services.access.groups import service as groups
from lamplighter.services.access.groups.model import Group
from lamplighter.services.access.pages import Listed
from lamplighter.services.access.users import service
from lamplighter.services.access.users.model import STATUSES, MyUpdate, User, UserCreate, UserUpdate

if TYPE_CHECKING:
    from lamplighter.services.access.service import Access

operations = Operations("Account - users")
add = operations.add
NOT_FOUND = (errors.UserNotFound,)
TAKEN = (errors.UserNameTaken, errors.UserEmailTaken)
ACTION = Parameter("action", "How the user begins.", choices=("create",), default="create")
ITSELF: dict[str, Any] = {
    "credentials": frozenset({CredentialKind.USER_TOKEN}),
    "refusal": errors.UserTokenNeeded,
}
"""Declared by what only a logged-in user may do: speak of themselves."""


@add(
    "GET",
    "/v3/users",
    "getAllUsers",
    tenant="getAllAccountUsers",
    permission="users.read",
    paging=Paging(),
    filters={
        "email": FilterField(("eq",)),
        "status": FilterField(("eq", "in", "nin"), choices=STATUSES),
        "login_profiles": FilterField(("eq",)),
    },
    answer=Listed[User],
)
async def get_all_users(access: Access, call: Call) -> dict[str, Any]:
    """List users."""
    return await service.listed(access, call.account_id, call.page, call.conditions)


@add(
    "POST",
    "/v3/users",
    "createUser",
    tenant="createAccountUser",
    permission="users.write",
    status=201,
    parameters=(ACTION,),
    body=UserCreate,
    answer=User,
    raises=TAKEN,
)
async def create_user(access: Access, call: Call) -> User:
    """Create a user; without a password one is invented, which the user has to change."""
    return await service.create(access, call.account_id, call.body, call.now)


@add("GET", "/v3/users/me", "getMyUser", permission="", parameters=(), answer=User, **ITSELF)
async def get_my_user(access: Access, call: Call) -> User:
    """Get the logged-in user."""
    return await service.get(access, access.database, call.account_id, call.caller.subject_id)


@add(
    "PUT",
    "/v3/users/me",
    "updateMyUser",
    permission="",
    body=MyUpdate,
    answer=User,
    raises=(errors.UserNotFound, *TAKEN),
    **ITSELF,
)
async def update_my_user(access: Access, call: Call) -> User:
    """Update the logged-in user; a new password needs the old one and ends every session."""
    return await service.update(access, call.account_id, call.caller.subject_id, call.body, call.caller, call.now)


@add(
    "GET",
    "/v3/users/{user_id}",
    "getUser",
    tenant="getAccountUser",
    permission="users.read",
    answer=User,
    raises=NOT_FOUND,
)
async def get_user(access: Access, call: Call, user_id: str) -> User:
    """Get a user."""
    return await service.get(access, access.database, call.account_id, user_id)


@add(
    "PUT",
    "/v3/users/{user_id}",
    "updateUser",
    tenant="updateAccountUser",
    permission="users.write",
    body=UserUpdate,
    answer=User,
    raises=(errors.UserNotFound, *TAKEN),
)
async def update_user(access: Access, call: Call, user_id: str) -> User:
    """Update a user."""
    return await service.update(access, call.account_id, user_id, call.body, call.caller, call.now)


@add(
    "DELETE",
    "/v3/users/{user_id}",
    "deleteUser",
    tenant="deleteAccountUser",
    permission="users.write",
    status=204,
    raises=(errors.UserNotFound, errors.UserStillActive),
)
async def delete_user(access: Access, call: Call, user_id: str) -> None:
    """Delete a user who is not ACTIVE."""
    await service.delete(access, call.account_id, user_id, call.now, active=False)


@add(
    "POST",
    "/v3/users/{user_id}/remove",
    "removeUserFromAccount",
    tenant="removeAccountUserFromAccount",
    permission="users.write",
    status=204,
    raises=NOT_FOUND,
)
async def remove_user_from_account(access: Access, call: Call, user_id: str) -> None:
    """Remove a user from the account, whatever the user's status."""
    await service.delete(access, call.account_id, user_id, call.now, active=True)


@add(
    "GET",
    "/v3/users/{user_id}/groups",
    "getGroupsOfUser",
    tenant="getGroupsOfAccountUser",
    permission="users.read",
    paging=Paging(),
    answer=Listed[Group],
    raises=NOT_FOUND,
)
async def get_groups_of_user(access: Access, call: Call, user_id: str) -> dict[str, Any]:
    """List the policy groups of a user."""
    await service.get(access, access.database, call.account_id, user_id)
    return await groups.of_subject(access.database, call.account_id, "user", user_id, call.page)


def _change(
    method: str, tail: str, own: str, tenant: str, *, join: bool, deprecated: bool = False
) -> Callable[[Handler], Handler]:
    """The declaration of a change of a user's groups."""
    return add(
        method,
        "/v3/users/{user_id}/groups" + tail,
        own,
        tenant=tenant,
        permission="users.write",
        body=list[str],
        answer=User,
        raises=(errors.UserNotFound, errors.AlreadyInGroup) if join else NOT_FOUND,
        deprecated=deprecated,
    )


@_change("POST", "", "addUserToGroups", "addAccountUserToGroups", join=True, deprecated=True)
@_change("POST", "/add", "addUserToListedGroups", "addAccountUserToListedGroups", join=True)
async def add_user_to_groups(access: Access, call: Call, user_id: str) -> User:
    """Add a user to policy groups."""
    return await service.change_groups(access, call.account_id, user_id, call.body, join=True)


@_change("DELETE", "", "removeUserFromGroups", "removeAccountUserFromGroups", join=False, deprecated=True)
@_change("POST", "/remove", "removeUserFromListedGroups", "removeAccountUserFromListedGroups", join=False)
async def remove_user_from_groups(access: Access, call: Call, user_id: str) -> User:
    """Remove a user from policy groups."""
    return await service.change_groups(access, call.account_id, user_id, call.body, join=False)
