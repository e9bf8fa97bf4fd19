"""Debian's Chromium without a screen, told what to do by its DevTools protocol: pages of a test, and what is run in them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
import json
import re
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from websockets.asyncio.client import ClientConnection, connect

PATIENCE = 30.0
"""Seconds that the browser gets for one thing."""
QUIET = (
    "--headless",
    "--no-sandbox",  # tests run as root too
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)


def public_key_hash(host: str, port: int) -> str:
    """The SHA-256 of the public key of a server's certificate, in base64 as Chromium takes it."""
    certificate = x509.load_pem_x509_certificate(ssl.get_server_certificate((host, port)).encode())
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(key).digest()).decode()


class Page:
    """A page of a browser."""

    def __init__(self, tools: ClientConnection, session: str) -> None:
        self._tools = tools
        self._session = session
        self._numbers = itertools.count(100)

    async def run(self, script: str) -> Any:
        """What the script comes to, once it is there if it is a promise. Raises AssertionError with what it throws."""
        more = {"expression": script, "awaitPromise": True, "returnByValue": True}
        answer = await call(self._tools, next(self._numbers), "Runtime.evaluate", more, self._session)
        assert "exceptionDetails" not in answer, json.dumps(answer["exceptionDetails"], indent=1)
        return answer["result"].get("value")


@asynccontextmanager
async def chromium(folder: Path, trusted: str) -> AsyncIterator[ClientConnection]:
    """A running browser's tools. Skips the test where there is no Chromium.

    :param trusted: the public key whose certificate it takes although it knows no authority of it
    """
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("NOT RUN: no browser: chromium is not installed")
    process = await asyncio.create_subprocess_exec(
        program,
        *QUIET,
        f"--user-data-dir={folder}",
        f"--ignore-certificate-errors-spki-list={trusted}",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    draining = None
    try:
        assert process.stderr is not None
        address = ""
        async with asyncio.timeout(PATIENCE):
            while not address:
                line = (await process.stderr.readline()).decode(errors="replace")
                assert line, "chromium ended before its tools listened"
                if found := re.search(r"DevTools listening on (ws://\S+)", line):
                    address = found[1]
        draining = asyncio.create_task(process.stderr.read())
        async with connect(address, max_size=None, proxy=None) as tools:
            yield tools
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        if draining is not None:
            await draining


async def page(tools: ClientConnection, url: str) -> Page:
    """A new page with that address, loaded."""
    target = (await call(tools, 1, "Target.createTarget", {"url": "about:blank"}))["targetId"]
    session = (await call(tools, 2, "Target.attachToTarget", {"targetId": target, "flatten": True}))["sessionId"]
    opened = Page(tools, session)
    await call(tools, 3, "Page.enable", {}, session)
    assert "errorText" not in await call(tools, 4, "Page.navigate", {"url": url}, session)
    # Until then the script would run in the page before.
    await opened.run("1")
    while await opened.run("location.href") == "about:blank":
        pass
    return opened


async def call(
    tools: ClientConnection, number: int, method: str, more: dict[str, Any], session: str | None = None
) -> dict[str, Any]:
    """Have the browser do something; its answer."""
    message = {"id": number, "method": method, "params": more, **({"sessionId": session} if session else {})}
    await tools.send(json.dumps(message))
    async with asyncio.timeout(PATIENCE):
        while (answer := json.loads(await tools.recv())).get("id") != number or answer.get("sessionId") != session:
            pass  # events of its own
    assert "error" not in answer, answer["error"]
    result: dict[str, Any] = answer["result"]
    return result
