from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.lwm2m.path import MAX_ID, ROOT, Path, PathError, parse_path, path_of, split_mediated

PATHS = st.lists(st.integers(0, MAX_ID), max_size=4).map(tuple).map(path_of)


@given(PATHS)
def test_a_path_reads_as_written(path: Path) -> None:
    assert parse_path(str(path)) == path


@given(st.text(max_size=20))
def test_any_text_is_a_path_or_a_path_error(text: str) -> None:
    try:
        path = parse_path(text)
    except PathError:
        return
    assert str(path).removeprefix("/") == text.removeprefix("/")


@pytest.mark.parametrize("text", ["3//1", "/3/0/", "x", "/03", "/65535", "/3/0/1/2/3", "/-1", "/٣", "//", "/3 "])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(PathError):
        parse_path(text)


def test_a_path_knows_what_lies_in_it() -> None:
    assert ROOT.contains(Path(3, 0))
    assert Path(3).contains(Path(3, 0, 1)) and Path(3).contains(Path(3))
    assert not Path(3, 0).contains(Path(3)) and not Path(3).contains(Path(30))
    assert Path(3).child(0).child(7).child(1) == Path(3, 0, 7, 1)
    with pytest.raises(PathError):
        Path(3, 0, 7, 1).child(0)


def test_a_device_behind_a_gateway_has_a_name_before_its_path() -> None:
    assert split_mediated("/d/lamp-1/3303/0/5700") == ("lamp-1", "/3303/0/5700")
    assert split_mediated("d/lamp-1") == ("lamp-1", "/")
    assert split_mediated("/3/0") == (None, "/3/0")
    assert split_mediated("/d/") == (None, "/d/")
