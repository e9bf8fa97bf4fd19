"""The vendor's client at a whole server, with a developer certificate, and who issues what it gets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2

from lamplighter.roles.fleet import Conduct, Profile, Summary, developer_account, run_fleet
from tests.outbound.receivers import LOOPBACK, Receiver, Request
from tests.roles.serving import Serving, settings_for
from tests.roles.simulated import PATIENCE, registered
from tests.servers import free_port
from tests.services.issuers.authorities import HMAC_KEY, ca_of

Call = Callable[..., Awaitable[httpx2.Response]]
"""Calls an API: method, path, and ``json``."""


@asynccontextmanager
async def serving_vendors(database_url: str, folder: Path, **bootstrap: Any) -> AsyncIterator[Serving]:
    """A server on ports that are known before it is started, which may ask issuers on loopback."""
    lwm2m, port = free_port(), free_port()  # a device is told where to register before it is open
    settings = settings_for(
        database_url,
        outbound={"allowed_networks": LOOPBACK, "ca_file": ca_of(folder)},
        http={"plain_port": free_port()},
        lwm2m={"port": lwm2m},
        bootstrap={"port": port, **bootstrap},
        issuers={"busy_wait": 0},
        public={"lwm2m_uri": f"coaps://127.0.0.1:{lwm2m}", "bootstrap_uri": f"coaps://127.0.0.1:{port}"},
    )
    serving = Serving(folder / "data", settings)
    await serving.start()
    yield serving
    await serving.close()


def vendor_client(serving: Serving, certificate: str = "for trying out") -> AbstractAsyncContextManager[None]:
    """``switched_on`` at that server."""
    assert serving.process.bootstrap is not None
    return switched_on(serving.call, serving.process.bootstrap.port, certificate)


@asynccontextmanager
async def switched_on(call: Call, bootstrap_port: int, certificate: str = "for trying out") -> AsyncIterator[None]:
    """A client of the vendor that is switched on, and off at the end; with a new developer certificate of that name."""
    made = (await call("POST", "/v3/developer-certificates", json={"name": certificate})).json()
    credentials = (await call("GET", "/v3/server-credentials/bootstrap")).json()
    account = developer_account(
        made["developer_certificate"],
        made["developer_private_key"],
        credentials["server_certificate"],
        f"coaps://127.0.0.1:{bootstrap_port}?aid={made['account_id']}",
    )
    stop = asyncio.Event()
    summaries: list[Summary] = []
    conduct = Conduct(profile=Profile.VENDOR, bootstraps=True)
    fleet = asyncio.create_task(
        run_fleet([account], "127.0.0.1", bootstrap_port, seed=0, stop=stop, report=summaries.append, conduct=conduct)
    )
    try:
        yield
    finally:
        stop.set()
        await fleet


@asynccontextmanager
async def vendor_device(serving: Serving) -> AsyncIterator[str]:
    """A client of the vendor that came by bootstrap and is registered: its device id."""

    async def look() -> list[str]:
        return await registered(serving)

    async with vendor_client(serving):
        found = await until(serving, look)
        yield found[0]


async def until(serving: Serving, look: Callable[[], Awaitable[Any]]) -> Any:
    """The first true result; it is looked for whenever the log has grown."""
    changed = asyncio.Event()
    subscription = await serving.process.events.on_append(changed.set)
    try:
        async with asyncio.timeout(PATIENCE):
            while not (found := await look()):
                await changed.wait()
                changed.clear()
            return found
    finally:
        await subscription.cancel()


async def noted(serving: Serving, name: str) -> list[dict[str, Any]]:
    """The certificates of that name that devices have."""
    found = await serving.call("GET", f"/v3/device-certificates?certificate_name__eq={name}")
    data: list[dict[str, Any]] = found.json()["data"]
    return data


async def cfssl_issuer(call: Call, url: str, reference: str, key: str = HMAC_KEY) -> str:
    body = {
        "issuer_type": "CFSSL_AUTH",
        "name": f"issuer of {reference}",
        "issuer_attributes": {"host_url": url},
        "issuer_credentials": {"hmac_hex_key": key},
    }
    made = await call("POST", "/v3/certificate-issuers", json=body)
    assert made.status_code == 201, made.text
    issuer_id: str = made.json()["id"]
    await configure(call, reference, issuer_id)
    return issuer_id


async def configure(call: Call, reference: str, issuer_id: str) -> None:
    """Certificates of that name come from that issuer."""
    body = {"reference": reference, "certificate_issuer_id": issuer_id}
    if reference == "LWM2M":  # it is there already
        configured = await call("PUT", "/v3/certificate-issuer-configurations/lwm2m", json=body)
    else:
        configured = await call("POST", "/v3/certificate-issuer-configurations", json=body)
    assert configured.is_success, configured.text


class Held:
    """A receiver that is asked, and answers only when it is told to go on."""

    def __init__(self, receiver: Receiver) -> None:
        self.asked, self.go_on = asyncio.Event(), asyncio.Event()
        self._answers = receiver.script
        receiver.script = self._answer

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        self.asked.set()
        await self.go_on.wait()
        await self._answers(request, writer)
