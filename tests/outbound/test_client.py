"""The one HTTP client, with real sockets: where it connects, whom it trusts, and what it puts up with."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lamplighter.clock import SystemClock
from lamplighter.outbound.client import LARGEST_BODY, OutboundClient, Reply
from lamplighter.outbound.failure import OutboundFailed
from lamplighter.outbound.network import Resolve, Resolver
from lamplighter.services.certificates.authority import Authority
from lamplighter.settings import Outbound
from tests.outbound.receivers import (
    PATIENCE,
    Request,
    ca_file,
    hang_up,
    outbound,
    receiving,
    server_tls,
    stall,
    status,
)


@asynccontextmanager
async def client(settings: Outbound | None = None, resolve: Resolve | None = None) -> AsyncIterator[OutboundClient]:
    made = OutboundClient(settings or outbound(), resolve=resolve)
    try:
        yield made
    finally:
        await made.close()


async def put(made: OutboundClient, url: str, body: bytes = b"{}") -> Reply:
    async with made.reserve(url) as outgoing:
        return await outgoing.send("PUT", {"Content-Type": "application/json"}, body)


async def failure(made: OutboundClient, url: str) -> OutboundFailed:
    with pytest.raises(OutboundFailed) as raised:
        await put(made, url)
    return raised.value


def answers(*rounds: Sequence[str]) -> Resolve:
    """A name server that says something else each time, and stays with the last."""
    left = list(rounds)

    async def resolve(host: str, port: int) -> Sequence[str]:
        return left.pop(0) if len(left) > 1 else left[0]

    return resolve


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "pki", SystemClock().now())


async def test_a_request_goes_out_whole_and_its_answer_comes_back() -> None:
    async with receiving(status(200, "X-Y: z", body=b"fine")) as receiver, client() as made:
        reply = await put(made, receiver.url(path="/a?b=c"), b'{"a":1}')
        assert reply == Reply(200, b"fine", True, {"content-length": "4", "x-y": "z"})
        request = receiver.requests[0]
        assert (request.method, request.path, request.body) == ("PUT", "/a?b=c", b'{"a":1}')
        assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
        assert request.headers["content-length"] == "7"


async def test_other_paths_of_a_server_are_asked_in_the_same_place() -> None:
    async with receiving(status(200)) as receiver, client() as made:
        async with made.reserve(receiver.url(path="/v2")) as outgoing:
            for path in ("/login", "/certificates/1"):
                await outgoing.at(path).send("GET", {})
            with pytest.raises(ValueError, match="printable ASCII"):
                outgoing.at("/a b")
        assert [each.path for each in receiver.requests] == ["/v2/login", "/v2/certificates/1"]
        assert receiver.connections == 1


async def test_a_request_can_show_a_certificate_of_its_own(authority: Authority, tmp_path: Path) -> None:
    settings = outbound(ca_file=str(ca_file(authority)))
    pems = authority.client.certificate_pem.decode(), authority.client.key_pem.decode()
    async with receiving(tls=server_tls(authority, ask=True)) as receiver, client(settings) as made:
        url = receiver.url("localhost")
        async with made.reserve_as(*pems, url) as outgoing:
            await outgoing.send("GET", {})
            await outgoing.send("GET", {})
        assert receiver.certificates == [authority.client.certificate_der] and receiver.connections == 1
        with pytest.raises(ValueError, match="TLS failed"):
            async with made.reserve_as(pems[0], authority.server.key_pem.decode(), url):
                pass
        assert (await failure(made, url)).kind in ("connection", "tls")


async def test_a_connection_serves_many_requests() -> None:
    async with receiving() as receiver, client() as made:
        for _ in range(5):
            assert (await put(made, receiver.url())).status == 204
        assert receiver.connections == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "0"])
async def test_loopback_is_refused_in_each_of_its_forms_and_nothing_connects(host: str) -> None:
    async with receiving() as receiver, client(Outbound()) as made:
        assert (await failure(made, receiver.url(host))).kind == "address"
        assert receiver.connections == 0


async def test_a_name_that_is_another_address_at_the_next_connection_is_refused_there() -> None:
    """DNS rebinding: permitted when it was registered, our own machine when it is used."""
    settings = outbound(allowed_networks=["127.0.0.1"])
    async with receiving(status(200, "Connection: close")) as receiver:
        resolve = answers(["127.0.0.1"], ["127.0.0.2"], ["10.0.0.1"], ["127.0.0.1"])
        async with client(settings, resolve) as made:
            url = receiver.url("lamps.example")
            assert (await put(made, url)).status == 200
            for _ in range(2):
                assert (await failure(made, url)).kind == "address"
            assert receiver.connections == 1
            assert (await put(made, url)).status == 200
            assert receiver.requests[1].headers["host"] == f"lamps.example:{receiver.port}"


async def test_of_several_addresses_only_the_permitted_are_connected_to() -> None:
    settings = outbound(allowed_networks=["127.0.0.1"])
    async with receiving() as receiver, client(settings, answers(["127.0.0.3", "10.0.0.1", "127.0.0.1"])) as made:
        assert (await put(made, receiver.url("lamps.example"))).status == 204
        assert receiver.connections == 1


async def test_an_address_that_refuses_is_not_the_last_word_of_a_name() -> None:
    async with receiving() as receiver, client(None, answers(["127.0.0.9", "127.0.0.1"])) as made:
        assert (await put(made, receiver.url("lamps.example"))).status == 204


async def test_what_a_private_name_server_knows_is_not_told() -> None:
    async with client(Outbound(), answers(["10.11.12.13"])) as made:
        refused = await failure(made, "http://intranet.example/")
    assert "10.11" not in str(refused) and "intranet.example" in str(refused)


async def test_a_name_that_is_none_is_said_to_be() -> None:
    async with client() as made:
        for host in ("no-such-name.invalid", "a" * 70 + ".invalid", "a..b"):
            assert (await failure(made, f"http://{host}/")).kind == "name", host


async def test_the_system_resolves_names_and_leaves_addresses_as_they_are() -> None:
    resolver = Resolver()
    assert set(await resolver("localhost", 80)) & {"127.0.0.1", "::1"}
    assert await resolver("192.0.2.1", 80) == ["192.0.2.1"]


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_not_followed(code: int) -> None:
    async with receiving() as target, receiving(status(code, f"Location: {target.url()}")) as receiver:
        async with client() as made:
            assert (await put(made, receiver.url())).status == code
        assert target.connections == 0


async def test_a_large_answer_is_read_no_further_than_its_bound() -> None:
    async def flood(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
            await writer.drain()

    async with receiving(flood) as receiver, client() as made:
        reply = await put(made, receiver.url())
        assert (reply.status, len(reply.body), reply.whole) == (200, LARGEST_BODY, False)


async def test_an_answer_that_does_not_come_in_time_is_a_failure() -> None:
    async def drip(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    for script in (stall, drip):
        async with receiving(script) as receiver, client(outbound(timeout=0.2)) as made:
            failed = await failure(made, receiver.url())
            assert failed.kind == "timeout" and "0.2 seconds" in str(failed)


async def test_a_closed_port_a_closed_connection_and_nonsense_are_told_apart() -> None:
    async def nonsense(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-lamp\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    async with client() as made:
        assert (await failure(made, f"http://127.0.0.1:{port}/")).kind == "connection"
        async with receiving(hang_up) as receiver:
            assert (await failure(made, receiver.url())).kind in ("connection", "protocol")
        async with receiving(nonsense) as receiver:
            assert (await failure(made, receiver.url())).kind == "protocol"


async def test_a_certificate_must_be_trusted_and_of_that_name(authority: Authority) -> None:
    async with receiving(tls=server_tls(authority)) as receiver:
        async with client() as made:
            untrusted = await failure(made, receiver.url("localhost"))
            assert untrusted.kind == "tls" and "not trusted" in str(untrusted)
        settings = outbound(ca_file=str(ca_file(authority)))
        async with client(settings, answers(["127.0.0.1"])) as made:
            assert (await put(made, receiver.url("localhost"))).status == 204
            wrong = await failure(made, receiver.url("another.example"))
            assert wrong.kind == "tls" and "another.example" in str(wrong)
            assert len(receiver.requests) == 1


async def test_our_certificate_is_shown_to_a_server_that_asks(authority: Authority, tmp_path: Path) -> None:
    own = authority.issue_device("notifications", "0" * 32, "1" * 32)
    file = tmp_path / "own.pem"
    file.write_bytes(own.certificate_pem + own.key_pem)
    context = server_tls(authority, ask=True)
    context.load_verify_locations(cafile=authority.folder / "device-ca.pem")
    async with receiving(tls=context) as receiver:
        settings = outbound(ca_file=str(ca_file(authority)), certificate=str(file))
        async with client(settings) as made:
            assert (await put(made, receiver.url("localhost"))).status == 204
        assert receiver.certificates == [own.certificate_der]
        async with client(outbound(ca_file=str(ca_file(authority)))) as made:
            assert (await failure(made, receiver.url("localhost"))).kind in ("tls", "connection", "protocol")


async def test_a_server_without_tls_fails_an_https_url() -> None:
    async with receiving() as receiver, client(outbound(timeout=2)) as made:
        assert (await failure(made, f"https://127.0.0.1:{receiver.port}/")).kind in ("tls", "connection", "timeout")


async def test_requests_to_one_host_and_in_all_are_bounded_and_the_next_waits_for_a_place() -> None:
    release = asyncio.Event()
    open_now: list[str] = []

    async def hold(request: Request, writer: asyncio.StreamWriter) -> None:
        open_now.append(request.path)
        await release.wait()
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with receiving(hold) as receiver:
        settings = outbound(connections=4, connections_host=3)
        async with client(settings, answers(["127.0.0.1"])) as made:
            tasks = [asyncio.create_task(put(made, receiver.url("a.example", f"/a{n}"))) for n in range(5)]
            await receiver.got(3)
            tasks += [asyncio.create_task(put(made, receiver.url("b.example", f"/b{n}"))) for n in range(3)]
            await receiver.got(4)
            assert sorted(each[1] for each in open_now) == ["a", "a", "a", "b"]
            release.set()
            for each in await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE):
                assert each.status == 204
            assert not made._hosts


async def test_hosts_that_failed_before_share_half_of_the_places() -> None:
    async with receiving(stall) as dead, receiving() as alive:
        settings = outbound(connections=4, connections_host=10)
        async with client(settings) as made:

            async def suspect() -> None:
                async with made.reserve(dead.url(), suspect=True) as outgoing:
                    await outgoing.send("PUT", {})

            stalled = [asyncio.create_task(suspect()) for _ in range(10)]
            try:
                await dead.got(2)
                assert (await asyncio.wait_for(put(made, alive.url()), PATIENCE)).status == 204
                assert len(dead.requests) == 2
            finally:
                for task in stalled:
                    task.cancel()
                await asyncio.wait(stalled)


async def test_a_request_that_is_cancelled_gives_its_place_back() -> None:
    async with receiving(stall) as receiver, client(outbound(connections=1, connections_host=1)) as made:
        for _ in range(3):
            task = asyncio.create_task(put(made, receiver.url()))
            await receiver.got(len(receiver.requests) + 1)
            task.cancel()
            await asyncio.wait([task])
        receiver.script = status(200)
        assert (await put(made, receiver.url())).status == 200


async def test_faults_of_the_settings_are_raised_when_the_client_is_made(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nonsense"):
        OutboundClient(Outbound(allowed_networks=("nonsense",)))
    with pytest.raises(OSError):
        OutboundClient(Outbound(ca_file=str(tmp_path / "missing.pem")))
