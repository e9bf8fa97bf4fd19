"""What the program does to an installation besides running it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from lamplighter.bus.local import LocalBus
from lamplighter.clock import SystemClock
from lamplighter.ids import Ids
from lamplighter.roles.places import Folder, device_hosts, keep_admin_key, with_addresses
from lamplighter.services.access.service import Access
from lamplighter.services.certificates.service import Authority, Credential
from lamplighter.services.directory.model import Facts
from lamplighter.services.directory.service import Directory
from lamplighter.services.support import maintenance as switch
from lamplighter.services.support.master_key import check_master_key
from lamplighter.settings import Settings
from lamplighter.storage import backup as copies
from lamplighter.storage.database import Database
from lamplighter.storage.open import open_database
from lamplighter.storage.seal import load_master_key


@asynccontextmanager
async def _database(data: Path, settings: Settings) -> AsyncIterator[Database]:
    Folder(data).make()
    database = open_database(settings, data)
    await database.start()
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def _access(data: Path, settings: Settings) -> AsyncIterator[Access]:
    async with _database(data, settings) as database:
        clock, bus = SystemClock(), LocalBus()
        await bus.start()
        master_key = load_master_key(data)
        await check_master_key(database, master_key)
        access = Access(database, clock, Ids(clock), settings, master_key.derive("credential pepper"), bus)
        await access.start()
        try:
            yield access
        finally:
            await access.close()
            await bus.close()


async def prepare(data: Path, settings: Settings, username: str | None, email: str | None, password: str) -> bool:
    """Everything a first start makes, without serving, and an administrator user if named; whether it was the first."""
    Folder(data).make()
    Authority(Folder(data).pki, SystemClock().now(), device_hosts(settings))
    async with _access(data, settings) as access:
        key = await access.bootstrap(lambda key: keep_admin_key(Folder(data), key))
        if username is not None:
            await access.make_administrator(username, email or "", password)
    return key is not None


async def migrate(data: Path, settings: Settings) -> None:
    async with _database(data, settings):
        pass  # starting a database migrates it


async def backup(data: Path, settings: Settings, target: Path) -> None:
    async with _database(data, settings) as database:
        await copies.backup(database, target)


async def restore(data: Path, settings: Settings, source: Path) -> None:
    """Put a backup into a database that has nothing of its own yet."""
    Folder(data).make()
    await copies.restore(open_database(settings, data), source)


async def maintenance(data: Path, settings: Settings, on: bool, note: str) -> None:
    """Other processes see the switch within a second."""
    async with _database(data, settings) as database:
        await switch.switch(database, None, on=on, note=note)


async def issue(data: Path, settings: Settings, endpoint_name: str, out: Path) -> list[Path]:
    """A certificate and key for a device of the root account, and what it needs to trust the server; the files made.

    Raises ValueError for an endpoint name that no certificate can carry.
    """
    if not 1 <= len(endpoint_name) <= 64 or not endpoint_name.isprintable():
        raise ValueError("An endpoint name has 1 to 64 printable characters.")
    clock = SystemClock()
    authority = Authority(Folder(data).pki, clock.now())
    async with _access(data, settings) as access:
        account_id = await access.root_account()
        directory = Directory(access.database, clock, Ids(clock), with_addresses(settings))
        async with access.database.transaction() as transaction:
            device = await directory.ensure_device(
                transaction, account_id, endpoint_name, Facts(), state="bootstrapped"
            )
    return _store(out, endpoint_name, authority, authority.issue_device(endpoint_name, account_id, device.device_id))


def _store(out: Path, endpoint_name: str, authority: Authority, credential: Credential) -> list[Path]:
    out.mkdir(parents=True, exist_ok=True)
    stem = "".join(each if each.isalnum() or each in "-_." else "_" for each in endpoint_name)
    files = {
        out / f"{stem}.pem": credential.certificate_pem,
        out / f"{stem}.key": credential.key_pem,
        out / "lwm2m-ca.pem": authority.device_ca.certificate_pem,
    }
    for path, content in files.items():
        path.touch(mode=0o600)
        path.write_bytes(content)
    return list(files)
