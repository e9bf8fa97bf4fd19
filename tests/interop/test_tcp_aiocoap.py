"""aiocoap over coap+tcp://: another reading of RFC 8323."""

from __future__ import annotations

import asyncio

import aiocoap
import pytest

from tests.transport.stream_service import LARGE, PATIENCE, serving

BODY = b"lamp " * 2000


@pytest.mark.parametrize(
    ("path", "payload", "answer"),
    [("3/0/1", b"", b": 3/0/1"), ("large", b"", LARGE), ("x", BODY, b": " + BODY)],
    ids=["short", "long answer", "long body"],
)
async def test_aiocoap_is_answered_over_tcp(path: str, payload: bytes, answer: bytes) -> None:
    async with serving(secure=False) as service:
        context = await aiocoap.Context.create_client_context(transports=["tcpclient"])
        code = aiocoap.POST if payload else aiocoap.GET
        message = aiocoap.Message(code=code, uri=f"coap+tcp://127.0.0.1:{service.port}/{path}", payload=payload)
        async with asyncio.timeout(PATIENCE):
            response = await context.request(message).response
        assert response.payload == answer
        await context.shutdown()
        assert service.core.refusals.total == 0
