from __future__ import annotations

import os

import pytest

from lamplighter.dtls.connection_ids import ConnectionIds

IDS = ConnectionIds(b"secret", 8, 7)


def test_every_process_with_the_secret_recognizes_a_connection_id() -> None:
    cid = IDS.make()
    assert len(cid) == 8 and cid[0] == 7
    assert ConnectionIds(b"secret", 8, 3).is_own(cid)


def test_one_of_another_secret_or_length_is_not_ours() -> None:
    cids = [IDS.make() for _ in range(50)]
    assert not all(ConnectionIds(b"another", 8, 7).is_own(cid) for cid in cids)
    assert not any(ConnectionIds(b"secret", 9, 7).is_own(cid) for cid in cids)


def test_invented_connection_ids_are_told_from_ours() -> None:
    """One in 65,536 passes: of a thousand, a dozen would mean that nothing is checked."""
    assert sum(IDS.is_own(os.urandom(8)) for _ in range(1000)) < 12


def test_no_two_are_alike() -> None:
    assert len({IDS.make() for _ in range(10_000)}) == 10_000


@pytest.mark.parametrize(("length", "shard"), [(7, 0), (28, 0), (8, -1), (8, 256)])
def test_what_cannot_work_is_refused(length: int, shard: int) -> None:
    with pytest.raises(ValueError):
        ConnectionIds(b"secret", length, shard)
