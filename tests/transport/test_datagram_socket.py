from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

from lamplighter.transport import datagram_socket
from lamplighter.transport.datagram_socket import SEND_QUEUE, CannotBind, DatagramSocket, bind, connect


class Full(socket.socket):
    """A socket without room until told otherwise."""

    full = True

    def sendto(self, data: bytes, address: object) -> int:  # type: ignore[override]
        if self.full:
            raise BlockingIOError
        return super().sendto(data, address)  # type: ignore[arg-type]


def test_a_port_in_use_is_named() -> None:
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotBind, match=rf"127\.0\.0\.1 port {port}/udp"):
            bind("127.0.0.1", port)
        with pytest.raises(CannotBind, match=rf"\* port {port}/udp"):
            bind("", port)


def test_an_address_of_another_machine_is_named() -> None:
    with pytest.raises(OSError, match=r"192\.0\.2\.1 port 5684/udp"):
        bind("192.0.2.1", 5684)


def test_one_socket_hears_ipv4_and_ipv6() -> None:
    with bind("", 0) as sock:
        if sock.family == socket.AF_INET6:
            assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 0
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 0
        with connect("127.0.0.1", sock.getsockname()[1]) as client:
            client.send(b"hello")
            sock.setblocking(True)
            sock.settimeout(5)
            assert sock.recv(10) == b"hello"


def test_a_client_may_choose_the_address_that_it_comes_from() -> None:
    with bind("127.0.0.1", 0) as sock, connect("127.0.0.1", sock.getsockname()[1], "127.9.0.1") as client:
        client.send(b"hello")
        sock.setblocking(True)
        sock.settimeout(5)
        assert sock.recvfrom(10) == (b"hello", client.getsockname())
        assert client.getsockname()[0] == "127.9.0.1"


async def test_datagrams_are_read_in_batches() -> None:
    batches: list[int] = []
    received: list[bytes] = []
    done = asyncio.Event()

    def batch() -> None:
        batches.append(len(received))
        if len(received) == 100:
            done.set()

    with bind("127.0.0.1", 0) as sock, connect("127.0.0.1", sock.getsockname()[1]) as client:
        for number in range(100):
            client.send(b"%d" % number)
        reader = DatagramSocket(sock, lambda data, address: received.append(data), batch, asyncio.get_running_loop())
        async with asyncio.timeout(5):
            await done.wait()
        reader.close()
    assert received == [b"%d" % number for number in range(100)]
    assert batches[:2] == [datagram_socket.DRAIN, 100]


async def test_datagrams_that_are_only_put_aside_do_not_end_a_batch() -> None:
    received: list[bytes] = []
    batches: list[int] = []
    done = asyncio.Event()

    def aside(data: bytes, address: object) -> bool:
        received.append(data)
        return True

    def batch() -> None:
        batches.append(len(received))
        done.set()

    with bind("127.0.0.1", 0) as sock, connect("127.0.0.1", sock.getsockname()[1]) as client:
        for number in range(datagram_socket.DRAIN + 36):
            client.send(b"%d" % number)
        reader = DatagramSocket(sock, aside, batch, asyncio.get_running_loop())
        async with asyncio.timeout(5):
            await done.wait()
        assert batches[0] == datagram_socket.DRAIN + 36
        reader.close()


async def test_what_finds_no_room_waits_and_the_oldest_goes_first() -> None:
    loop = asyncio.get_running_loop()
    with bind("127.0.0.1", 0) as receiver:
        full = Full(socket.AF_INET, socket.SOCK_DGRAM)
        full.setblocking(False)
        sender = DatagramSocket(full, lambda data, address: None, lambda: None, loop)
        for number in range(SEND_QUEUE + 2):
            sender.send(b"%d" % number, receiver.getsockname())
        assert sender.dropped == 2
        full.full = False
        receiver.setblocking(False)
        async with asyncio.timeout(5):
            assert await loop.sock_recv(receiver, 100) == b"2"
        sender.send(b"after", receiver.getsockname())
        sender.close()
        sender.send(b"too late", receiver.getsockname())


async def test_a_port_that_is_closed_is_no_error_of_ours() -> None:
    with bind("127.0.0.1", 0) as gone:
        address = gone.getsockname()
    batch = asyncio.Event()
    sock = DatagramSocket(connect(*address), lambda data, peer: None, batch.set, asyncio.get_running_loop())
    sock.send(b"anybody?", None)
    async with asyncio.timeout(5):
        await batch.wait()
    assert sock.errors == 1
    sock.send(b"again", None)
    sock.close()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_socket_that_was_told_that_nobody_listens_hears_who_listens_later(run: Callable[[Any], None]) -> None:
    async def talk() -> None:
        loop, told, heard = asyncio.get_running_loop(), asyncio.Event(), asyncio.Queue[bytes]()
        with bind("127.0.0.1", 0) as gone:
            address = gone.getsockname()
        opened = DatagramSocket(connect(*address), lambda data, _: heard.put_nowait(data), told.set, loop)
        opened.send(b"is anybody there?", None)
        async with asyncio.timeout(10):
            await told.wait()
            assert opened.errors == 1
            there = DatagramSocket(bind(*address), lambda _, peer: there.send(b"yes", peer), lambda: None, loop)
            opened.send(b"and now?", None)
            assert await heard.get() == b"yes"
        opened.close()
        there.close()

    run(talk())
