"""Applications and their access keys over REST."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamplighter.api.filter import FilterField
from lamplighter.api.operation import Call, Operations
from lamplighter.api.page import Paging
from lamplighter.errors import access as errors
from lamplighter.services.access.applications import keys, service
from lamplighter.services.access.applications.model import (
    KEY_STATUSES,
    STATUSES,
    AccessKey,
    AccessKeyCreate,
    AccessKeyUpdate,
    Application,
    ApplicationCreate,
    ApplicationUpdate,
)
from lamplighter.services.access.groups import service as groups
from lamplighter.services.access.groups.model import Group
from lamplighter.services.access.pages import Listed

if TYPE_CHECKING:
    from lamplighter.services.access.service import Access

operations = Operations("Account - applications")
add = operations.add
NOT_FOUND = (errors.ApplicationNotFound,)
KEY_NOT_FOUND = (errors.ApplicationNotFound, errors.AccessKeyNotFound)
KEY_FILTERS = {"status": FilterField(("eq",), choices=KEY_STATUSES), "key": FilterField(("eq",))}


@add(
    "GET",
    "/v3/applications",
    "getAllApplications",
    tenant="getAllAccountApplications",
    permission="applications.read",
    paging=Paging(),
    filters={"status": FilterField(("eq",), choices=STATUSES)},
    answer=Listed[Application],
)
async def get_all_applications(access: Access, call: Call) -> dict[str, Any]:
    """List applications."""
    return await service.listed(access, call.account_id, call.page, call.conditions)


@add(
    "POST",
    "/v3/applications",
    "createApplication",
    tenant="createAccountApplication",
    permission="applications.write",
    status=201,
    body=ApplicationCreate,
    answer=Application,
    raises=(errors.ApplicationNameTaken, errors.ObjectLimitReached),
)
async def create_application(access: Access, call: Call) -> Application:
    """Create an application."""
    return await service.create(access, call.account_id, call.body, call.now)


@add(
    "GET",
    "/v3/applications/{application_id}",
    "getApplication",
    tenant="getAccountApplication",
    permission="applications.read",
    answer=Application,
    raises=NOT_FOUND,
)
async def get_application(access: Access, call: Call, application_id: str) -> Application:
    """Get an application."""
    return await service.get(access.database, call.account_id, application_id)


@add(
    "PUT",
    "/v3/applications/{application_id}",
    "updateApplication",
    tenant="updateAccountApplication",
    permission="applications.write",
    body=ApplicationUpdate,
    answer=Application,
    raises=(errors.ApplicationNotFound, errors.ApplicationNameTaken),
)
async def update_application(access: Access, call: Call, application_id: str) -> Application:
    """Update an application; making it INACTIVE ends its channels and subscriptions."""
    return await service.update(access, call.account_id, application_id, call.body, call.now)


@add(
    "DELETE",
    "/v3/applications/{application_id}",
    "deleteApplication",
    tenant="deleteAccountApplication",
    permission="applications.write",
    status=204,
    raises=NOT_FOUND,
)
async def delete_application(access: Access, call: Call, application_id: str) -> None:
    """Delete an application and its access keys."""
    await service.delete(access, call.account_id, application_id, call.now)


@add(
    "GET",
    "/v3/applications/{application_id}/groups",
    "getGroupsOfApplication",
    tenant="getGroupsOfAccountApplication",
    permission="applications.read",
    paging=Paging(),
    answer=Listed[Group],
    raises=NOT_FOUND,
)
async def get_groups_of_application(access: Access, call: Call, application_id: str) -> dict[str, Any]:
    """List the policy groups of an application."""
    await service.get(access.database, call.account_id, application_id)
    return await groups.of_subject(access.database, call.account_id, "application", application_id, call.page)


@add(
    "POST",
    "/v3/applications/{application_id}/groups/add",
    "addApplicationToGroups",
    tenant="addAccountApplicationToGroups",
    permission="applications.write",
    status=204,
    body=list[str],
    raises=(errors.ApplicationNotFound, errors.AlreadyInGroup),
)
async def add_application_to_groups(access: Access, call: Call, application_id: str) -> None:
    """Add an application to policy groups."""
    await service.change_groups(access, call.account_id, application_id, call.body, join=True)


@add(
    "POST",
    "/v3/applications/{application_id}/groups/remove",
    "removeApplicationFromGroups",
    tenant="removeAccountApplicationFromGroups",
    permission="applications.write",
    status=204,
    body=list[str],
    raises=NOT_FOUND,
)
async def remove_application_from_groups(access: Access, call: Call, application_id: str) -> None:
    """Remove an application from policy groups."""
    await service.change_groups(access, call.account_id, application_id, call.body, join=False)


@add(
    "GET",
    "/v3/applications/{application_id}/access-keys",
    "getAllApplicationAccessKeys",
    tenant="getAllAccountApplicationAccessKeys",
    permission="applications.read",
    paging=Paging(),
    filters=KEY_FILTERS,
    answer=Listed[AccessKey],
    raises=NOT_FOUND,
)
async def get_all_application_access_keys(access: Access, call: Call, application_id: str) -> dict[str, Any]:
    """List the access keys of an application."""
    await service.get(access.database, call.account_id, application_id)
    return await keys.listed(access, call.account_id, call.page, call.conditions, call.now, application_id)


@add(
    "POST",
    "/v3/applications/{application_id}/access-keys",
    "createApplicationAccessKey",
    tenant="createAccountApplicationAccessKey",
    permission="applications.write",
    status=201,
    body=AccessKeyCreate,
    answer=AccessKey,
    raises=(errors.ApplicationNotFound, errors.ObjectLimitReached),
)
async def create_application_access_key(access: Access, call: Call, application_id: str) -> AccessKey:
    """Create an access key; its secret is in this answer only."""
    return await keys.create(access, call.account_id, application_id, call.body, call.now)


@add(
    "GET",
    "/v3/applications/{application_id}/access-keys/{access_key_id}",
    "getApplicationAccessKey",
    tenant="getAccountApplicationAccessKey",
    permission="applications.read",
    answer=AccessKey,
    raises=KEY_NOT_FOUND,
)
async def get_application_access_key(access: Access, call: Call, application_id: str, access_key_id: str) -> AccessKey:
    """Get an access key of an application, without its secret."""
    return await keys.get(access.database, call.account_id, access_key_id, call.now, application_id)


@add(
    "PUT",
    "/v3/applications/{application_id}/access-keys/{access_key_id}",
    "updateApplicationAccessKey",
    tenant="updateAccountApplicationAccessKey",
    permission="applications.write",
    body=AccessKeyUpdate,
    answer=AccessKey,
    raises=KEY_NOT_FOUND,
)
async def update_application_access_key(
    access: Access, call: Call, application_id: str, access_key_id: str
) -> AccessKey:
    """Update an access key."""
    return await keys.update(access, call.account_id, application_id, access_key_id, call.body, call.now)


@add(
    "DELETE",
    "/v3/applications/{application_id}/access-keys/{access_key_id}",
    "deleteApplicationAccessKey",
    tenant="deleteAccountApplicationAccessKey",
    permission="applications.write",
    status=204,
    raises=KEY_NOT_FOUND,
)
async def delete_application_access_key(access: Access, call: Call, application_id: str, access_key_id: str) -> None:
    """Delete an access key; it stops working at once."""
    await keys.delete(access, call.account_id, application_id, access_key_id, call.now)


@add(
    "GET",
    "/v3/access-keys",
    "getAllAccessKeys",
    tenant="getAllAccountAccessKeys",
    permission="applications.read",
    paging=Paging(),
    filters={**KEY_FILTERS, "application_id": FilterField(("eq",))},
    answer=Listed[AccessKey],
    tag="Account - access keys",
)
async def get_all_access_keys(access: Access, call: Call) -> dict[str, Any]:
    """List the access keys of every application."""
    return await keys.listed(access, call.account_id, call.page, call.conditions, call.now)


@add(
    "GET",
    "/v3/access-keys/{access_key_id}",
    "getAccessKey",
    tenant="getAccountAccessKey",
    permission="applications.read",
    answer=AccessKey,
    raises=(errors.AccessKeyNotFound,),
    tag="Account - access keys",
)
async def get_access_key(access: Access, call: Call, access_key_id: str) -> AccessKey:
    """Get an access key without its secret."""
    return await keys.get(access.database, call.account_id, access_key_id, call.now)
