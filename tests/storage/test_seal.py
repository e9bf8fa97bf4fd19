"""What is sealed opens for its purpose and owner only; a master key that others can read is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lamplighter.storage.seal import MasterKey, MasterKeyError, SealBroken, load_master_key

KEY = MasterKey(b"k" * 32)


def test_what_is_sealed_opens_again_and_is_not_the_secret() -> None:
    sealed = KEY.seal(b"a secret of a device", "pre-shared key", "lamp-1")
    assert b"secret" not in sealed and sealed != KEY.seal(b"a secret of a device", "pre-shared key", "lamp-1")
    assert KEY.open(sealed, "pre-shared key", "lamp-1") == b"a secret of a device"


def test_another_purpose_owner_or_key_and_a_changed_byte_open_nothing() -> None:
    sealed = KEY.seal(b"secret", "purpose", "owner")
    changed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for key, what, purpose, owner in (
        (KEY, sealed, "other", "owner"),
        (KEY, sealed, "purpose", "other"),
        (MasterKey(b"x" * 32), sealed, "purpose", "owner"),
        (KEY, changed, "purpose", "owner"),
        (KEY, b"", "purpose", "owner"),
    ):
        with pytest.raises(SealBroken):
            key.open(what, purpose, owner)


def test_each_purpose_has_its_own_key() -> None:
    assert KEY.derive("a") != KEY.derive("b") and len(KEY.derive("a")) == 32


def test_the_key_is_made_once_for_this_user_only(tmp_path: Path) -> None:
    first = load_master_key(tmp_path, {})
    assert (tmp_path / "master-key").stat().st_mode & 0o777 == 0o600
    assert load_master_key(tmp_path, {}).derive("x") == first.derive("x")


def test_a_key_that_others_can_read_or_that_is_no_key_is_refused_with_what_to_do(tmp_path: Path) -> None:
    load_master_key(tmp_path, {})
    os.chmod(tmp_path / "master-key", 0o640)
    with pytest.raises(MasterKeyError, match="chmod 600"):
        load_master_key(tmp_path, {})
    for wrong in ("", "zz" * 32, "ab" * 31):
        with pytest.raises(MasterKeyError, match="64 hex digits"):
            load_master_key(tmp_path, {"LAMPLIGHTER_MASTER_KEY": wrong})
    assert load_master_key(tmp_path, {"LAMPLIGHTER_MASTER_KEY": "6b" * 32}).derive("x") == KEY.derive("x")
