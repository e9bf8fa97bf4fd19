"""Logging in and out over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamplighter.api import query as queries
from lamplighter.api.body import convert, read_json
from lamplighter.api.caller import CredentialKind, credential_of
from lamplighter.api.operation import Call, Operations
from lamplighter.api.parameter import Parameter
from lamplighter.errors import FieldFault
from lamplighter.errors import access as errors
from lamplighter.errors.requests import invalid
from lamplighter.services.access.sessions import service
from lamplighter.services.access.sessions.model import Credentials, Token

if TYPE_CHECKING:
    from lamplighter.services.access.service import Access

operations = Operations("Sessions")
FORM = "application/x-www-form-urlencoded"
USER_AGENT = Parameter("User-Agent", "The program that logs in; shown in the login history.", place="header")
AUTHORIZATION = Parameter("Authorization", "Bearer and the token; old tools send the token alone.", place="header")
LARGEST = 16 * 1024
"""Bytes of a login."""


@operations.add(
    "POST",
    "/auth/login",
    "login",
    permission=None,
    parameters=(USER_AGENT,),
    body=bytes,
    max_body=LARGEST,
    media_types=(FORM, "application/json"),
    answer=Token,
    raises=(errors.WrongPassword, errors.LoginsTooFast),
)
async def login(access: Access, call: Call) -> Token:
    """Log in with user name, password and account, as a form or as JSON."""
    faults: list[FieldFault] = []
    wanted = convert(_fields(call), Credentials, faults)
    if faults:
        raise invalid(faults)
    user_agent = (call.parameters["User-Agent"] or "")[:200]
    return await service.log_in(access, wanted, call.address, user_agent, call.now)


def _fields(call: Call) -> Any:
    is_json = call.content_type.endswith("json") or (not call.content_type and call.raw_body.lstrip()[:1] == b"{")
    return read_json(call.raw_body) if is_json else queries.read(call.raw_body)


@operations.add(
    "POST",
    "/auth/logout",
    "logout",
    permission=None,
    status=204,
    parameters=(AUTHORIZATION,),
    raises=(errors.UserTokenNeeded,),
)
async def logout(access: Access, call: Call) -> None:
    """End the session of the token that is sent."""
    authorization: str | None = call.parameters["Authorization"]
    if authorization is not None and authorization.strip().startswith("rt_"):
        authorization = f"Bearer {authorization.strip()}"
    kind, credential = credential_of(authorization)
    caller = await access.authenticator.caller_of(kind, credential)
    if kind is not CredentialKind.USER_TOKEN:
        raise errors.UserTokenNeeded(kind=kind.value)
    await service.log_out(access, caller)
