"""The LwM2M role for ``registration``, ``notification`` and what follows from them, in a process of its own.

``python -m tests.bench.lwm2m_server FOLDER ROLE DEVICES [DATABASE_URL]``: a process of ``serve ROLE``, on SQLite with every
commit synced or on that PostgreSQL, with coap open beside coaps and a pre-shared key for each device. It prints its ports,
and for the role ``all`` that of the API and the administrator's key.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import uvloop

from lamplighter.bus.local import LocalBus
from lamplighter.roles.interpreter import settle
from lamplighter.roles.log import configure
from lamplighter.roles.process import Process
from lamplighter.services.certificates.service import Authority
from lamplighter.services.credentials.model import PreSharedKey
from lamplighter.services.credentials.service import Credentials
from lamplighter.storage.seal import load_master_key
from tests.bench.device import key_of
from tests.bench.rest_server import LIMITS, plain_port_of
from tests.roles.serving import settings_for


def name_of(number: int) -> str:
    """The endpoint name of a device."""
    return f"lamp-{number:06}"


async def make_keys(process: Process, many: int) -> None:
    """A key for each device, in the root account."""
    folder, now = process.folder, process.clock.now()
    account_id = await process.access.root_account()
    credentials = Credentials(
        process.database,
        process.clock,
        process.ids,
        process.settings,
        load_master_key(folder.path),
        Authority(folder.pki, now),
        LocalBus(),
        now,
        process.access.certificate_limit,
    )
    for start in range(0, many, 100):
        names = [name_of(number) for number in range(start, min(many, start + 100))]
        keys = [credentials.create_key(account_id, PreSharedKey(name, key_of(name).hex())) for name in names]
        await asyncio.gather(*keys)


async def serve(folder: Path, role: str, many: int, database_url: str = "") -> None:
    settings = settings_for(
        database_url,
        coap={"insecure": True},
        bootstrap={"plain_port": 0},
        http={"plaintext_api": True},
        api=LIMITS,
        outbound={"allowed_networks": ("127.0.0.0/8",)},
    )
    configure(settings)
    process = Process(folder, settings, "all" if role == "all" else "lwm2m")
    await process.start()
    settle()
    await make_keys(process, many)
    assert process.lwm2m is not None
    said = [process.lwm2m.port, process.lwm2m.plain_port]
    if role == "all":
        said.append(plain_port_of(process))
    key = process.folder.admin_key.read_text().strip()
    print("ready", json.dumps([*said, key]).replace(" ", ""), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), *sys.argv[4:]))
