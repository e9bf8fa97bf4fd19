"""A hardware module of software: SoftHSM, with a token for each test."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

LIBRARIES = [Path("/usr/lib/softhsm/libsofthsm2.so"), *Path("/usr/lib").glob("*/softhsm/libsofthsm2.so")]
PIN = "open-sesame"


@dataclass
class Module:
    """Tokens lie in ``tokens``: without the folder they are away."""

    library: Path
    tokens: Path
    pin_file: Path

    def import_key(self, token: str, label: str, key: Any, id: str = "01") -> None:
        """Have that private key in the token."""
        file = self.tokens.parent / f"{label}.p8"
        file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        self._util("--import", str(file), "--token", token, "--label", label, "--id", id, "--pin", PIN)
        file.unlink()

    def make_token(self, label: str) -> None:
        self._util("--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", PIN)

    def uri(self, token: str, label: str, **more: str) -> str:
        query = {"module-path": str(self.library), "pin-source": f"file:{self.pin_file}", **more}
        return f"pkcs11:token={token};object={label};type=private?" + "&".join(f"{a}={b}" for a, b in query.items())

    @contextmanager
    def away(self) -> Iterator[None]:
        """The tokens are taken out."""
        elsewhere = self.tokens.with_name("elsewhere")
        self.tokens.rename(elsewhere)
        self.tokens.mkdir()
        try:
            yield
        finally:
            self.tokens.rmdir()
            elsewhere.rename(self.tokens)

    def _util(self, *arguments: str) -> None:
        subprocess.run(["softhsm2-util", *arguments], check=True, capture_output=True)


@contextmanager
def softhsm(folder: Path) -> Iterator[Module]:
    """The module reads where its tokens are when it begins: in this process, and in those of its tool."""
    library = next((each for each in LIBRARIES if each.exists()), None)
    if library is None or shutil.which("softhsm2-util") is None:
        pytest.skip("NOT RUN: no PKCS#11 module: softhsm2 is not installed")
    tokens, config, pin = folder / "tokens", folder / "softhsm2.conf", folder / "pin"
    tokens.mkdir()
    config.write_text(f"directories.tokendir = {tokens}\nlog.level = ERROR\n")
    pin.write_text(f"{PIN}\n")
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(config)
    try:
        yield Module(library, tokens, pin)
    finally:
        if before is None:
            del os.environ["SOFTHSM2_CONF"]
        else:
            os.environ["SOFTHSM2_CONF"] = before
