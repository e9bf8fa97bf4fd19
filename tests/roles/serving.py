"""A whole server on loopback for a test: the process of ``lamplighter serve``, on either database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import msgspec

from lamplighter.roles.process import Process
from lamplighter.settings import Settings


def settings_for(database_url: str = "", **sections: dict[str, Any]) -> Settings:
    """Settings with free ports on loopback, and these on top: ``settings_for(api={"edition": "pelion"})``."""
    chosen: dict[str, dict[str, Any]] = {
        "http": {"host": "127.0.0.1", "port": 0, "plain_port": 0},
        "lwm2m": {"port": 0},
        "bootstrap": {"port": 0},
        "coap": {"host": "127.0.0.1", "port": 0},
        "database": {"url": database_url},
        "public": {"rest_url": "https://localhost"},
    }
    for section, values in sections.items():
        chosen.setdefault(section, {}).update(values)
    return msgspec.convert(chosen, Settings)


class Serving:
    """A running process, and calls to it with the administrator's key."""

    def __init__(self, data: Path, settings: Settings) -> None:
        self.process = Process(data, settings)

    async def start(self) -> None:
        await self.process.start()
        self.key = self.process.folder.admin_key.read_text().strip()

    async def close(self) -> None:
        await self.process.close()

    def client(self) -> httpx2.AsyncClient:
        verify = str(self.process.folder.pki / "ca.pem")
        return httpx2.AsyncClient(
            base_url=f"https://localhost:{self.process.port}", verify=_context(verify), timeout=20
        )

    async def call(self, method: str, path: str, key: str | None = "", **more: Any) -> httpx2.Response:
        """One request; ``key`` None sends no credential, empty the administrator's."""
        headers = dict(more.pop("headers", {}))
        if key is not None:
            headers["Authorization"] = f"Bearer {key or self.key}"
        async with self.client() as client:
            return await client.request(method, path, headers=headers, **more)


def _context(path: str) -> Any:
    import ssl

    return ssl.create_default_context(cafile=path)
