"""Makes what the devices of a soak connect with, before their server starts.

``python -m tests.soak.provision FOLDER KEYS CERTIFICATES [DATABASE_URL]`` stores so many pre-shared keys, makes so many
devices with certificates, and leaves what these need in ``FOLDER/certificates.jsonl``.
"""

from __future__ import annotations

import asyncio
import sys
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path

import msgspec
import uvloop
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lamplighter.roles.process import Process
from lamplighter.services.certificates.service import Authority
from lamplighter.services.directory.model import Facts
from lamplighter.simulator.account import Account
from lamplighter.simulator.fleet import Certified, Credential
from lamplighter.storage.database import Transaction
from tests.bench.device import key_of
from tests.bench.lwm2m_server import make_keys, name_of
from tests.roles.serving import settings_for

CERTIFICATES = "certificates.jsonl"
_TOGETHER = 1000
_DER = serialization.Encoding.DER


class Issued(msgspec.Struct):
    """A line of the file; the bytes are Base64."""

    name: str
    account_id: str
    certificate: str
    key: str
    anchor: str


def keyed(first: int, count: int) -> list[Credential]:
    """Devices with a pre-shared key, from that number on."""
    names = [name_of(number) for number in range(first, first + count)]
    return [Credential(name, key_of(name)) for name in names]


def certified(folder: Path, first: int, count: int) -> Iterator[Certified]:
    """Devices with a certificate, from that number on."""
    decode = msgspec.json.Decoder(Issued).decode
    with (folder / CERTIFICATES).open("rb") as lines:
        for number, line in enumerate(lines):
            if first <= number < first + count:
                issued = decode(line)
                key = serialization.load_der_private_key(b64decode(issued.key), None)
                assert isinstance(key, ec.EllipticCurvePrivateKey)
                certificate, anchor = b64decode(issued.certificate), b64decode(issued.anchor)
                account = Account("", issued.name, issued.account_id, certificate, key, anchor)
                yield Certified(issued.name, account)


async def _certify(process: Process, many: int) -> None:
    folder = process.folder
    account_id = await process.access.root_account()
    authority = Authority(folder.pki, process.clock.now())
    anchor = b64encode(authority.device_ca.certificate_der).decode()

    async def ensure(name: str) -> str:
        async def work(tx: Transaction) -> str:
            return (await process.directory.ensure_device(tx, account_id, name, Facts())).device_id

        return await process.database.together(work)

    with (folder.path / CERTIFICATES).open("wb") as lines:
        for start in range(0, many, _TOGETHER):
            names = [f"certified-{name_of(number)}" for number in range(start, min(many, start + _TOGETHER))]
            ids = await asyncio.gather(*map(ensure, names))
            for name, device_id in zip(names, ids, strict=True):
                made = authority.issue_device(name, account_id, device_id)
                key = made.key.private_bytes(_DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
                certificate = b64encode(made.certificate_der).decode()
                line = Issued(name, account_id, certificate, b64encode(key).decode(), anchor)
                lines.write(msgspec.json.encode(line) + b"\n")


async def provision(folder: Path, keys: int, certificates: int, database_url: str = "") -> None:
    process = Process(folder, settings_for(database_url), "worker")
    await process.start()
    await make_keys(process, keys)
    await _certify(process, certificates)
    await process.close()


if __name__ == "__main__":
    uvloop.run(provision(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:]))
