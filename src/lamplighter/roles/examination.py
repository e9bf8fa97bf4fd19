"""What ``lamplighter doctor`` looks at: each part of an installation, and how to mend it."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import shutil
import socket
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from cryptography import x509

from lamplighter.bus.open import open_bus
from lamplighter.errors import Error
from lamplighter.roles.places import Folder, with_addresses
from lamplighter.services.certificates.service import PLAIN, AuthorityUnusable, KeyFiles, in_use
from lamplighter.settings import Settings
from lamplighter.storage.migrations import SchemaTooNew, is_behind
from lamplighter.storage.open import schema_version
from lamplighter.storage.seal import FILE, VARIABLE, MasterKeyError, load_master_key

LEAST_DISK = 1024**3
"""Bytes that should be free for the database and firmware."""


class Finding(NamedTuple):
    """One thing looked at. ``mend`` says what to do where the verdict is not ok."""

    subject: str
    verdict: Literal["ok", "note", "bad"]
    text: str
    mend: str = ""


async def examine(data: Path, settings: Settings) -> list[Finding]:
    """Look at everything; nothing is changed."""
    settings = with_addresses(settings)
    folder = Folder(data)
    checks: list[Callable[[], AsyncIterator[Finding]]] = [
        lambda: _folder(folder),
        lambda: _ports(settings),
        lambda: _certificates(folder),
        lambda: _clock(folder),
        lambda: _database(folder, settings),
        lambda: _bus(settings),
        lambda: _addresses(settings),
    ]
    return [finding for check in checks async for finding in check()]


async def _folder(folder: Folder) -> AsyncIterator[Finding]:
    if not folder.path.is_dir():
        yield Finding(
            "data folder", "note", f"{folder.path} does not exist yet.", "It is made by the first `lamplighter serve`."
        )
        return
    usage = shutil.disk_usage(folder.path)
    free = f"{usage.free / 1024**3:.1f} GiB free at {folder.path}"
    if usage.free < LEAST_DISK:
        yield Finding("disk", "bad", f"only {free}.", "Free some space, or move the folder and name it with --data.")
    else:
        yield Finding("disk", "ok", f"{free}.")
    if not os.access(folder.path, os.W_OK):
        yield Finding(
            "data folder", "bad", f"{folder.path} cannot be written by this user.", f"chown it: {folder.path}"
        )
    for secret in (folder.admin_key, folder.path / "master-key"):
        if secret.exists() and secret.stat().st_mode & 0o077:
            yield Finding(
                secret.name,
                "bad",
                f"{secret} can be read by others.",
                f"chmod 600 {secret}; replace it if others may have read it.",
            )


async def _ports(settings: Settings) -> AsyncIterator[Finding]:
    wanted = [
        ("tcp", settings.http.port, "http.port", socket.SOCK_STREAM),
        ("tcp", settings.http.plain_port, "http.plain_port", socket.SOCK_STREAM),
        ("udp", settings.lwm2m.port, "lwm2m.port", socket.SOCK_DGRAM),
        ("udp", settings.bootstrap.port, "bootstrap.port", socket.SOCK_DGRAM),
    ]
    if settings.coap.insecure:
        wanted.append(("udp", settings.coap.port, "coap.port", socket.SOCK_DGRAM))
        wanted.append(("udp", settings.bootstrap.plain_port, "bootstrap.plain_port", socket.SOCK_DGRAM))
    if settings.coap.tcp:
        wanted += [("tcp", port, setting, socket.SOCK_STREAM) for name, port, setting, _ in wanted if name == "udp"]
    for name, port, setting, kind in wanted:
        if not port:
            continue
        subject = f"port {port}/{name}"
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("", port))
            except OSError as error:
                ours = setting.startswith("http.")
                if ours and await _is_ours(port, setting == "http.port"):
                    yield Finding(subject, "ok", "a Lamplighter server answers on it.")
                elif not ours and await _is_ours(settings.http.port, True):
                    yield Finding(subject, "ok", "in use while a Lamplighter server runs here.")
                else:
                    mend = f"Stop what uses it, or choose another port with the setting {setting}."
                    yield Finding(subject, "bad", f"cannot be opened: {error.strerror}.", mend)
            else:
                yield Finding(subject, "ok", "free.")


async def _is_ours(port: int, tls: bool) -> bool:
    import ssl

    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection("localhost", port, ssl=context if tls else None)
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = await reader.read()
            writer.close()
    except (OSError, TimeoutError):
        return False
    return b'"alive"' in answer


async def _certificates(folder: Folder) -> AsyncIterator[Finding]:
    try:
        names = in_use(folder.pki)
    except AuthorityUnusable as error:
        yield Finding("pki", "bad", str(error))
        return
    for name in names:
        path = folder.pki / f"{name}.pem"
        if not path.exists():
            yield Finding(
                f"certificate {name}",
                "note",
                f"{path} does not exist yet.",
                "It is made by the first `lamplighter serve`.",
            )
            continue
        try:
            certificate = x509.load_pem_x509_certificate(path.read_bytes())
        except ValueError:
            yield Finding(
                f"certificate {name}",
                "bad",
                f"{path} is not a PEM certificate.",
                "Restore it from a copy, or move it away to have a new one made.",
            )
            continue
        left = certificate.not_valid_after_utc - datetime.fromtimestamp(time.time(), UTC)
        until = f"valid until {certificate.not_valid_after_utc:%Y-%m-%d}"
        if left < timedelta(0):
            yield Finding(
                f"certificate {name}", "bad", f"expired: {until}.", "Restart the server: it renews its own certificate."
            )
        elif left < timedelta(days=14):
            yield Finding(
                f"certificate {name}", "note", f"{until}.", "Restart the server: it renews its own certificate."
            )
        else:
            yield Finding(f"certificate {name}", "ok", f"{until}.")
    async for finding in _keys(folder, names):
        yield finding


async def _keys(folder: Folder, names: list[str]) -> AsyncIterator[Finding]:
    """Whether the keys in pki/ are there, sealed, and this installation's master key opens them."""
    if not (folder.path / FILE).exists() and VARIABLE not in os.environ:
        return  # asking for the master key would make one
    try:
        keys = KeyFiles(folder.pki, load_master_key(folder.path))
    except MasterKeyError as error:
        yield Finding("master key", "bad", str(error))
        return
    for name in names:
        if not keys.certificate_path(name).exists():
            continue
        plain = keys.plain_path(name)
        try:
            sealed = keys.is_sealed(name)
        except AuthorityUnusable as error:
            yield Finding(f"key {name}", "bad", str(error))
            continue
        if not sealed and not plain.exists():
            mend = f"Bring back {keys.sealed_path(name).name} from a copy."
            yield Finding(f"key {name}", "bad", f"{keys.certificate_path(name)} has no key beside it.", mend)
        elif plain.exists() and plain.stat().st_mode & 0o077:
            yield Finding(
                f"key {name}", "bad", f"{plain} can be read by others.", f"chmod 600 {plain}, and replace it."
            )
        elif not sealed and name not in PLAIN:
            yield Finding(f"key {name}", "note", f"{plain} is not sealed yet.", "The next start seals and removes it.")


