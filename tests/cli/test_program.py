"""The first ten minutes: start, the key, the first error and its explanation, maintenance, doctor, a clean end."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.program import Program


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    each = Program(tmp_path_factory.mktemp("program") / "data")
    each.start()
    yield each
    assert each.stop() == 0
    assert "Lamplighter stops" in each.log


def test_the_first_start_leaves_the_key_for_this_user_only_and_names_its_file(program: Program) -> None:
    path = program.data / "admin-key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert program.key.startswith("ak_2") and len(program.key) == 111
    status, body = program.call("/v3/accounts/me")  # after it, what the start said has been read
    assert (status, body["object"]) == (200, "account")
    assert str(path) in program.log and program.key not in program.log


def test_a_first_call_without_a_key_says_what_to_do_and_is_explained_by_its_request_id(program: Program) -> None:
    status, body = program.call("/v3/devices", key=None)
    assert (status, body["type"]) == (401, "invalid_auth")
    assert "Authorization: Bearer" in body["message"] and "admin-key" in body["message"]
    explained = program.run("explain", body["request_id"])
    assert explained.returncode == 0, explained.stderr
    assert "401 invalid_auth (credential-missing)" in explained.stdout and "/v3/devices" in explained.stdout
    as_json = json.loads(program.run("explain", body["request_id"], "--json").stdout)
    assert (as_json["request_id"], as_json["code"]) == (body["request_id"], 401)


@pytest.mark.parametrize("word", ["not_found", "path-unknown", "403", "DEVICE_NOT_CONNECTED"])
def test_explain_takes_a_type_a_member_a_status_or_a_word(program: Program, word: str) -> None:
    explained = program.run("explain", word)
    assert explained.returncode == 0 and "What to do" in explained.stdout


def test_explain_says_what_it_takes_when_it_knows_nothing(program: Program) -> None:
    explained = program.run("explain", "nonsense")
    assert explained.returncode == 1 and "such as not_found" in explained.stderr


def test_no_secret_is_ever_in_the_log(program: Program) -> None:
    secrets = [program.key, (program.data / "master-key").read_text().strip(), "5ec4e7" * 8, "a password of mine"]
    program.call(
        "/v2/device-shared-keys", method="POST", body={"endpoint_name": "my-first-device-9", "secret_hex": "5ec4e7" * 8}
    )
    program.call(
        "/v2/device-shared-keys", method="POST", body={"endpoint_name": "my-first-device-9", "secret_hex": "5e" * 16}
    )
    program.call(
        "/auth/login", method="POST", key=None, body={"username": "nobody", "password": secrets[3], "account": ""}
    )
    program.call("/v3/devices", key=program.key[:-1])
    program.call(f"/v3/{program.key}")
    made, application = program.call("/v3/applications", method="POST", body={"name": "for its key"})
    assert made == 201
    made, key = program.call(f"/v3/applications/{application['id']}/access-keys", method="POST", body={"name": "k"})
    assert made == 201
    program.call("/v3/nothing", key=key["key"])
    status, missing = program.call("/v3/devices/nothing")
    assert status == 404 and program.logs(missing["request_id"])
    for secret in [*secrets, key["key"]]:
        assert secret not in program.log
        assert secret[:40] not in program.log


def test_maintenance_closes_the_api_with_its_note_and_opens_it_again(program: Program) -> None:
    assert program.run("maintenance", "on", "Back at noon.").returncode == 0
    while (answer := program.call("/v3/devices"))[0] == 200:
        pass  # seen within a second
    assert (answer[0], answer[1]["type"]) == (503, "system_unavailable")
    assert "Back at noon." in answer[1]["message"]
    assert program.call("/healthz", key=None)[0] == 200
    assert program.run("maintenance", "off").returncode == 0
    while program.call("/v3/devices")[0] != 200:
        pass


def test_doctor_finds_nothing_bad_in_a_running_installation(program: Program) -> None:
    found = program.run("doctor", "--json")
    findings = json.loads(found.stdout)
    assert found.returncode == 0, found.stdout
    assert {each["verdict"] for each in findings} <= {"ok", "note"}
    assert {"disk", "clock", "database", "bus", f"port {program.port}/tcp"} <= {each["subject"] for each in findings}


def test_a_port_in_use_stops_the_start_and_is_named_with_its_setting(program: Program, tmp_path: Path) -> None:
    second = Program(tmp_path / "second")
    second.environment["LAMPLIGHTER_HTTP_PORT"] = str(program.port)
    ended = second.run("serve")
    assert ended.returncode == 1
    assert f"TCP port {program.port}" in ended.stderr and "http.port" in ended.stderr
    third = Program(tmp_path / "third")
    third.environment["LAMPLIGHTER_LWM2M_PORT"] = str(program.lwm2m_port)
    ended = third.run("serve")
    assert ended.returncode == 1
    assert str(program.lwm2m_port) in ended.stderr and "setting lwm2m.port" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_setting_that_does_not_exist_stops_the_start_and_all_faults_are_named(tmp_path: Path) -> None:
    config = tmp_path / "lamplighter.toml"
    config.write_text('[http]\nport = "many"\nprot = 1\n[nothing]\nx = 1\n')
    ended = Program(tmp_path / "data").run("serve", "--config", str(config))
    assert ended.returncode == 1
    for part in ("http.prot", "nothing.x", "http.port"):
        assert part in ended.stderr or part == "http.port"
    assert not (tmp_path / "data").exists()


def test_doctor_says_how_to_mend_what_is_wrong(program: Program, tmp_path: Path) -> None:
    other = Program(tmp_path / "data")
    other.environment["LAMPLIGHTER_HTTP_PORT"] = str(program.lwm2m_port)
    assert other.run("init").returncode == 0
    os.chmod(other.data / "master-key", 0o644)
    found = other.run("doctor")
    assert found.returncode == 1
    assert "BAD" in found.stdout and f"chmod 600 {other.data / 'master-key'}" in found.stdout
    refused = other.run("serve")
    assert refused.returncode == 1 and "chmod 600" in refused.stderr


def test_init_makes_an_administrator_who_can_log_in(tmp_path: Path) -> None:
    program = Program(tmp_path / "data")
    made = program.run("init", "--username", "ada.lovelace", "--email", "ada@example.com", given="a long password\n")
    assert made.returncode == 0, made.stderr
    program.start()
    login = {"username": "ada.lovelace", "password": "a long password", "account": ""}
    status, body = program.call("/auth/login", method="POST", key=None, body=login)
    assert status == 200 and body["token"].startswith("rt_")
    assert program.call("/v3/users/me", key=body["token"])[1]["username"] == "ada.lovelace"
    login["password"] = "wrong"
    status, body = program.call("/auth/login", method="POST", key=None, body=login)
    assert (status, body["type"]) == (401, "invalid_auth")
    assert program.stop() == 0


def test_a_backup_taken_while_serving_restores_what_was_acknowledged(program: Program, tmp_path: Path) -> None:
    status, group = program.call("/v3/device-groups", method="POST", body={"name": "kept"})
    assert status == 201
    backup = tmp_path / "backup"
    done = program.run("backup", str(backup))
    assert done.returncode == 0, done.stderr
    copy = Program(tmp_path / "copy")
    copy.data.mkdir(mode=0o700)
    for name in ("master-key", "admin-key"):
        (copy.data / name).write_text((program.data / name).read_text())
        os.chmod(copy.data / name, 0o600)
    restored = copy.run("restore", str(backup))
    assert restored.returncode == 0, restored.stderr
    copy.start()
    assert copy.call(f"/v3/device-groups/{group['id']}")[1]["name"] == "kept"
    assert copy.stop() == 0


def test_another_master_key_stops_the_start_and_is_named(tmp_path: Path) -> None:
    program = Program(tmp_path / "data")
    assert program.run("init").returncode == 0
    (program.data / "master-key").write_text("ab" * 32 + "\n")
    refused = program.run("serve")
    assert refused.returncode == 1 and "master" in refused.stderr and "Traceback" not in refused.stderr


def test_the_commands_complete_and_describe_themselves(program: Program) -> None:
    assert "lamplighter" in program.run("completion", "bash", data=False).stdout
    assert program.run("--version", data=False).stdout.strip() == "0.1.0"
    settings = json.loads(program.run("settings", "--json", data=False).stdout)
    assert {"name", "value", "unit", "default", "variable", "meaning"} == set(settings[0])
