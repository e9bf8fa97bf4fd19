"""Where things of an installation are: the data folder, and the addresses that others are told."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from lamplighter.settings import Settings

ADMIN_KEY = "admin-key"
PKI = "pki"


class CannotStart(Exception):
    """A part of the installation cannot be used. Its text says what to do."""


class Folder(NamedTuple):
    """The data folder (``--data``)."""

    path: Path

    @property
    def admin_key(self) -> Path:
        return self.path / ADMIN_KEY

    @property
    def pki(self) -> Path:
        return self.path / PKI

    def make(self) -> None:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)


def with_addresses(settings: Settings) -> Settings:
    """The settings with every public address filled in from the host name where it is empty."""
    host = socket.gethostname()
    public = settings.public
    return msgspec.structs.replace(
        settings,
        public=msgspec.structs.replace(
            public,
            rest_url=public.rest_url or f"https://{host}:{settings.http.port}",
            lwm2m_uri=public.lwm2m_uri or f"coaps://{host}:{settings.lwm2m.port}",
            bootstrap_uri=public.bootstrap_uri or f"coaps://{host}:{settings.bootstrap.port}",
            firmware_url=public.firmware_url or f"http://{host}:{settings.http.plain_port}",
        ),
    )


def device_hosts(settings: Settings) -> list[str]:
    """The hosts that devices are sent to."""
    public = with_addresses(settings).public
    hosts = (urlsplit(uri).hostname for uri in (public.lwm2m_uri, public.bootstrap_uri))
    return [host for host in hosts if host]


def keep_admin_key(folder: Folder, key: str) -> None:
    """Write the first key where only this user reads it. Done before the key counts, so that none is lost to a crash."""
    temporary = folder.admin_key.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(key + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, folder.admin_key)
