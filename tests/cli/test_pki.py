"""``lamplighter pki`` on an installation's own folder, and what ``doctor`` says of its keys."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from lamplighter.bus.local import LocalBus
from lamplighter.bus.log import START, EventLog
from lamplighter.cli import installation as commands
from lamplighter.cli.fail import Failure
from lamplighter.cli.pki import list_, retire, rotate
from lamplighter.roles.examination import examine
from lamplighter.settings import Settings
from lamplighter.storage.open import open_database
from tests.dtls.pki import SIGN, issue


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    commands.init(None, None, folder, None)
    return folder


def listed(data: Path, capsys: pytest.CaptureFixture[str]) -> list[tuple[str, str, str]]:
    capsys.readouterr()
    list_(data, None, json=True)
    return [(each["kind"], each["standing"], each["subject"]) for each in json.loads(capsys.readouterr().out)]


def events(data: Path) -> list[tuple[str, object, object]]:
    async def read() -> list[tuple[str, object, object]]:
        database = open_database(Settings(), data)
        await database.start()
        try:
            found = await EventLog(database, LocalBus()).read(START, 1000)
        finally:
            await database.close()
        return [
            (each.event.kind, each.event.data["authority"], each.event.data["by"])
            for each in found
            if each.event.kind.startswith("Authority")
        ]

    found: list[tuple[str, object, object]] = commands.run_here(read())
    return found


def test_an_authority_gives_way_and_retires_by_two_commands(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, bootstrap = "CN=Lamplighter device CA", ("bootstrap", "signs", "CN=Lamplighter bootstrap CA")
    assert listed(data, capsys) == [("device", "signs", old), bootstrap]
    assert rotate("device", None, None, data, None) == 0
    assert "lamplighter pki retire device" in capsys.readouterr().out
    both = [("device", "signs", f"{old} 2"), ("device", "former", old)]
    assert listed(data, capsys) == [*both, bootstrap]
    assert retire("device", data, None) == 0
    assert listed(data, capsys) == [both[0], bootstrap]
    here = {"credential": "the command line"}
    assert events(data) == [("AuthorityRotated", "device", here), ("AuthorityRetired", "device", here)]


def test_the_list_for_people_names_fingerprints_and_files(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    list_(data, None, json=False)
    shown = capsys.readouterr().out
    assert str(data / "pki" / "device-ca.pem") in shown and "until 9999-12-31" in shown


def test_an_own_authority_needs_certificate_and_key_that_can_be_used(data: Path, tmp_path: Path) -> None:
    top = issue("Root", ca=True, key_usage=SIGN)
    certificate, key = issue("Devices 2026", top, ca=True, key_usage=SIGN).write(tmp_path, "own")
    with pytest.raises(Failure, match="needs both"):
        rotate("device", certificate, None, data, None)
    with pytest.raises(Failure, match="cannot be read"):
        rotate("device", tmp_path / "nowhere.pem", str(key), data, None)
    assert rotate("device", certificate, str(key), data, None) == 0
    with pytest.raises(Failure, match="Retire it first"):
        rotate("device", None, None, data, None)
    assert [kind for kind, *_ in events(data)] == ["AuthorityRotated"]


def test_doctor_looks_at_every_certificate_and_its_key(data: Path) -> None:
    def bad() -> list[str]:
        findings = asyncio.run(examine(data, Settings()))
        return [each.subject for each in findings if each.subject.startswith(("key", "pki")) and each.verdict != "ok"]

    assert bad() == []
    (data / "pki" / "bootstrap-ca.key.sealed").write_bytes(b"damaged")
    (data / "pki" / "lwm2m.key.sealed").unlink()
    assert sorted(bad()) == ["key bootstrap-ca", "key lwm2m"]
    (data / "pki" / "authorities.json").write_text("nonsense")
    assert bad() == ["pki"]