async def _clock(folder: Folder) -> AsyncIterator[Finding]:
    now = time.time()
    written = [path.stat().st_mtime for path in (folder.path.iterdir() if folder.path.is_dir() else ())]
    if now < 1_700_000_000:
        yield Finding(
            "clock",
            "bad",
            f"says {datetime.fromtimestamp(now, UTC):%Y-%m-%d}.",
            "Set the time, for example with timedatectl or an NTP service.",
        )
    elif written and max(written) > now + 60:
        yield Finding(
            "clock",
            "bad",
            "is behind the files of the data folder: it went backwards.",
            "Set the time; tokens and ids depend on it.",
        )
    else:
        yield Finding("clock", "ok", f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M:%S} UTC.")


async def _database(folder: Folder, settings: Settings) -> AsyncIterator[Finding]:
    place = _without_password(settings.database.url) or str(folder.path / "lamplighter.db")
    if not settings.database.url and not (folder.path / "lamplighter.db").exists():
        yield Finding(
            "database", "note", f"{place} does not exist yet.", "It is made by the first `lamplighter serve`."
        )
        return
    try:
        version = await schema_version(settings, folder.path)
        if is_behind(version):
            yield Finding(
                "database", "note", f"{place} has the schema {version}.", "The next start brings it up to date."
            )
        else:
            yield Finding("database", "ok", f"{place} answers and has this version's schema.")
    except SchemaTooNew as error:
        yield Finding("database", "bad", f"{place}: {error}")
    except (Error, OSError) as error:
        yield Finding("database", "bad", f"{place}: {error}", "Check that it runs, and the setting database.url.")


async def _bus(settings: Settings) -> AsyncIterator[Finding]:
    if not settings.bus.url:
        yield Finding("bus", "ok", "in this process (bus.url is empty).")
        return
    bus = open_bus(settings)
    await bus.start()
    if bus.degraded:
        yield Finding(
            "bus",
            "bad",
            f"{_without_password(settings.bus.url)} does not answer.",
            "Check that NATS runs, and the setting bus.url.",
        )
    else:
        yield Finding("bus", "ok", f"{_without_password(settings.bus.url)} answers.")
    await bus.close()


async def _addresses(settings: Settings) -> AsyncIterator[Finding]:
    for name in ("rest_url", "lwm2m_uri"):
        url = getattr(settings.public, name)
        host = urlsplit(url).hostname or ""
        try:
            found = {str(info[4][0]) for info in await asyncio.get_running_loop().getaddrinfo(host, None)}
        except OSError:
            yield Finding(
                f"public.{name}",
                "bad",
                f"{host} of {url} does not resolve.",
                f"Set public.{name} to a name that devices and users can resolve.",
            )
            continue
        if all(_is_loopback(address) for address in found):
            yield Finding(
                f"public.{name}",
                "note",
                f"{url} leads to this machine only.",
                f"For other machines, set public.{name} to a name they can reach.",
            )
        else:
            yield Finding(f"public.{name}", "ok", f"{url} is {', '.join(sorted(found))}.")


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return url.replace(f":{parts.password}@", ":…@") if parts.password else url
