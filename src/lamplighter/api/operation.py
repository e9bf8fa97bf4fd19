"""The table of operations: one declaration each, from which route, twin, checks, OpenAPI and docs are made."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from lamplighter.api.caller import Caller, CredentialKind
from lamplighter.api.filter import Condition, Fields
from lamplighter.api.page import Page, Paging
from lamplighter.api.parameter import Parameter
from lamplighter.errors import Error, access, families, requests

JSON = ("application/json",)

KERNEL_ERRORS: tuple[type[Error], ...] = (
    families.BadRequest,
    families.InvalidAuth,
    families.InvalidAccesskey,
    families.InvalidApikey,
    families.InvalidToken,
    families.AuthMismatch,
    families.AccessDenied,
    families.AccessRestricted,
    families.AccountLimitExceeded,
    families.InvalidRequest,
    families.UnrecognizedRequest,
    families.MethodNotSupported,
    families.PayloadTooLarge,
    families.RateLimitExceeded,
    families.HeaderTooLarge,
    families.InternalServerError,
    families.SystemUnavailable,
)
"""What any operation may answer without declaring it: the kernel's own families."""


@dataclass(slots=True)
class Answer:
    """An answer other than the operation's own status with JSON."""

    body: bytes = b""
    media_type: str = "application/json"
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Call:
    """One call of an operation, checked and parsed, as its handler gets it."""

    __slots__ = (
        "account_id",
        "address",
        "body",
        "caller",
        "conditions",
        "content_type",
        "details",
        "disconnected",
        "now",
        "operation",
        "page",
        "parameters",
        "raw_body",
        "request_id",
    )

    request_id: str
    operation: Operation
    caller: Caller
    account_id: str
    """The account acted in: the caller's own, or the tenant's of the path."""
    address: str
    """The client's address, from a trusted proxy's header where there is one."""
    now: int
    """Microseconds UTC when the request arrived."""
    parameters: dict[str, Any]
    """Declared query and header parameters by name."""
    conditions: list[Condition]
    page: Page
    body: Any
    """The body converted to the operation's body type."""
    raw_body: bytes
    content_type: str
    details: dict[str, Any]
    """What ``explain`` shall know besides the answer; add to it freely, but never a secret."""
    disconnected: Callable[[], Awaitable[None]]
    """Returns when the client has gone away."""


Handler = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Operation:
    """A row of the table."""

    method: str
    path: str
    operation_id: str
    tag: str
    summary: str
    handler: Handler
    permission: str | None
    """The permission checked; None: the operation needs no credential."""
    status: int
    body: Any = None
    body_required: bool = True
    media_types: tuple[str, ...] = JSON
    max_body: int | None = None
    """Largest body in bytes, where it differs from the setting http.max_body."""
    form: tuple[str, ...] = ()
    """Names of the files that a form must have (multipart/form-data); the body is then their contents by name."""
    answer: Any = None
    answer_media_type: str = "application/json"
    also: Mapping[int, Any] = field(default_factory=dict)
    """Other statuses of success, and the type of the body of each; None where it is empty."""
    raises: tuple[type[Error], ...] = ()
    parameters: tuple[Parameter, ...] = ()
    filters: Fields | None = None
    inner_filter: bool = False
    """Whether ``filter=`` is taken."""
    paging: Paging | None = None
    tenant_of: str | None = None
    """For a tenant twin: the operationId of the own-account operation."""
    credentials: frozenset[CredentialKind] = frozenset(CredentialKind)
    refusal: type[Error] = access.UserTokenNotForChannels
    """What a credential of another kind is answered."""
    words: frozenset[str] = frozenset()
    """The /v2 words that this operation answers as plain text."""
    fault_words: Mapping[str, str] = field(default_factory=dict)
    """Words for faulty parameters; used where every faulty one has a word."""
    websocket: bool = False
    streams: bool = False
    """Whether its answer goes on (api/stream.py)."""
    deprecated: bool = False

    @cached_property
    def path_names(self) -> tuple[str, ...]:
        return tuple(re.findall(r"\{([^}]+)\}", self.path))

    @cached_property
    def declared(self) -> frozenset[tuple[int, str]]:
        """Status and type of every error it may answer."""
        own: set[type[Error]] = set(self.raises)
        if self.parameters or self.body is not None or self.paging or self.filters is not None:
            own.add(families.ValidationError)
        if self.path_names:
            own.add(families.NotFound)
        return frozenset((each.status, each.type) for each in (*own, *KERNEL_ERRORS))


class Operations:
    """The operations of one service, to be bound to it when a role is put together.

    ``tag`` is the heading in the API reference, in the contract's words; ``shared`` what all of them declare alike.
    """

    def __init__(self, tag: str, **shared: Any) -> None:
        self.tag = tag
        self.shared = shared
        self.table: list[Operation] = []

    def add(
        self,
        method: str,
        path: str,
        operation_id: str,
        *,
        status: int = 200,
        tenant: str | None = None,
        raises: Iterable[type[Error]] = (),
        parameters: Iterable[Parameter] = (),
        tag: str | None = None,
        **declaration: Any,
    ) -> Callable[[Handler], Handler]:
        """Declare an operation; the decorated handler is called with the service, the Call, and the path's values in order.

        :param tenant: operationId of its ``/v3/accounts/{account_id}/…`` twin, which adds AccountNotFound
        """

        def register(handler: Handler) -> Handler:
            summary = (handler.__doc__ or "").strip().partition("\n")[0]
            if not summary:
                raise TypeError(f"operation {operation_id} needs a docstring: its first line is the reference's")
            common = {
                "method": method,
                "tag": tag or self.tag,
                "summary": summary,
                "handler": handler,
                "status": status,
                "parameters": tuple(parameters),
                **self.shared,
                **declaration,
            }
            own = Operation(path=path, operation_id=operation_id, raises=tuple(raises), **common)
            self.table.append(own)
            if tenant is not None:
                self.table.append(
                    Operation(
                        path=path.replace("/v3/", "/v3/accounts/{account_id}/", 1),
                        operation_id=tenant,
                        raises=(*raises, access.AccountNotFound),
                        tenant_of=operation_id,
                        **common,
                    )
                )
            return handler

        return register

    def bind(self, service: Any) -> list[Bound]:
        return [Bound(operation, service) for operation in self.table]


@dataclass(slots=True, frozen=True)
class Bound:
    """An operation and the service that does it."""

    operation: Operation
    service: Any

    async def run(self, call: Call, values: Iterable[str], *more: Any) -> Any:
        """Do it: the handler gets the service, the call, and the values of the path's variables in order."""
        return await self.operation.handler(self.service, call, *values, *more)


def media_type_refused(operation: Operation, content_type: str) -> Error:
    """The error for a body of another media type: 415 where the operation declares it, otherwise 400."""
    shown, expected = ascii(content_type[:100])[1:-1], " or ".join(operation.media_types)
    if (415, "unsupported_media_type") in operation.declared:
        return requests.MediaTypeUnsupported(content_type=shown, expected=expected)
    return requests.ContentTypeNotTaken(content_type=shown, expected=expected)
