"""The master key: what seals secrets at rest, and from which the pepper of credential hashes is derived.

A file of its own (mode 0600), a variable or a command gives it; never the database and never a backup. All processes of an
installation share it.
"""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FILE = "master-key"
VARIABLE = "LAMPLIGHTER_MASTER_KEY"
_LENGTH = 32
_NONCE = 12


class MasterKeyError(ValueError):
    """The master key cannot be used. Its text says what to do."""


class SealBroken(Exception):
    """The sealed bytes were changed, or sealed with another key or for another purpose."""


class MasterKey:
    """Derives one key for each purpose, so that no two uses share one (HMAC-SHA-256 as in RFC 5869, one block)."""

    def __init__(self, key: bytes) -> None:
        if len(key) != _LENGTH:
            raise MasterKeyError(
                f"The master key must have {_LENGTH} bytes (64 hex digits), and this one has {len(key)}."
            )
        self._key = key

    def derive(self, purpose: str) -> bytes:
        """32 bytes for that purpose, the same in every process."""
        return hmac.digest(self._key, b"lamplighter " + purpose.encode() + b"\x01", "sha256")

    def seal(self, secret: bytes, purpose: str, owner: str) -> bytes:
        """Encrypt with AES-256-GCM; only the same purpose and owner open it again."""
        nonce = os.urandom(_NONCE)
        return nonce + AESGCM(self.derive(purpose)).encrypt(nonce, secret, owner.encode())

    def open(self, sealed: bytes, purpose: str, owner: str) -> bytes:
        """Decrypt. Raises SealBroken."""
        try:
            return AESGCM(self.derive(purpose)).decrypt(sealed[:_NONCE], sealed[_NONCE:], owner.encode())
        except (InvalidTag, ValueError):
            raise SealBroken(f"what was sealed for {purpose} cannot be opened") from None


def load_master_key(data_dir: Path, environment: dict[str, str] | os._Environ[str] = os.environ) -> MasterKey:
    """The key from the variable LAMPLIGHTER_MASTER_KEY, or from the data folder, made there at first use.

    Raises MasterKeyError.
    """
    given = environment.get(VARIABLE)
    path = data_dir / FILE
    if given is None:
        if not path.exists():
            _create(path)
        mode = path.stat().st_mode & 0o077
        if mode:
            raise MasterKeyError(
                f"{path} can be read by others: chmod 600 {path}, and replace the key if they may have."
            )
        given = path.read_text()
    try:
        key = bytes.fromhex(given.strip())
    except ValueError:
        place = VARIABLE if VARIABLE in environment else path
        raise MasterKeyError(f"The master key in {place} is not 64 hex digits.") from None
    return MasterKey(key)


def _create(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(_LENGTH) + "\n")
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
