"""A small fleet against the real server core, over DTLS on loopback."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import AsyncIterator, Callable
from random import Random
from typing import Any

import pytest

from lamplighter.clock import SystemClock
from lamplighter.coap.endpoint import Endpoint
from lamplighter.coap.events import NotificationReceived, RequestReceived, ResponseReceived
from lamplighter.coap.message import Message
from lamplighter.dtls import AddressChanged, AlertDescription, ServerConfig
from lamplighter.lwm2m import management
from lamplighter.lwm2m.server import DeregisterRequested, Lwm2mServer, RegisterRequested, UpdateRequested
from lamplighter.simulator.behaviour import Behaviour
from lamplighter.simulator.fleet import Credential, Fleet, Summary, TooManyDevices
from lamplighter.simulator.profile import Profile
from lamplighter.transport.dtls import DtlsTransport, PskKey, Rejected, Verdict

KEYS = {f"lamp-{number}".encode(): bytes([number]) * 32 for number in range(1, 6)}
CREDENTIALS = [Credential(name.decode(), key) for name, key in KEYS.items()]


class Gateway:
    """Registers whoever has a key, and asks what a test wants to know."""

    def __init__(self) -> None:
        self.endpoint = Endpoint(Random(1))
        self.server = Lwm2mServer(self.endpoint)
        self.peers: dict[str, Any] = {}
        self.registrations = 0
        self.left: list[Any] = []
        self.answers: asyncio.Queue[Message] = asyncio.Queue()
        self.moved: list[Any] = []
        """Sessions that came from another address."""
        self.transport = DtlsTransport(
            ServerConfig(wall_time=time.time),
            self.endpoint,
            self._take,
            psk_key=self._key,
            check_certificate=self._refuse,
            on_session=self._note,
        )
        self.transport.open("127.0.0.1", 0)
        self.port = self.transport.socket.address[1]

    async def ask(self, name: str, message: Message) -> Message:
        self.endpoint.request(self.peers[name], message, asyncio.get_running_loop().time())
        self.transport.flush()
        return await self.answers.get()

    async def _key(self, identity: bytes) -> PskKey | None:
        key = KEYS.get(identity)
        return None if key is None else PskKey(key, identity.decode())

    async def _refuse(self, chain: tuple[bytes, ...]) -> Verdict:
        return Rejected(AlertDescription.BAD_CERTIFICATE)

    def _note(self, event: Any) -> None:
        if isinstance(event, AddressChanged):
            self.moved.append(event.session)

    def _take(self, event: Any) -> None:
        now = asyncio.get_running_loop().time()
        match event:
            case ResponseReceived(_, message):
                self.answers.put_nowait(message)
            case NotificationReceived():
                self.endpoint.accept_notification(event)
            case RequestReceived():
                match asked := self.server.handle(event, now):
                    case RegisterRequested(_, registration):
                        assert registration.endpoint_name is not None
                        self.registrations += 1
                        self.peers[registration.endpoint_name] = event.peer
                        self.server.accept_registration(asked, ("rd", registration.endpoint_name), now)
                    case UpdateRequested():
                        self.server.accept_update(asked, now)
                    case DeregisterRequested(_, location):
                        self.left.append(location)
                        self.server.accept_deregistration(asked, now)


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    gateway = Gateway()
    yield gateway
    gateway.transport.close()


class Running:
    """A fleet while it runs, and its reports."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.stop = asyncio.Event()
        self.reports: asyncio.Queue[Summary] = asyncio.Queue()
        self.task = asyncio.create_task(fleet.run(self.stop, self.reports.put_nowait))

    async def until(self, condition: Callable[[Summary], bool]) -> Summary:
        async with asyncio.timeout(20):
            while not condition(summary := await self.reports.get()):
                pass
        return summary

    async def end(self) -> Summary:
        self.stop.set()
        async with asyncio.timeout(20):
            return await self.task


def fleet(gateway: Gateway, credentials: list[Credential] = CREDENTIALS, **more: Any) -> Running:
    return Running(Fleet(credentials, "127.0.0.1", gateway.port, clock=SystemClock(), seed=3, **more))


