"""What the program does to an installation besides running it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Literal, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from lamplighter.bus.event import Event
from lamplighter.bus.local import LocalBus
from lamplighter.bus.outbox import append
from lamplighter.clock import SystemClock
from lamplighter.ids import Ids
from lamplighter.roles.places import Folder, device_hosts, keep_admin_key, with_addresses
from lamplighter.services.access.service import Access
from lamplighter.services.certificates.events import AUTHORITY_RETIRED, AUTHORITY_ROTATED
from lamplighter.services.certificates.service import (
    Authority,
    AuthorityUnusable,
    Credential,
    read_given,
    retire,
    rotate,
)
from lamplighter.services.directory.model import Facts
from lamplighter.services.directory.service import Directory
from lamplighter.services.support import maintenance as switch
from lamplighter.services.support.master_key import check_master_key
from lamplighter.settings import Settings
from lamplighter.storage import backup as copies
from lamplighter.storage.database import Database
from lamplighter.storage.open import open_database
from lamplighter.storage.seal import load_master_key

Kind = Literal["device", "bootstrap"]

_HERE: Final = {"credential": "the command line"}
"""Who did it, in events."""


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
    _authority(data, settings)
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


class Signing(NamedTuple):
    """One of the installation's authorities towards devices."""

    kind: str
    standing: Literal["signs", "former"]
    """A former one is still trusted."""
    fingerprint: str
    subject: str
    not_after: str
    certificate: Path


def authorities(data: Path, settings: Settings) -> list[Signing]:
    """Those that devices are believed by, the one that signs first. Raises AuthorityUnusable."""
    authority = _authority(data, settings)
    found = {"device": authority.device_anchors, "bootstrap": authority.bootstrap_anchors}
    return [
        Signing(
            kind,
            "former" if at else "signs",
            certificate.fingerprint(hashes.SHA256()).hex(),
            certificate.subject.rfc4514_string(),
            f"{certificate.not_valid_after_utc:%Y-%m-%d}",
            authority.file_of(kind, at),
        )
        for kind, anchors in found.items()
        for at, certificate in enumerate(anchors)
    ]


async def rotate_authority(
    data: Path, settings: Settings, kind: Kind, certificate: Path | None, key: str | None
) -> x509.Certificate:
    """A new authority signs from now on; the former one stays trusted. Running processes take it up within a second.

    Raises AuthorityUnusable.

    :param certificate: PEM of an operator's own, and those above it; None: one is made
    :param key: path of its file, or PKCS#11 URI
    """
    if (certificate is None) != (key is None):
        raise AuthorityUnusable("An own authority needs both: --certificate and --key.")
    authority = _authority(data, settings)
    given = None if certificate is None or key is None else read_given(certificate, key)
    async with _access(data, settings) as access:
        made = rotate(authority, kind, given).certificate
        await _record(access, AUTHORITY_ROTATED, kind, made)
    return made


async def retire_authority(data: Path, settings: Settings, kind: Kind) -> x509.Certificate:
    """The former authority is trusted no more; what rests on it ends within a second. Raises AuthorityUnusable."""
    authority = _authority(data, settings)
    async with _access(data, settings) as access:
        gone = retire(authority, kind)
        await _record(access, AUTHORITY_RETIRED, kind, gone)
    return gone


def _authority(data: Path, settings: Settings) -> Authority:
    return Authority(Folder(data).pki, SystemClock().now(), device_hosts(settings), master_key=load_master_key(data))


async def _record(access: Access, happened: str, kind: str, certificate: x509.Certificate) -> None:
    told = {"authority": kind, "fingerprint": certificate.fingerprint(hashes.SHA256()).hex(), "by": _HERE}
    event = Event(kind=happened, account_id=await access.root_account(), time=SystemClock().now(), data=told)
    async with access.database.transaction() as transaction:
        await append(transaction, event)


async def issue(data: Path, settings: Settings, endpoint_name: str, out: Path) -> list[Path]:
    """A certificate and key for a device of the root account, and what it needs to trust the server; the files made.

    Raises ValueError for an endpoint name that no certificate can carry.
    """
    if not 1 <= len(endpoint_name) <= 64 or not endpoint_name.isprintable():
        raise ValueError("An endpoint name has 1 to 64 printable characters.")
    clock = SystemClock()
    authority = _authority(data, settings)
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
        out / "lwm2m-ca.pem": authority.device_root.public_bytes(serialization.Encoding.PEM),
    }
    for path, content in files.items():
        path.touch(mode=0o600)
        path.write_bytes(content)
    return list(files)
