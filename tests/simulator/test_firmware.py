"""Firmware Update (5): written or fetched, its states and results, and what runs after the restart."""

from __future__ import annotations

import pytest

from lamplighter.coap.numbers import Code, ContentFormat
from lamplighter.lwm2m import management
from lamplighter.simulator.events import Restarted
from lamplighter.simulator.image import CAPACITY
from tests.simulator.town import Town, town

URI = "https://files.example/lamp.bin"
IDLE, DOWNLOADING, DOWNLOADED, UPDATING = b"0", b"1", b"2", b"3"


def state(place: Town) -> tuple[bytes, bytes]:
    """State and result."""
    return place.ask(management.read("/5/0/3")).payload, place.ask(management.read("/5/0/5")).payload


def write(place: Town, path: str, value: bytes) -> Code:
    content_format = ContentFormat.OCTET_STREAM if path == "/5/0/0" else ContentFormat.TEXT
    return Code(place.ask(management.write(path, value, content_format)).code)


def version(place: Town) -> bytes:
    return place.ask(management.read("/3/0/3")).payload


def update(place: Town) -> None:
    assert place.ask(management.execute("/5/0/2")).code == Code.CHANGED
    assert state(place)[0] == UPDATING
    restarts = len(place.of(Restarted))
    while len(place.of(Restarted)) == restarts:
        place.run(1)
    place.run(5)


@pytest.mark.parametrize("size", [7, 100_000])
def test_a_package_is_written_and_a_new_version_runs_after_the_restart(size: int) -> None:
    place = town()
    assert version(place) == b"1.0.0" and state(place) == (IDLE, b"0")
    assert write(place, "/5/0/0", bytes(size)) == Code.CHANGED
    assert state(place) == (DOWNLOADED, b"0")
    update(place)
    assert state(place) == (IDLE, b"1") and version(place) == b"1.0.1"


def test_a_package_is_fetched_from_its_address() -> None:
    place = town()
    place.images[URI] = bytes(5000)
    assert write(place, "/5/0/1", URI.encode()) == Code.CHANGED
    assert state(place) == (DOWNLOADED, b"0")
    update(place)
    assert state(place) == (IDLE, b"1") and place.ask(management.read("/5/0/1")).payload == b""


def test_nothing_else_is_taken_while_a_package_is_there_until_it_is_dropped() -> None:
    place = town()
    write(place, "/5/0/0", b"package")
    assert write(place, "/5/0/0", b"another") == write(place, "/5/0/1", URI.encode()) == Code.METHOD_NOT_ALLOWED
    assert write(place, "/5/0/1", b"") == Code.CHANGED
    assert state(place) == (IDLE, b"0")
    assert place.ask(management.execute("/5/0/2")).code == Code.METHOD_NOT_ALLOWED


@pytest.mark.parametrize(
    ("uri", "result"),
    [
        ("ftp://files.example/lamp.bin", b"9"),
        ("coap+tcp://files.example/lamp.bin", b"9"),
        ("ftp:/nowhere", b"7"),
        ("https://files.example:port/", b"7"),
        ("http://files.example/gone", b"7"),
        ("http://files.example/empty", b"5"),
        ("http://files.example/large", b"2"),
    ],
)
def test_an_address_with_nothing_to_install_is_a_result(uri: str, result: bytes) -> None:
    place = town()
    place.images = {"http://files.example/empty": b"", "http://files.example/large": bytes(CAPACITY + 1)}
    assert write(place, "/5/0/1", uri.encode()) == Code.CHANGED
    assert state(place) == (IDLE, result)
    place.images[URI] = b"firmware"
    write(place, "/5/0/1", URI.encode())
    assert state(place) == (DOWNLOADED, b"0")


def test_an_update_that_is_rolled_back_leaves_package_and_version() -> None:
    place = town(behaviours="rollback=1")
    write(place, "/5/0/0", b"package")
    update(place)
    assert state(place) == (DOWNLOADED, b"8") and version(place) == b"1.0.0"


def test_a_restart_in_the_middle_of_the_installation_is_a_failure() -> None:
    place = town()
    write(place, "/5/0/0", b"package")
    place.ask(management.execute("/5/0/2"))
    place.ask(management.execute("/3/0/4"))
    place.run(30)
    assert state(place) == (DOWNLOADED, b"8") and version(place) == b"1.0.0"
