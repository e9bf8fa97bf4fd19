"""Passwords, credentials and names."""

from __future__ import annotations

import asyncio
import base64

import pytest

from lamplighter.api.caller import KEY_LENGTH, TOKEN_LENGTH, CredentialKind
from lamplighter.errors.requests import Overloaded
from lamplighter.services.access.credentials import Mint
from lamplighter.services.access.names import email_key_of, key_of
from lamplighter.services.access.passwords import Passwords
from lamplighter.services.access.permissions import granted
from tests.services.app import PEPPER, cheap_passwords

OWNER, OWN = "a" * 32, "b" * 32


@pytest.mark.parametrize(
    ("kind", "prefix", "length"),
    [
        (CredentialKind.ACCESS_KEY, "ak_2", KEY_LENGTH),
        (CredentialKind.API_KEY, "ak_1", KEY_LENGTH),
        (CredentialKind.USER_TOKEN, "rt_", TOKEN_LENGTH),
    ],
)
def test_a_credential_names_its_owner_and_itself(kind: CredentialKind, prefix: str, length: int) -> None:
    made = Mint(PEPPER).make(kind, OWNER, OWN)
    assert made.whole.startswith(made.shown) and made.shown.startswith(prefix) and len(made.whole) == length
    owner = made.shown[len(prefix) : len(prefix) + 43]
    assert base64.b64decode(owner + "=").decode() == OWNER and made.shown.endswith(OWN)


def test_a_digest_depends_on_the_pepper() -> None:
    one, two = Mint(PEPPER), Mint(PEPPER + b"!")
    assert one.digest("x") == Mint(PEPPER).digest("x") != two.digest("x")
    with pytest.raises(ValueError, match="16 bytes"):
        Mint(b"short")


async def test_a_password_is_checked_whatever_its_composition() -> None:
    passwords = cheap_passwords()
    kept = await passwords.hash("caf\u00e9 au lait")
    assert kept.startswith("$argon2id$")
    assert await passwords.verify(kept, "cafe\u0301 au lait")
    assert not await passwords.verify(kept, "cafe au lait")
    assert not await passwords.verify("not a hash", "cafe au lait")
    assert not await passwords.verify(None, "cafe au lait")
    passwords.close()


async def test_hashing_does_not_hold_up_the_loop_and_a_flood_is_refused() -> None:
    passwords = Passwords(memory=32, passes=1, threads=1, waiting=2)
    results = await asyncio.gather(*(passwords.hash("x") for _ in range(6)), return_exceptions=True)
    assert [isinstance(each, Overloaded) for each in results] == [False] * 3 + [True] * 3
    passwords.close()


def test_names_compare_by_composition_and_addresses_also_without_case() -> None:
    assert key_of("Cafe\u0301") == key_of("Caf\u00e9") != key_of("caf\u00e9")
    assert email_key_of("Ada@Lamps.test") == email_key_of("ada@lamps.TEST")


def test_policies_add_up() -> None:
    assert granted(["developers", "administrators"]) == {"*"}
    assert "devices.read" in granted(["developers"]) and granted([]) == frozenset()
