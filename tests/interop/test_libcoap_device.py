"""The first device that the program itself suggests: its greeting on a terminal is followed to the letter, with libcoap."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.marks import conforms
from tests.dtls.service import run
from tests.servers import free_port

PROGRAMS = ["coap-client-openssl", "coap-client-gnutls"]
LAST_WORDS = "Something wrong?"
PATIENCE = 30.0
#: The first device's list entry, as the API answers it.
REGISTERED = r'"endpoint_name":"my-first-device-1".*?"state":"registered"'


@pytest.fixture
def greeting(tmp_path: Path) -> Iterator[str]:
    """What a server that starts for the first time says on a terminal. It runs as long as the test."""
    ports = {"HTTP_PORT": free_port(), "LWM2M_PORT": free_port(), "BOOTSTRAP_PORT": 0, "HTTP_PLAIN_PORT": 0}
    environment = {
        **os.environ,
        **{f"LAMPLIGHTER_{name}": str(port) for name, port in ports.items()},
        "LAMPLIGHTER_HTTP_HOST": "127.0.0.1",
        "LAMPLIGHTER_COAP_HOST": "127.0.0.1",
    }
    terminal, ours = pty.openpty()
    server = subprocess.Popen(
        [sys.executable, "-m", "lamplighter", "serve", "--data", str(tmp_path / "data")],
        stdin=subprocess.DEVNULL,
        stderr=ours,
        env=environment,
    )
    os.close(ours)
    try:
        yield _read(terminal)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(PATIENCE)
        os.close(terminal)


def _read(terminal: int) -> str:
    said = ""
    while LAST_WORDS not in said:
        ready, _, _ = select.select([terminal], [], [], PATIENCE)
        assert ready, f"the server did not start. It said:\n{said}"
        said += os.read(terminal, 65536).decode()
    return said.replace("\r\n", "\n")


def commands(greeting: str) -> tuple[str, str, str]:
    """The commands to list devices, to store a key, and to register with it."""
    lines = greeting.replace("\\\n", "").splitlines()
    listing, storing = (line for line in lines if line.strip().startswith("curl"))
    (registering,) = (line for line in lines if line.strip().startswith("coap-client"))
    return listing, storing, registering


@conforms("LightweightM2M-1.1-int-101", peer="libcoap client on OpenSSL, libcoap client on GnuTLS")
@pytest.mark.parametrize("program", PROGRAMS)
async def test_the_commands_of_the_greeting_connect_a_first_device(program: str, greeting: str) -> None:
    listing, storing, registering = commands(greeting)
    status = "-sS -w '%{http_code}'"
    assert await run("sh", "-c", f"{storing} {status}") == "201"
    assert not re.search(REGISTERED, await run("sh", "-c", f"{listing} {status}"))
    # Distributions put the TLS library into the program's name.
    said = await run("sh", "-c", registering.replace("coap-client", f"{program} -B 10", 1))
    assert re.search(REGISTERED, await run("sh", "-c", f"{listing} {status}")), said
