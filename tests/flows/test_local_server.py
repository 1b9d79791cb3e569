"""What `winnow serve` refuses, and what `winnow stop` does when there is nothing to stop. A real server: tests/e2e."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from flows.local_server import serve_folder, served, start, stop
from tasks.runtime.errors import ConfigurationError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINNOW_HOME", str(tmp_path))


def test_a_taken_port_is_refused_with_how_to_choose_another(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setenv("WINNOW_PORT", str(port))
        with pytest.raises(ConfigurationError, match=f"port {port} cannot be used .* WINNOW_PORT="):
            start(lambda line: None)
    assert served() is None
    assert not (serve_folder() / "server.json").exists()


@pytest.mark.parametrize("port", ["http", "0", "70000", "-1"])
def test_a_port_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    monkeypatch.setenv("WINNOW_PORT", port)
    with pytest.raises(ConfigurationError, match="WINNOW_PORT"):
        start(lambda line: None)


def test_stopping_spares_a_stranger_that_has_an_old_process_number() -> None:
    assert stop() == 0
    serve_folder().mkdir(parents=True)
    left = {"api_url": "http://127.0.0.1:1/api", "mark": "of-a-server-long-gone", "pids": {"server": os.getppid()}}
    (serve_folder() / "server.json").write_text(json.dumps(left))
    assert served() is None
    assert stop() == 0  # and our parent lives on
    assert not (serve_folder() / "server.json").exists()


def test_a_damaged_record_means_that_nothing_runs() -> None:
    serve_folder().mkdir(parents=True)
    (serve_folder() / "server.json").write_text("{")
    assert served() is None
    assert stop() == 0
