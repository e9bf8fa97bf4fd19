"""The connect service without sockets: devices are sessions that a test answers by hand, time is a number."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from typing import Any, NamedTuple

import httpx2

from lamplighter.bus.bus import Bus
from lamplighter.bus.local import LocalBus
from lamplighter.bus.log import START, EventLog
from lamplighter.clock import ManualClock
from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code, ContentFormat, Option
from lamplighter.ids import Ids
from lamplighter.lwm2m.link import Link, parse_links
from lamplighter.lwm2m.registration import Registration, RegistrationUpdate
from lamplighter.services.connect.direct_operations import operations as direct_operations
from lamplighter.services.connect.events import delivery_of
from lamplighter.services.connect.operations import operations
from lamplighter.services.connect.presubscription_operations import operations as presubscription_operations
from lamplighter.services.connect.service import Connect, Identity, NoAnswer, PeerGone, Proof, Registered
from lamplighter.services.directory.service import Directory
from lamplighter.settings import Lwm2m, Settings
from lamplighter.storage.database import Database, Transaction
from tests import contract
from tests.api.toy import ACCOUNT, Toy

NAME = "endpoint-of-a-lamp"
LINKS = tuple(parse_links('</1/0>,</3/0>,</3303/0/5700>;obs;rt="temperature";ct=0,</10252/0/2>;v="1";aobs="343"'))
AUTO_TOKEN = (343).to_bytes(2, "big")
PATIENCE = 10.0
TABLES = (operations, direct_operations, presubscription_operations)


async def commercial(account_id: str) -> str:
    """Every account's tier."""
    return "1"


async def fifty(account_id: str) -> int:
    """Every account's trusted certificates at the most."""
    return 50


class Asked(NamedTuple):
    """A request that a device got, and where its answer goes."""

    message: Message
    token: bytes | None
    future: asyncio.Future[Message]

    @property
    def path(self) -> str:
        return "/" + "/".join(self.message.uri_path())

    def answer(self, payload: bytes = b"", code: int = Code.CONTENT, observe: int | None = None) -> None:
        message = Message(code, payload=payload).add(Option.CONTENT_FORMAT, ContentFormat.TEXT)
        self.future.set_result(message if observe is None else message.add(Option.OBSERVE, observe))

    def fail(self, failure: NoAnswer) -> None:
        self.future.set_exception(failure)


class FakePeer:
    """A session with a device, in the test's hands."""

    def __init__(self, address: str = "192.0.2.1 5000") -> None:
        self.address = address
        self.adopted: dict[bytes, str] = {}
        self.cancelled: list[tuple[bytes, bool]] = []
        self.fresh = 0
        self.noted = 0
        self.closed = False
        self._tokens = 0
        self._asked: asyncio.Queue[Asked] = asyncio.Queue()

    session = ""
    facts: Mapping[str, Any] = {}

    async def note(self, tx: Transaction) -> None:
        self.noted += 1

    def take_token(self) -> bytes:
        self._tokens += 1
        return self._tokens.to_bytes(6, "big")

    async def ask(self, message: Message, token: bytes | None = None) -> Message:
        if self.closed:
            raise PeerGone
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._asked.put_nowait(Asked(message, token, future))
        return await future

    def adopt(self, token: bytes, request: Message) -> None:
        self.adopted[token] = "/" + "/".join(request.uri_path())

    def cancel(self, token: bytes, *, tell: bool) -> None:
        self.cancelled.append((token, tell))

    def reset_freshness(self) -> None:
        self.fresh += 1

    def close(self) -> None:
        self.closed = True

    async def asked(self) -> Asked:
        """The next request."""
        async with asyncio.timeout(PATIENCE):
            return await self._asked.get()

    @property
    def is_left_alone(self) -> bool:
        """Nobody asks it anything that it has not seen."""
        return self._asked.empty()


class Bench:
    """One process with the service, and the API on it."""

    def __init__(
        self,
        database: Database,
        *,
        clock: ManualClock | None = None,
        bus: Bus | None = None,
        process: str = "lwm2m",
        settings: Settings | None = None,
    ) -> None:
        self.database = database
        self.clock = clock or ManualClock()
        # Values are never of age here, so that every read reaches the device.
        self.settings = settings or Settings(lwm2m=Lwm2m(command_queue=3, value_age_max=0))
        self.bus = bus or LocalBus()
        self.log = EventLog(database, self.bus)
        ids = Ids(self.clock)
        self.directory = Directory(database, self.clock, ids, self.settings)
        self.connect = Connect(
            database, self.clock, ids, self.settings, self.bus, self.log, self.directory, commercial, process=process
        )
        self.toy = Toy(self.settings, bound=[bound for table in TABLES for bound in table.bind(self.connect)])

    async def register(
        self,
        peer: FakePeer,
        name: str = NAME,
        *,
        links: tuple[Link, ...] = LINKS,
        identity: Identity | None = None,
        **more: Any,
    ) -> Registered:
        """A full registration, up to the contact after its answer."""
        identity = identity or Identity(Proof.PSK, ACCOUNT, name)
        asked = Registration(endpoint_name=name, links=links, **more)
        registered = await self.connect.register(identity, asked, peer)
        self.connect.contacted(peer)
        return registered

    async def update(self, peer: FakePeer, registered: Registered, **changes: Any) -> Registered:
        identity = Identity(Proof.PSK, registered.account_id, registered.endpoint_name)
        updated = await self.connect.update(identity, registered.location, RegistrationUpdate(**changes), peer)
        self.connect.contacted(peer)
        return updated

    async def request(
        self, device_id: str, async_id: str, method: str = "GET", uri: str = "/3/0/0", **query: int
    ) -> None:
        """Queue a request that is accepted."""
        more = "".join(f"&{name.replace('_', '-')}={value}" for name, value in query.items())
        path = f"/v2/device-requests/{device_id}?async-id={async_id}{more}"
        answer = await self.call("POST", path, "createAsyncRequest", json={"method": method, "uri": uri})
        assert (answer.status_code, answer.content) == (202, b""), answer.text

    async def call(self, method: str, path: str, operation_id: str = "", **more: Any) -> httpx2.Response:
        answer = await self.toy.call(method, path, **more)
        if operation_id:
            is_json = answer.headers.get("content-type", "").startswith("application/json")
            body: Any = (answer.json() if is_json else answer.text) if answer.content else None
            contract.check(operation_id, answer.status_code, body)
        return answer

    async def idle(self) -> None:
        """Until no queue is being worked on."""
        async with asyncio.timeout(PATIENCE):
            for device in list(self.connect.attached.devices.values()):
                while device._task is not None:
                    await device._task

    async def told(self, key: str) -> list[Any]:
        """What channels show under that key, in order."""
        found = [delivery_of(each.event) for each in await self.log.read(START, 10_000)]
        return [each.item for each in found if each is not None and each.key == key]

    async def told_to(self, key: str) -> list[tuple[str, ...] | None]:
        """To whom."""
        found = [delivery_of(each.event) for each in await self.log.read(START, 10_000)]
        return [each.subjects for each in found if each is not None and each.key == key]

    async def ends(self) -> dict[str, tuple[int, str]]:
        """The async responses: status, and the error or the decoded payload, by id. Each has come once."""
        responses = await self.told("async-responses")
        ends = {
            each["id"]: (each["status"], each.get("error") or base64.b64decode(each["payload"]).decode())
            for each in responses
        }
        assert len(ends) == len(responses)
        return ends
