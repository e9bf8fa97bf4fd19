"""CoAP plugtest, TD_COAP_BLOCK: bodies larger than a datagram, both ways (RFC 7959)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiocoap
import pytest

from lamplighter.coap.blockwise import Block, block_of
from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code, Option
from tests.conformance.marks import conforms
from tests.conformance.others import (
    AiocoapServer,
    Fast,
    aiocoap_client,
    ask_with_libcoap,
    libcoap_server,
)
from tests.conformance.plugtest_client import PlugtestClient, plugtest_client
from tests.conformance.plugtest_server import LARGE, NEW, PlugtestServer


def blocks(messages: list[Message], number: int) -> list[Block]:
    """The block options of that number, in the order of the messages."""
    return [block for message in messages if (block := block_of(message, number)) is not None]


def assert_a_body_in_blocks(messages: list[Message], number: int, size: int, length: int) -> None:
    """Every block once, in order, full but for the last, and ``more`` on all but the last."""
    found = blocks(messages, number)
    count = -(-length // size)
    assert [block.num for block in found] == list(range(count))
    assert [block.more for block in found] == [True] * (count - 1) + [False]
    assert {block.size for block in found} == {size}
    payloads = [message.payload for message in messages if block_of(message, number) is not None]
    assert [len(payload) for payload in payloads[:-1]] == [size] * (count - 1)
    assert sum(map(len, payloads)) == length


async def ask_aiocoap(port: int, code: Any, path: str, payload: bytes = b"", block2: Any = None) -> Any:
    message = aiocoap.Message(
        code=code, uri=f"coap://127.0.0.1:{port}/{path}", payload=payload, transport_tuning=Fast()
    )
    if block2 is not None:
        message.opt.block2 = block2
    async with aiocoap_client() as context:
        return await context.request(message).response


def sizes(size: int) -> tuple[str, ...]:
    """How coap-client is told to use blocks of that size from the start."""
    return ("-b", str(size))


@conforms("TD_COAP_BLOCK_01", "TD_COAP_BLOCK_06", peer="libcoap client")
@pytest.mark.parametrize("size", [16, 64, 256])
async def test_libcoap_gets_blocks_of_the_size_that_it_asks_for(server: PlugtestServer, size: int) -> None:
    shown = await ask_with_libcoap(server.port, "get", "large", more=sizes(size))
    assert shown == LARGE.decode()
    assert blocks(server.wire.theirs, Option.BLOCK2)[0] == Block(0, False, size.bit_length() - 5)
    assert_a_body_in_blocks(server.wire.ours, Option.BLOCK2, size, len(LARGE))


@conforms("TD_COAP_BLOCK_01", "TD_COAP_BLOCK_06", peer="aiocoap client")
@pytest.mark.parametrize("szx", [0, 2, 4])
async def test_aiocoap_gets_blocks_of_the_size_that_it_asks_for(server: PlugtestServer, szx: int) -> None:
    answer = await ask_aiocoap(server.port, aiocoap.GET, "large", block2=(0, False, szx))
    assert answer.payload == LARGE
    assert blocks(server.wire.theirs, Option.BLOCK2)[0] == Block(0, False, szx)
    assert_a_body_in_blocks(server.wire.ours, Option.BLOCK2, 16 << szx, len(LARGE))


@conforms("TD_COAP_BLOCK_01", "TD_COAP_BLOCK_06", peer="aiocoap server, libcoap server")
@pytest.mark.parametrize("szx", [0, 2, 4])
async def test_we_get_blocks_of_the_size_that_we_ask_for(theirs: AiocoapServer, szx: int) -> None:
    wanted = [(int(Option.BLOCK2), Block(0, False, szx).encode())]
    async with libcoap_server() as libcoap:
        for port in (theirs.port, libcoap.port):
            async with plugtest_client(port) as client:
                if port == libcoap.port:
                    await client.ask(Code.PUT, "large", LARGE)
                    client.wire.seen.clear()
                assert (await client.get("large", options=wanted)).payload == LARGE
                assert blocks(client.wire.ours, Option.BLOCK2)[0] == Block(0, False, szx)
                assert_a_body_in_blocks(client.wire.theirs, Option.BLOCK2, 16 << szx, len(LARGE))


@conforms("TD_COAP_BLOCK_02", peer="aiocoap client")
async def test_aiocoap_learns_from_the_answer_that_it_comes_in_blocks(server: PlugtestServer) -> None:
    assert (await ask_aiocoap(server.port, aiocoap.GET, "large")).payload == LARGE
    assert block_of(server.wire.theirs[0], Option.BLOCK2) is None
    assert_a_body_in_blocks(server.wire.ours, Option.BLOCK2, 512, len(LARGE))


@conforms("TD_COAP_BLOCK_02", peer="libcoap client")
async def test_libcoap_learns_from_the_answer_that_it_comes_in_blocks(server: PlugtestServer) -> None:
    assert await ask_with_libcoap(server.port, "get", "large") == LARGE.decode()
    assert block_of(server.wire.theirs[0], Option.BLOCK2) is None
    assert_a_body_in_blocks(server.wire.ours, Option.BLOCK2, 512, len(LARGE))


@conforms("TD_COAP_BLOCK_02", peer="aiocoap server")
async def test_we_learn_from_the_answer_that_it_comes_in_blocks(client: PlugtestClient) -> None:
    assert (await client.get("large")).payload == LARGE
    assert block_of(client.wire.ours[0], Option.BLOCK2) is None
    assert_a_body_in_blocks(client.wire.theirs, Option.BLOCK2, 1024, len(LARGE))


@conforms("TD_COAP_BLOCK_03", peer="aiocoap client")
async def test_aiocoap_puts_a_large_body(server: PlugtestServer) -> None:
    answer = await ask_aiocoap(server.port, aiocoap.PUT, "large-update", NEW)
    assert answer.code == aiocoap.CHANGED
    assert server.resources["large-update"].payload == NEW
    assert_an_upload(server, Code.CHANGED)


@conforms("TD_COAP_BLOCK_03", peer="libcoap client")
async def test_libcoap_puts_a_large_body(server: PlugtestServer, tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(NEW)
    more = ("-f", str(tmp_path / "body"), "-t", "0", *sizes(256))
    await ask_with_libcoap(server.port, "put", "large-update", more=more)
    assert server.resources["large-update"].payload == NEW
    assert_an_upload(server, Code.CHANGED)


def assert_an_upload(server: PlugtestServer, last: Code) -> None:
    """Every block was asked to be continued, and the last one answered."""
    asked = blocks(server.wire.theirs, Option.BLOCK1)
    assert [block.more for block in asked] == [True] * (len(asked) - 1) + [False]
    answers = [message for message in server.wire.ours if message.option(Option.BLOCK1) is not None]
    assert [answer.code for answer in answers] == [Code.CONTINUE] * (len(asked) - 1) + [last]
    assert [block.num for block in blocks(answers, Option.BLOCK1)] == [block.num for block in asked]


@conforms("TD_COAP_BLOCK_03", peer="aiocoap server, libcoap server")
@pytest.mark.parametrize("size", [64, 1024])
async def test_we_put_a_large_body(theirs: AiocoapServer, size: int) -> None:
    async with libcoap_server() as libcoap:
        for port, expected in ((theirs.port, Code.CHANGED), (libcoap.port, Code.CREATED)):
            async with plugtest_client(port) as client:
                answer = await client.ask(Code.PUT, "large-update", NEW, block_size=size)
                assert answer.code == expected
                assert_a_body_in_blocks(client.wire.ours, Option.BLOCK1, size, len(NEW))
                assert (await client.get("large-update")).payload == NEW


@conforms("TD_COAP_BLOCK_04", peer="aiocoap client, libcoap client")
@pytest.mark.parametrize("asking", ["aiocoap", "libcoap"])
async def test_a_large_body_is_created_and_its_place_told(server: PlugtestServer, asking: str, tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(NEW)
    if asking == "aiocoap":
        answer = await ask_aiocoap(server.port, aiocoap.POST, "large-create", NEW)
        assert answer.opt.location_path == ("large-create", "1")
    else:
        more = ("-f", str(tmp_path / "body"), "-t", "0", *sizes(512))
        await ask_with_libcoap(server.port, "post", "large-create", more=more)
    assert_an_upload(server, Code.CREATED)
    assert server.wire.ours[-1].location_path() == ("large-create", "1")
    assert await ask_with_libcoap(server.port, "get", "large-create/1") == NEW.decode()


@conforms("TD_COAP_BLOCK_04", peer="aiocoap server")
async def test_we_create_a_large_body_and_read_its_place(theirs: AiocoapServer, client: PlugtestClient) -> None:
    answer = await client.ask(Code.POST, "large-create", NEW, block_size=256)
    assert (answer.code, answer.location_path()) == (Code.CREATED, ("large-create", "1"))
    assert theirs.resources["large-create"].payload == NEW


@conforms("TD_COAP_BLOCK_05", peer="aiocoap client, libcoap client")
@pytest.mark.parametrize("asking", ["aiocoap", "libcoap"])
async def test_a_large_body_is_answered_with_a_large_one(server: PlugtestServer, asking: str, tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(NEW)
    if asking == "aiocoap":
        answer = await ask_aiocoap(server.port, aiocoap.POST, "large-post", NEW)
        assert (answer.code, answer.payload) == (aiocoap.CHANGED, NEW.upper())
    else:
        more = ("-f", str(tmp_path / "body"), "-t", "0", *sizes(512))
        assert await ask_with_libcoap(server.port, "post", "large-post", more=more) == NEW.upper().decode()
    turning = next(message for message in server.wire.ours if message.code == Code.CHANGED)
    block1, block2 = block_of(turning, Option.BLOCK1), block_of(turning, Option.BLOCK2)
    assert block1 is not None and not block1.more
    assert block2 is not None and block2.num == 0 and block2.more


@conforms("TD_COAP_BLOCK_05", peer="aiocoap server")
async def test_our_large_body_is_answered_with_a_large_one(client: PlugtestClient) -> None:
    answer = await client.ask(Code.POST, "large-post", NEW, block_size=512)
    assert (answer.code, answer.payload) == (Code.CHANGED, NEW.upper())
    assert_a_body_in_blocks(client.wire.ours, Option.BLOCK1, 512, len(NEW))
