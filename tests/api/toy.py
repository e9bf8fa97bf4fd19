"""A small application on the kernel, without a database: for tests of what every operation shares."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import httpx2
import msgspec

from lamplighter.api.caller import KEYS, Caller, CredentialKind
from lamplighter.api.filter import RANGE, SETS, FilterField
from lamplighter.api.http import Api
from lamplighter.api.kept import KeptError
from lamplighter.api.metrics import Metrics
from lamplighter.api.networks import Origin
from lamplighter.api.operation import Answer, Bound, Call, Operations
from lamplighter.api.page import Paging, envelope
from lamplighter.api.parameter import Parameter
from lamplighter.clock import ManualClock
from lamplighter.errors import FieldFault, access, families
from lamplighter.ids import Ids
from lamplighter.settings import Settings

ADMIN = "ak_2" + "a" * 107
DEVELOPER = "ak_2" + "d" * 107
API_KEY = "ak_1" + "b" * 107
TOKEN = "rt_" + "c" * 107
OTHER = "ak_2" + "o" * 107

ACCOUNT, TENANT, FOREIGN = "0" * 31 + "1", "0" * 31 + "2", "0" * 31 + "3"


def caller(kind: CredentialKind, permissions: set[str], account: str = ACCOUNT, **more: Any) -> Caller:
    return Caller(
        account_id=account,
        kind=kind,
        credential_id=kind.name,
        subject_id="subject",
        permissions=frozenset(permissions),
        **more,
    )


class Callers:
    """Knows five credentials."""

    def __init__(self) -> None:
        self.known = {
            ADMIN: caller(CredentialKind.ACCESS_KEY, {"*"}),
            DEVELOPER: caller(CredentialKind.ACCESS_KEY, {"lamps.read"}),
            API_KEY: caller(CredentialKind.API_KEY, {"*"}),
            TOKEN: caller(CredentialKind.USER_TOKEN, {"*"}),
            OTHER: caller(CredentialKind.ACCESS_KEY, {"*"}, FOREIGN),
        }

    async def caller_of(self, kind: CredentialKind, credential: str) -> Caller:
        if credential not in self.known:
            raise {
                CredentialKind.ACCESS_KEY: access.AccessKeyUnknown,
                CredentialKind.API_KEY: access.ApiKeyUnknown,
                CredentialKind.USER_TOKEN: access.TokenUnknown,
            }[kind]()
        return self.known[credential]

    async def is_tenant(self, caller: Caller, account_id: str) -> bool:
        return account_id == caller.account_id or (caller.account_id, account_id) == (ACCOUNT, TENANT)


class Kept:
    def __init__(self) -> None:
        self.errors: list[KeptError] = []

    def keep(self, error: KeptError) -> None:
        self.errors.append(error)


class OpenGate:
    error: Exception | None = None

    def check(self) -> None:
        if self.error:
            raise self.error


class NoQuota:
    def count(self, caller: Caller, now: int) -> None:
        pass


class Lamp(msgspec.Struct, kw_only=True):
    name: Annotated[str, msgspec.Meta(max_length=10)]
    level: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0
    labels: dict[str, str] = {}

    def faults(self) -> list[FieldFault]:
        return [FieldFault("name", "must not be dark")] if self.name == "dark" else []


class LampBroken(families.Conflict):
    """The lamp does not work."""

    message = "The lamp {lamp_id} is broken."
    cause = "It fell from its post."
    remedy = "Replace it."


FILTERS = {
    "name": FilterField(SETS),
    "level": FilterField(RANGE, "integer"),
    "lit": FilterField(("eq", "neq"), "boolean"),
    "made_at": FilterField(("in", "nin", "lte", "gte"), "date-time"),
    "state": FilterField(SETS, choices=("on", "off")),
    "labels": FilterField(kind="map"),
}
operations = Operations("Lamps")


@operations.add(
    "GET",
    "/v3/lamps/",
    "Lamp_list",
    permission="lamps.read",
    paging=Paging(),
    filters=FILTERS,
    inner_filter=True,
    answer=dict,
    tenant="Account_lamp_list",
)
async def lamp_list(seen: list[Any], call: Call) -> dict[str, Any]:
    """List lamps."""
    seen.append(call)
    return envelope(call.page, [], has_more=False, total_count=0)


@operations.add("POST", "/v3/lamps/", "Lamp_create", permission="lamps.write", status=201, body=Lamp, answer=Lamp)
async def lamp_create(seen: list[Any], call: Call) -> Lamp:
    """Create a lamp."""
    seen.append(call)
    return call.body  # type: ignore[no-any-return]


@operations.add(
    "GET", "/v3/lamps/{lamp_id}/", "Lamp_retrieve", permission="lamps.read", answer=Lamp, raises=(LampBroken,)
)
async def lamp_retrieve(seen: list[Any], call: Call, lamp_id: str) -> Lamp:
    """Get a lamp."""
    if lamp_id == "broken":
        raise LampBroken(lamp_id=lamp_id)
    if lamp_id == "defect":
        raise RuntimeError("the wire to the moon is cut")
    if lamp_id == "undeclared":
        raise access.GroupNameTaken(name="x")
    if lamp_id == "slow":
        await asyncio.Event().wait()
    return Lamp(name=lamp_id)


@operations.add("GET", "/v3/lamps/me", "Lamp_mine", permission="lamps.read", answer=Lamp)
async def lamp_mine(seen: list[Any], call: Call) -> Lamp:
    """Get one's own lamp."""
    return Lamp(name="me")


@operations.add(
    "POST",
    "/v2/lamps/{lamp-id}",
    "lightLamp",
    permission="lamps.write",
    status=202,
    credentials=KEYS,
    body=Lamp,
    parameters=(
        Parameter("async-id", "Id of the answer.", pattern=r"[\w-]{1,40}", required=True),
        Parameter("retry", "Tries.", "integer", minimum=0, maximum=10, default=0),
    ),
    words=frozenset({"MALFORMED_JSON_CONTENT", "MALFORMED_ASYNC_ID"}),
    fault_words={"async-id": "MALFORMED_ASYNC_ID"},
)
async def light_lamp(seen: list[Any], call: Call, lamp_id: str) -> Answer | None:
    """Light a lamp."""
    seen.append(call)
    return None


class Toy:
    """The application, what its handlers saw, and a client."""

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        strict: bool = True,
        address: str = "203.0.113.9",
        bound: list[Bound] | None = None,
    ) -> None:
        self.settings = settings or Settings()
        self.clock = ManualClock()
        self.seen: list[Call] = []
        self.kept = Kept()
        self.gate = OpenGate()
        self.callers = Callers()
        access_settings = self.settings.access
        self.api = Api(
            operations.bind(self.seen) if bound is None else bound,
            settings=self.settings,
            clock=self.clock,
            ids=Ids(self.clock),
            authenticator=self.callers,
            keeper=self.kept,
            quota=NoQuota(),
            origin=Origin(
                self.settings.http.trusted_proxies,
                access_settings.restricted_networks,
                access_settings.restricted_countries,
                None,
                "the operator",
            ),
            gate=self.gate,
            metrics=Metrics(),
            strict=strict,
        )
        self.address = address

    def client(self, base_url: str = "https://lamps.test") -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(app=self.api, client=(self.address, 4711))
        return httpx2.AsyncClient(transport=transport, base_url=base_url)

    async def call(self, method: str, path: str, key: str | None = ADMIN, **more: Any) -> httpx2.Response:
        headers = dict(more.pop("headers", {}))
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        async with self.client(more.pop("base_url", "https://lamps.test")) as client:
            return await client.request(method, path, headers=headers, **more)
