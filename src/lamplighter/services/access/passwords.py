"""Passwords: argon2id (RFC 9106), in threads, because one hash takes tens of milliseconds."""

from __future__ import annotations

import asyncio
import secrets
import string
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from lamplighter.errors import requests

T = TypeVar("T")

SHORTEST: Final = 8
LONGEST: Final = 512
"""Bounds of a password's length (contract: PasswordPolicy)."""


class Passwords:
    """Hashes and checks passwords.

    :param memory: KiB of memory of one hash (RFC 9106, section 4: 64 MiB where memory is scarce)
    :param passes: over that memory
    :param threads: hashes at the same time
    :param waiting: hashes that may wait; more are refused with Overloaded, so that a flood of logins cannot pile up
    """

    def __init__(self, *, memory: int = 65_536, passes: int = 3, threads: int = 2, waiting: int = 64) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory, parallelism=4)
        self._pool = ThreadPoolExecutor(threads, "passwords")
        self._most = threads + waiting
        self._open = 0
        self._nobody: str | None = None

    async def hash(self, password: str) -> str:
        """The text to keep. Raises Overloaded."""
        return await self._run(self._hash, password)

    async def verify(self, kept: str | None, password: str) -> bool:
        """Whether the password is the one kept. Raises Overloaded.

        Without a kept one it takes as long and is False, so that time does not tell who exists.
        """
        if kept is None:
            if self._nobody is None:
                self._nobody = await self.hash(secrets.token_hex())
            await self._run(self._verify, self._nobody, password)
            return False
        return await self._run(self._verify, kept, password)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    async def _run(self, work: Callable[..., T], *arguments: str) -> T:
        if self._open >= self._most:
            raise requests.Overloaded(retry_after=1)
        self._open += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)
        finally:
            self._open -= 1

    def _hash(self, password: str) -> str:
        return self._hasher.hash(prepared(password))

    def _verify(self, kept: str, password: str) -> bool:
        try:
            return self._hasher.verify(kept, prepared(password))
        except (VerificationError, InvalidHashError):
            return False


def prepared(password: str) -> str:
    """The password as it is hashed: composed (NFC), as RFC 8265 section 4.2 asks."""
    return unicodedata.normalize("NFC", password)


def invented() -> str:
    """A password for a user who was given none: 20 letters and digits."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(20))
