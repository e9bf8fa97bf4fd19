"""Peers that no package brings ready to run: fetched and built once, into a folder that outlives the tests.

The folder is ``$XDG_CACHE_HOME/lamplighter/peers``. Nothing of the system is changed. A peer that cannot be had on this machine
skips its tests, and the end of the run says which and why.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lamplighter" / "peers"
HERE = Path(__file__).parent
PATIENCE = 90
"""Seconds that one step of a build may take."""
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class Unavailable(Exception):
    """Why a peer cannot be had here."""


def built(name: str, recipe: str, make: Callable[[Path], None]) -> Path:
    """The folder with that peer in it. Skips the test where there can be none.

    :param recipe: what the peer is made of: when it changes, the peer is made anew
    :param make: makes it in an empty folder; raises Unavailable
    """
    folder = CACHE / f"{name}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the other worker of the same run waits for this one
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
                made = Path(scratch, "made")
                made.mkdir()
                try:
                    make(made)
                except Unavailable as why:
                    pytest.skip(f"NOT RUN: no {name}: {why}")
                made.rename(folder)
    return folder


def needed(*programs: str) -> None:
    """Raises Unavailable when one of the programs is not installed."""
    for program in programs:
        if shutil.which(program) is None:
            raise Unavailable(f"{program} is not installed")


def step(*command: str | Path, folder: Path) -> str:
    """Run one step of a build and give what it printed. Raises Unavailable with its last line when it fails."""
    try:
        done = subprocess.run(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{command[0]} came to no end in {PATIENCE} seconds") from None
    if done.returncode:
        said = done.stdout.strip().splitlines() or ["nothing"]
        raise Unavailable(f"{' '.join(map(str, command[:3]))} … failed and said: {said[-1]}")
    return done.stdout


def debian_source(package: str, codename: str, folder: Path) -> Path:
    """The unpacked source package of that Debian release, from the mirror that apt uses here."""
    needed("apt-get", "dpkg-source")
    if not KEYRING.exists():
        raise Unavailable("this is not Debian: its archive keyring is missing")
    listed = step(
        *("apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT) $(ORIGIN)"), folder=folder
    )
    rows = [row.split() for row in listed.splitlines()]
    mirrors = [row[0] for row in rows if row[2:] == ["main", "Debian"] and "-" not in row[1]]
    if not mirrors:
        raise Unavailable("apt knows no mirror of Debian: run apt-get update")
    sources = folder / "sources.list"
    sources.write_text(f"deb-src [signed-by={KEYRING}] {mirrors[0]} {codename} main\n")
    for made in ("state/lists/partial", "cache/archives/partial"):
        (folder / made).mkdir(parents=True)
    own = {
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "-",
        "Dir::State": folder / "state",
        "Dir::State::status": "/var/lib/dpkg/status",
        "Dir::Cache": folder / "cache",
        "APT::Sandbox::User": "root",
    }
    options = [f"-o{name}={value}" for name, value in own.items()]
    step("apt-get", *options, "update", folder=folder)
    step("apt-get", *options, "source", "--download-only", package, folder=folder)
    (description,) = folder.glob("*.dsc")
    step("dpkg-source", "-x", description, "source", folder=folder)
    return folder / "source"


def mbed_tls(codename: str) -> Path:
    """``ssl_client2`` of the mbed TLS in that Debian release, with Connection ID."""

    def make(folder: Path) -> None:
        needed("gcc", "make")
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            source = debian_source("mbedtls", codename, Path(scratch))
            step(sys.executable, "scripts/config.py", "set", "MBEDTLS_SSL_DTLS_CONNECTION_ID", folder=source)
            step("make", "-j2", "CFLAGS=-O0", "-C", "library", "static", folder=source)
            step("make", "-j2", "CFLAGS=-O0", "-C", "programs", "ssl/ssl_client2", folder=source)
            shutil.copy(source / "programs/ssl/ssl_client2", folder)

    return built(f"mbedtls-{codename}", "DTLS_CONNECTION_ID, -O0", make) / "ssl_client2"


TINYDTLS = "DTLSSocket==0.2.3"
"""The Python package that carries the source of tinydtls."""
_TINYDTLS_PARTS = (
    "ccm crypto dtls dtls_debug ecc/ecc dtls_time hmac netq peer session aes/rijndael aes/rijndael_wrap sha2/sha2 "
    "platform-specific/dtls_prng_posix"
).split()


def tinydtls_client() -> Path:
    """Our small client on tinydtls."""
    client = HERE / "tinydtls_client.c"

    def make(folder: Path) -> None:
        needed("gcc")
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            here = Path(scratch)
            download = (
                "download",
                "--quiet",
                "--timeout=10",
                "--retries=1",
                "--no-deps",
                "--no-binary",
                ":all:",
                TINYDTLS,
            )
            # The backend that builds the package's metadata is no part of this: only the source is wanted.
            step(sys.executable, "-m", "pip", *download, folder=here)
            (archive,) = here.glob("*.tar.gz")
            step("tar", "xzf", archive, "--strip-components=1", folder=here)
            source = here / "DTLSSocket" / "tinydtls"
            parts = [source / f"{part}.c" for part in _TINYDTLS_PARTS]
            defines = [f"-D{name}" for name in ("DTLSv12", "WITH_SHA256", "DTLS_CHECK_CONTENTTYPE", "_GNU_SOURCE")]
            command = (
                "gcc",
                "-w",
                "-include",
                "stdint.h",
                *defines,
                f"-I{source}",
                "-o",
                folder / "client",
                client,
                *parts,
            )
            step(*command, folder=here)

    return built("tinydtls", TINYDTLS + client.read_text(), make) / "client"


def wolfssl_client() -> Path:
    """Our small client on wolfSSL."""
    client = HERE / "wolfssl_client.c"

    def make(folder: Path) -> None:
        needed("gcc")
        if not Path("/usr/include/wolfssl/ssl.h").exists():
            raise Unavailable("libwolfssl-dev is not installed")
        step("gcc", "-Wall", "-Werror", "-o", folder / "client", client, "-lwolfssl", folder=folder)

    return built("wolfssl", client.read_text(), make) / "client"
