"""The demo and the simulated devices as a user runs them, against a real server in a child process."""

from __future__ import annotations

import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.cli.program import PROGRAM, Program


def test_the_demo_shows_every_step_and_leaves_nothing_running(tmp_path: Path) -> None:
    program = Program(tmp_path / "data")
    ended = program.run("demo", "--devices", "3")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "3 devices: 3 connected, 3 registered" in ended.stdout
    assert ended.stdout.count("notification: ") == 3
    assert "FAILED" not in ended.stdout and "All steps went well" in ended.stdout
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", program.port), timeout=1)


def test_simulated_devices_register_until_a_signal_and_then_deregister(tmp_path: Path) -> None:
    program = Program(tmp_path / "data")
    program.start()
    try:
        devices = subprocess.Popen(
            [*PROGRAM, "simulate", "--devices", "2", "--data", str(program.data)],
            stdout=subprocess.PIPE,
            text=True,
            env=program.environment,
        )
        with devices:
            assert devices.stdout is not None
            registered = any("2 connected, 2 registered" in line for line in devices.stdout)
            devices.send_signal(signal.SIGTERM)
            rest = devices.stdout.read()
        assert registered and devices.returncode == 0
        assert rest.startswith("Stopped. Before: 2 devices: 2 connected, 2 registered")
        _, answer = program.call("/v3/devices")
        assert [device["state"] for device in answer["data"]] == ["deregistered", "deregistered"]
    finally:
        program.stop()


def test_without_a_server_simulate_says_so_and_fails(tmp_path: Path) -> None:
    program = Program(tmp_path / "data")
    assert program.run("init").returncode == 0
    ended = program.run("simulate")
    assert ended.returncode == 1
    assert f"https://localhost:{program.port} does not answer" in ended.stderr
