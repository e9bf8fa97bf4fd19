"""The ASGI application: one order of checks for every request, and the only place where errors become answers.

HTTP syntax and sizes (in the server) → plain HTTP → network → rate per address → maintenance, overload → path → method →
credential → rate per credential, quota → permission → body syntax and type → parameters; then the operation's own:
existence, state, object limits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Protocol

import structlog

from lamplighter.api import reading
from lamplighter.api.answer import Header, encode, encode_error
from lamplighter.api.caller import Authenticator, Caller, credential_of
from lamplighter.api.cors import Cors
from lamplighter.api.kept import ErrorKeeper, record_of
from lamplighter.api.limits import Buckets, Quota
from lamplighter.api.metrics import Metrics
from lamplighter.api.networks import Origin, is_in
from lamplighter.api.operation import Answer, Bound, Call, Operation
from lamplighter.api.request import Message, Receive, Request, Scope, Send, shown
from lamplighter.api.router import Router
from lamplighter.api.socket import Socket, credential_of_handshake
from lamplighter.api.stream import Outlet, Stream
from lamplighter.clock import Clock
from lamplighter.errors import Error, access, example, find, requests
from lamplighter.ids import Ids
from lamplighter.settings import Settings

log = structlog.get_logger("lamplighter.api")

PageHandler = Callable[[Request], Awaitable[Answer]]


class Gate(Protocol):
    """Whether the server takes requests at all. Raises UnderMaintenance or ShuttingDown."""

    def check(self) -> None: ...


CHALLENGES = "/.well-known/acme-challenge/"
"""Below this, authorities look by plain HTTP whether a name is ours (RFC 8555 section 8.3): nothing there is secret."""


class Api:
    """The application.

    :param bound: the operations of every service of this process
    :param public: pages without a credential (docs, health), by path
    :param plain: the paths of ``public`` that are served over plain HTTP too
    :param strict: treat an undeclared error as a defect; tests do, a running server only logs it
    """

    def __init__(
        self,
        bound: Iterable[Bound],
        *,
        settings: Settings,
        clock: Clock,
        ids: Ids,
        authenticator: Authenticator,
        keeper: ErrorKeeper,
        quota: Quota,
        origin: Origin,
        gate: Gate,
        metrics: Metrics,
        public: Mapping[str, PageHandler] | None = None,
        plain: frozenset[str] = frozenset(),
        strict: bool = False,
    ) -> None:
        bound = list(bound)
        self.router = Router(bound)
        self.operations = [each.operation for each in bound]
        self._settings = settings
        self._clock = clock
        self._ids = ids
        self._authenticator = authenticator
        self._keeper = keeper
        self._quota = quota
        self._origin = origin
        self._gate = gate
        self._metrics = metrics
        self._public = dict(public or {})
        self._plain = plain
        self._strict = strict
        self._cors = Cors(settings.http.cors_origins)
        self._disabled = frozenset(name.lower() for name in settings.api.disabled)
        self._by_credential = Buckets(settings.api.rate_per_second, settings.api.rate_burst)
        self._by_address = Buckets(settings.api.rate_per_second_address, settings.api.rate_burst_address)
        burst, rate = settings.api.rate_burst, settings.api.rate_per_second
        self._rate_policy: Header = (
            b"ratelimit-policy",
            f'"credential";q={burst};w={max(1, round(burst / rate))}'.encode(),
        )
        self.open_requests = 0
        self._outlets: set[Outlet] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(Request(scope, receive, self._ids.new(), self._clock.now()), send)
        elif scope["type"] == "websocket":
            await self._websocket(Request(scope, receive, self._ids.new(), self._clock.now()), send)

    async def _http(self, request: Request, send: Send) -> None:
        started = self._clock.monotonic()
        self.open_requests += 1
        try:
            status, headers, body = await self._answer(request)
        except Error as error:
            status, headers, body = self._error(request, error)
        except (asyncio.CancelledError, GeneratorExit):
            raise
        except Exception:
            status, headers, body = self._defect(request)
        finally:
            self.open_requests -= 1
        if isinstance(body, Stream):
            await self._stream(request, send, started, status, headers, body)
        else:
            await self._respond(request, send, started, status, headers, body)

    async def _respond(
        self, request: Request, send: Send, started: float, status: int, headers: list[Header], body: bytes
    ) -> None:
        if status not in (204, 304):
            headers.append((b"content-length", str(len(body)).encode()))
        await send(self._head(request, started, status, headers))
        await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else body})

    def _head(self, request: Request, started: float, status: int, headers: list[Header]) -> Message:
        """Status and headers of an answer that leaves now."""
        self._metrics.answered(request.operation, status, self._clock.monotonic() - started)
        headers.append((b"x-request-id", request.request_id.encode()))
        if (origin := request.headers.get(b"origin")) is not None:
            headers += self._cors.headers(origin)
        return {"type": "http.response.start", "status": status, "headers": headers}

    async def _stream(
        self, request: Request, send: Send, started: float, status: int, headers: list[Header], stream: Stream
    ) -> None:
        """An answer that goes on. It is no open request any more, as a WebSocket is none."""
        assert request.operation is not None
        outlet = Outlet(request, send, lambda: self._head(request, started, status, headers))
        self._outlets.add(outlet)
        self._metrics.streams[request.operation.operation_id] += 1
        try:
            if request.method != "HEAD":
                await outlet.run(stream.write)
        except Error as error:
            status, headers, body = self._error(request, error)
        except (asyncio.CancelledError, GeneratorExit):
            raise
        except Exception:
            status, headers, body = self._defect(request)
        else:
            await outlet.finish()
            return
        finally:
            self._outlets.discard(outlet)
            self._metrics.streams[request.operation.operation_id] -= 1
        if outlet.started:
            outlet.abort()
        else:
            await self._respond(request, send, started, status, headers, body)

    def end_streams(self) -> None:
        """Have all answers end that go on: the server stops."""
        for outlet in self._outlets:
            outlet.end()

    async def _answer(self, request: Request) -> tuple[int, list[Header], bytes | Stream]:
        self._admit(request)
        page = self._public.get(request.raw_path) or self._public.get(request.raw_path.rstrip("/"))
        if page is not None and request.method in ("GET", "HEAD"):
            answer = await page(request)
            headers = [(name.lower().encode(), text.encode("latin-1")) for name, text in answer.headers.items()]
            return answer.status or 200, [(b"content-type", answer.media_type.encode()), *headers], answer.body
        bound, values, preflight = self._find(request)
        if preflight is not None:
            return preflight
        assert bound is not None
        operation = bound.operation
        if operation.websocket:
            raise requests.UpgradeToWebSocket(path=operation.path, headers={"Upgrade": "websocket"})
        call = self._begin(request, operation)
        limits: list[Header] = []
        if operation.permission is not None:
            caller = await self._authenticate(request, request.header(b"authorization"))
            limits = self._count(request, caller)
            await self._authorize(call, caller, values)
        if self._settings.http.faults and (name := request.header(b"x-lamplighter-fault")) is not None:
            self._provoke(call, request, name)
        await reading.read(call, request, self._settings.http.max_body)
        try:
            result = await bound.run(call, values)
        except Error as error:
            if operation.permission is None and error.status < 500:  # a stranger who tries things out
                self._by_address.take(request.address, self._clock.monotonic())
            raise
        status, headers, body = encode(result, operation)
        headers += limits
        return status, headers, body

    def _admit(self, request: Request) -> None:
        """The checks that need no path: transport, origin, rate per address, maintenance, overload."""
        forwarded = request.header(b"x-forwarded-for")
        if self._origin.trusts(request.address):
            request.scheme = (request.header(b"x-forwarded-proto") or request.scheme).lower()
        request.address = self._origin.client(request.address, forwarded)
        if request.raw_path in self._plain:
            return
        if request.scheme == "http" and not self._may_be_plain(request):
            raise requests.PlainHttpRefused(url=self._settings.public.rest_url or "https://")
        self._origin.check(request.address)
        now = self._clock.monotonic()
        if self._by_address.is_empty(request.address, now):
            wait = self._by_address.wait(request.address, now)
            raise requests.AddressRateExceeded(rate=self._by_address.rate, retry_after=wait)
        if request.raw_path in self._public or request.raw_path.startswith("/docs"):
            return
        self._gate.check()
        if self.open_requests > self._settings.http.max_connections:
            raise requests.Overloaded(retry_after=1)

    def _may_be_plain(self, request: Request) -> bool:
        if request.raw_path.startswith(CHALLENGES):
            return True
        server = request.scope.get("server")
        is_plain_port = server is None or server[1] != self._settings.http.port
        return self._settings.http.plaintext_api and is_plain_port

    def _find(self, request: Request) -> tuple[Bound | None, list[str], tuple[int, list[Header], bytes] | None]:
        """Path and method; the third value answers OPTIONS."""
        found = self.router.find(request.raw_path)
        if found is None:
            nearest = self.router.suggestion(request.raw_path)
            suggestion = f" Did you mean {nearest}?" if nearest else ""
            raise requests.PathUnknown(path=shown(request.raw_path), suggestion=suggestion)
        methods, template, values = found
        bound = methods.get("GET" if request.method == "HEAD" else request.method)
        if bound is not None:
            return bound, values, None
        allowed = ", ".join(sorted({*methods, "OPTIONS", *(("HEAD",) if "GET" in methods else ())}))
        if request.method == "OPTIONS":
            headers = [(b"allow", allowed.encode())]
            headers += self._cors.preflight(request.headers.get(b"origin"), allowed.encode())
            request.headers.pop(b"origin", None)
            return None, values, (204, headers, b"")
        raise requests.MethodUnknown(
            path=template, method=shown(request.method), allowed=allowed, headers={"Allow": allowed}
        )

    def _begin(self, request: Request, operation: Operation) -> Call:
        request.operation = operation
        if self._disabled and (
            operation.operation_id.lower() in self._disabled or operation.tag.lower() in self._disabled
        ):
            raise requests.InterfaceSwitchedOff(operation=operation.operation_id)
        call = Call()
        call.operation = operation
        call.request_id = request.request_id
        call.address = request.address
        call.now = request.time
        call.details = request.details
        call.parameters = {}
        call.conditions = []
        call.raw_body = b""
        call.body = None
        call.content_type = request.content_type
        call.disconnected = lambda: _disconnected(request.receive)
        return call

    async def _authenticate(self, request: Request, authorization: str | None) -> Caller:
        try:
            kind, credential = credential_of(authorization)
            return await self._authenticator.caller_of(kind, credential)
        except Error as error:
            if error.status == 401:
                self._by_address.take(request.address, self._clock.monotonic())
            raise

    def _count(self, request: Request, caller: Caller) -> list[Header]:
        """Rate per credential, then the month's quota."""
        request.caller = caller
        now = self._clock.monotonic()
        left = self._by_credential.take(caller.credential_id, now)
        if left < 0:
            wait = self._by_credential.wait(caller.credential_id, now)
            raise requests.CredentialRateExceeded(
                rate=self._by_credential.rate, burst=self._by_credential.burst, retry_after=wait
            )
        self._quota.count(caller, request.time)
        reset = round((self._by_credential.burst - left) / self._by_credential.rate)
        return [(b"ratelimit", b'"credential";r=%d;t=%d' % (left, reset)), self._rate_policy]

    async def _authorize(self, call: Call, caller: Caller, values: list[str]) -> None:
        """The kind of credential, the account's networks, the permission, and a tenant's existence, in this order."""
        operation = call.operation
        call.caller = caller
        if caller.allowed_networks and not is_in(call.address, caller.allowed_networks):
            raise access.NetworkNotAllowed(address=call.address)
        if caller.kind not in operation.credentials:
            raise operation.refusal(kind=caller.kind.value)
        assert operation.permission is not None
        if operation.permission and not caller.may(operation.permission):
            raise access.PermissionMissing(permission=operation.permission)
        call.account_id = caller.account_id
        if operation.tenant_of is not None:
            account_id = values.pop(0)
            if account_id == "/" and caller.root:  # old tools name the root account by an encoded slash
                account_id = caller.account_id
            if not await self._authenticator.is_tenant(caller, account_id):
                raise access.AccountNotFound(account_id=shown(account_id))
            call.account_id = account_id

    def _provoke(self, call: Call, request: Request, name: str) -> None:
        if not call.caller.may("*"):
            return
        members = find(name.strip().lower())
        if not members:
            raise requests.FaultNotKnown(name=shown(name))
        request.provoked = True
        raise example(members[0])

    def _error(self, request: Request, error: Error) -> tuple[int, list[Header], bytes]:
        operation = request.operation
        if operation is not None and (error.status, error.type) not in operation.declared and not request.provoked:
            log.error(
                "undeclared error", operation=operation.operation_id, error=error.name, request_id=request.request_id
            )
            if self._strict:
                return self._defect(request, error)
        status, headers, body = encode_error(error, request.request_id, operation, request.header(b"accept"))
        self._keep(request, error)
        return status, headers, body

    def refuse(self, error: Error, address: str) -> tuple[int, list[Header], bytes]:
        """The answer to bytes that never became a request; for the connection (errors of HTTP itself)."""
        scope = {"type": "http", "method": "-", "path": "-", "query_string": b"", "headers": [], "scheme": "-"}
        request = Request({**scope, "client": (address, 0)}, _nothing, self._ids.new(), self._clock.now())
        request.address = self._origin.plain(address)
        status, headers, body = self._error(request, error)
        self._metrics.answered(None, status, 0.0)
        return status, [*headers, (b"x-request-id", request.request_id.encode())], body

    def _defect(self, request: Request, cause: BaseException | None = None) -> tuple[int, list[Header], bytes]:
        """A fault of ours: the trace goes to the log under the request ID, and nowhere else."""
        log.exception(
            "defect",
            exc_info=cause or True,
            request_id=request.request_id,
            operation=request.operation.operation_id if request.operation else None,
            account_id=request.caller.account_id if request.caller else None,
        )
        error = requests.Defect(request_id=request.request_id, contact=self._settings.support.contact)
        result = encode_error(error, request.request_id, request.operation, request.header(b"accept"))
        self._keep(request, error)
        return result

    def _keep(self, request: Request, error: Error) -> None:
        kept = record_of(request, error)
        self._keeper.keep(kept)
        log.info(
            "error answered",
            request_id=kept.request_id,
            status=kept.status,
            error=kept.member,
            method=kept.method,
            path=kept.path,
            address=kept.address,
            account_id=kept.account_id,
            client_request_id=kept.client_request_id,
        )

    async def _websocket(self, request: Request, send: Send) -> None:
        """A WebSocket handshake passes the same checks; refusals are ordinary HTTP answers."""
        request.method = "GET"
        request.scheme = {"ws": "http", "wss": "https"}.get(request.scheme, request.scheme)
        try:
            self._admit(request)
            bound, values, _ = self._find(request)
            if bound is None or not bound.operation.websocket:
                raise requests.NotWebSocket(path=shown(request.raw_path))
            call = self._begin(request, bound.operation)
            caller = await self._authenticate(request, credential_of_handshake(request))
            self._count(request, caller)
            await self._authorize(call, caller, values)
            await bound.run(call, values, Socket(request, send))
        except Error as error:
            status, headers, body = self._error(request, error)
            headers += [(b"x-request-id", request.request_id.encode()), (b"content-length", str(len(body)).encode())]
            await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
            await send({"type": "websocket.http.response.body", "body": body})


async def _nothing() -> Message:
    return {"type": "http.disconnect"}


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
