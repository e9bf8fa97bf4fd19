from __future__ import annotations

import socket
from pathlib import Path

import pytest

from lamplighter.cli.fail import Failure
from lamplighter.cli.server_process import ServerProcess
from tests.servers import free_port


def test_a_port_that_somebody_uses_is_refused_before_anything_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        process = ServerProcess(tmp_path / "data", None, port, {})
        with pytest.raises(Failure, match=f"Port {port} is in use"):
            process.__enter__()
    assert not process.log.exists()


def test_a_server_that_ends_by_itself_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    config = tmp_path / "lamplighter.toml"
    config.write_text("[http]\nprot = 1\n")
    process = ServerProcess(tmp_path / "data", config, free_port(), {})
    with pytest.raises(Failure, match=r"(?s)ended by itself with code 1.*http\.prot: there is no such setting"):
        process.__enter__()
    assert process.stop() == 1