async def test_a_fleet_registers_over_dtls_answers_and_deregisters_when_stopped(gateway: Gateway) -> None:
    running = fleet(gateway)
    summary = await running.until(lambda summary: summary.registered == 5)
    assert (summary.devices, summary.connected, summary.failures) == (5, 5, ())
    answer = await gateway.ask("lamp-2", management.read("/3/0/2"))
    assert answer.payload == b"00000002"
    last = await running.end()
    assert (last.registered, last.answered) == (5, 1)
    assert sorted(gateway.left) == [("rd", f"lamp-{number}") for number in range(1, 6)]


async def test_a_rebooted_device_makes_a_new_session_and_registers_again(gateway: Gateway) -> None:
    running = fleet(gateway, CREDENTIALS[:1])
    await running.until(lambda summary: summary.registered == 1)
    before = gateway.peers["lamp-1"]
    await gateway.ask("lamp-1", management.execute("/3/0/4"))
    await running.until(lambda summary: gateway.registrations == 2 and summary.registered == 1)
    assert gateway.peers["lamp-1"] is not before
    assert (await gateway.ask("lamp-1", management.read("/3/0/2"))).payload == b"00000001"
    await running.end()


async def test_a_device_whose_session_the_server_ends_is_not_connected_and_says_why(gateway: Gateway) -> None:
    running = fleet(gateway, CREDENTIALS[:2])
    await running.until(lambda summary: summary.registered == 2)
    gateway.transport.server.close(gateway.peers["lamp-1"], asyncio.get_running_loop().time())
    gateway.transport.flush()
    summary = await running.until(lambda summary: summary.registered == 1)
    assert summary.connected == 1
    ((reason, count),) = summary.failures
    assert reason.startswith("the session ended") and count == 1
    await running.end()


async def test_behind_a_nat_a_device_changes_its_address_and_keeps_its_session(gateway: Gateway) -> None:
    running = fleet(gateway, CREDENTIALS[:1], behaviours={Behaviour.REBIND: 0.5, Behaviour.SLEEP: 0.2})
    await running.until(lambda summary: summary.registered == 1)
    session = gateway.peers["lamp-1"]
    await running.until(lambda summary: len(gateway.moved) > 1)
    assert set(gateway.moved) == {session} and gateway.registrations == 1
    assert (await gateway.ask("lamp-1", management.read("/3/0/2"))).payload == b"00000001"
    await running.end()


async def test_a_fleet_whose_datagrams_all_come_twice_does_everything_once(gateway: Gateway) -> None:
    running = fleet(gateway, behaviours={Behaviour.DUPLICATE: 1.0})
    summary = await running.until(lambda summary: summary.registered == 5)
    assert (summary.connected, gateway.registrations) == (5, 5)
    assert (await gateway.ask("lamp-3", management.read("/3/0/2"))).payload == b"00000003"
    assert (await running.end()).answered == 1


async def test_processes_that_share_a_seed_run_other_devices(gateway: Gateway) -> None:
    running = fleet(gateway, CREDENTIALS[1:2], first=2, profile=Profile.LWM2M_1_0, lifetime=99)
    await running.until(lambda summary: summary.registered == 1)
    assert (await gateway.ask("lamp-2", management.read("/3/0/2"))).payload == b"00000002"
    assert (await gateway.ask("lamp-2", management.read("/1/0/1"))).payload == b"99"
    await running.end()


async def test_a_fleet_that_finds_no_server_stops_when_it_is_told(gateway: Gateway) -> None:
    gateway.transport.close()
    running = fleet(gateway)
    summary = await running.reports.get()
    assert (summary.connected, summary.registered) == (0, 0)
    assert (await running.end()).registered == 0


async def test_a_host_that_cannot_exist_is_refused(gateway: Gateway) -> None:
    running = Running(Fleet(CREDENTIALS, "l" * 64, 5684, clock=SystemClock()))
    with pytest.raises(OSError):
        await running.task


async def test_more_devices_than_sockets_are_refused_with_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (256, 1024))
    with pytest.raises(TooManyDevices, match="may have 1024"):
        await Fleet(CREDENTIALS * 1000, "127.0.0.1", 1, clock=SystemClock()).run(asyncio.Event())


def test_a_summary_counts_and_names_the_most_frequent_failures() -> None:
    summary = Summary(10, 7, 6, (("no session: timed out", 3), ("refused", 1)), 5, 4)
    assert str(summary) == (
        "10 devices: 7 connected, 6 registered; 5 requests answered, 4 notifications sent; "
        "failing: 3 x no session: timed out, 1 x refused"
    )
