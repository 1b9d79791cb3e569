"""A server of our own: started, shared, ended with all it started, and talkative about why it did not work."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tasks.runtime.errors import ConfigurationError, PassingFaultError
from tasks.sample.endpoint import launch as launching
from tasks.sample.endpoint.engine import draw
from tasks.sample.endpoint.launch import LaunchedServer
from tasks.sample.endpoint.servers import kept_servers, served
from tasks.sample.endpoint.settings import EndpointSettings
from tasks.sample.requests import uniform_requests
from tasks.sample.settings import SamplingSettings
from tests.sample.endpoint.server import ROOT, drawn
from tests.sample.rows import prompt

PYTHON = f"'{sys.executable}'"


@pytest.fixture
def child(tmp_path: Path) -> Path:
    return tmp_path / "pids"


@pytest.fixture(autouse=True)
def at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("WINNOW_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path / "home" / "servers"


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    assert guards() == []


def guards() -> list[psutil.Process]:
    return [process for process in psutil.Process().children(recursive=True) if _commands(process, "endpoint.guard")]


def _commands(process: psutil.Process, word: str) -> bool:
    try:
        return any(word in part for part in process.cmdline())
    except psutil.NoSuchProcess:
        return False


def command(child: Path | None = None, seconds: float = 0) -> str:
    more = f" --child '{child}'" if child else ""
    return f"{PYTHON} -m tests.sample.endpoint.server {{port}} {seconds} --model {{model}}{more}"


def sampling(launch: str, **endpoint: Any) -> SamplingSettings:
    about = {"launch": launch, "hedge_quantile": 0, "start_limit": 30, **endpoint}
    return SamplingSettings(engine="endpoint", endpoint=about)  # type: ignore[arg-type]


def gone(pids: str) -> bool:
    deadline = time.monotonic() + 5
    while any(psutil.pid_exists(int(pid)) and psutil.Process(int(pid)).status() != "zombie" for pid in pids.split()):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_it_serves_and_ends_with_all_it_started(child: Path, at_home: Path) -> None:
    answers = drawn(sampling(command(child)), folder=Path("some model"), k=2)
    assert len({answer.text for answer in answers}) == 8
    assert gone(child.read_text())
    (log,) = at_home.glob("*.log")
    assert "serving" in log.read_text()
    assert "some model" in log.name


def test_abandoned_draws_end_the_server(child: Path) -> None:
    requests = uniform_requests([prompt(number) for number in range(50)], 1)
    answers = draw(Path("m"), requests, sampling(command(child), concurrency=1), seed=1, dtype="float32")
    next(answers)
    del answers
    assert gone(child.read_text())


def test_a_killed_guard_takes_the_server_along(child: Path) -> None:
    server = LaunchedServer(command(child), Path("m"), "float32", 30)
    (guard,) = guards()
    guard.kill()
    assert gone(child.read_text().split()[0])
    assert isinstance(server.ended(), PassingFaultError)
    server.stop()
    assert gone(child.read_text())


def test_a_killed_process_takes_its_server_along(child: Path) -> None:
    code = (
        "import os; from pathlib import Path; from tasks.sample.endpoint.launch import LaunchedServer; "
        f"server = LaunchedServer({command(child)!r}, Path('m'), 'float32', 30); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == -9
    assert gone(child.read_text())


def test_a_command_that_ends_at_once_says_its_last_words() -> None:
    launch = (
        f"{PYTHON} -c 'import sys; print(\"no such flag\", *sys.argv[1:]); sys.exit(3)' {{model}} {{port}} {{dtype}} {{host}}"
    )
    with pytest.raises(
        ConfigurationError, match=r"ended with exit code 3; the end of .*\.log:\nno such flag m \d+ float32 127"
    ):
        drawn(sampling(launch), folder=Path("m"))


def test_a_command_that_is_killed_may_work_another_time() -> None:
    launch = f"{PYTHON} -c 'import os; os.kill(os.getpid(), 9)' {{model}} {{port}}"
    with pytest.raises(PassingFaultError, match="was ended by signal 9"):
        drawn(sampling(launch))


def test_a_command_that_is_not_there() -> None:
    with pytest.raises(ConfigurationError, match="no command 'no-such-server'"):
        drawn(sampling("no-such-server {model} {port}"))


def test_a_server_that_never_answers_is_ended() -> None:
    launch = f"{PYTHON} -c 'import time; print(\"loading\", flush=True); time.sleep(600)' {{model}} {{port}}"
    with pytest.raises(ConfigurationError, match=r"did not answer within 1 s (?s:.*)start_limit(?s:.*)\nloading"):
        drawn(sampling(launch, start_limit=1))


def test_a_server_that_takes_one_connection_after_the_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """And where it listens."""
    caplog.set_level("WARNING", "winnow")
    (tmp_path / "simple.py").write_text(
        "import http.server, json, sys\n"
        "class Handler(http.server.BaseHTTPRequestHandler):\n"
        "    def do_POST(self):\n"
        "        self.rfile.read(int(self.headers['content-length']))\n"
        "        tokens = {'content': [{'logprob': -1.0}]}\n"
        "        one = {'message': {'content': 'x'}, 'finish_reason': 'stop', 'logprobs': tokens}\n"
        "        self.send_response(200); self.end_headers()\n"
        "        self.wfile.write(json.dumps({'choices': [one]}).encode())\n"
        "http.server.HTTPServer((sys.argv[2], int(sys.argv[1])), Handler).serve_forever()\n"
    )
    launch = f"{PYTHON} '{tmp_path}/simple.py' {{port}} {{host}} {{model}}"
    assert len(drawn(sampling(launch), k=2)) == 8
    assert not caplog.records
    drawn(sampling(launch.replace("{host}", "0.0.0.0")), k=1)
    assert "listens to all the network" in caplog.text


def test_a_first_answer_without_end_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "endless.py").write_text(
        "import http.server, sys, time\n"
        "class Handler(http.server.BaseHTTPRequestHandler):\n"
        "    def do_POST(self):\n"
        "        self.send_response(200); self.end_headers()\n"
        "        while True: self.wfile.write(b' '); time.sleep(0.05)\n"
        "http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()\n"
    )
    launch = f"{PYTHON} '{tmp_path}/endless.py' {{port}} {{model}}"
    with pytest.raises(ConfigurationError, match=r"did not answer within 4 s \(it said: status 200, and a reply without end"):
        drawn(sampling(launch, start_limit=4))


def test_no_shell_reads_the_command(tmp_path: Path) -> None:
    launch = f"{PYTHON} -c 'import sys; sys.exit(repr(sys.argv[1:]))' {{model}} {{port}} ; touch {tmp_path}/touched"
    with pytest.raises(ConfigurationError, match=r"\['m \$\(id\)', '\d+', ';', 'touch'"):
        drawn(sampling(launch), folder=Path("m $(id)"))
    assert not (tmp_path / "touched").exists()


def test_a_server_that_dies_in_mid_round_says_so(child: Path) -> None:
    answers = draw(
        Path("m"),
        uniform_requests([prompt(number) for number in range(50)], 1),
        sampling(command(child), concurrency=1, attempts=2),
        seed=1,
        dtype="float32",
    )
    next(answers)
    psutil.Process(int(child.read_text().split()[0])).kill()
    with pytest.raises(PassingFaultError, match=r"was ended by signal 9; the end of .*\.log:\nserving"):
        list(answers)
    assert gone(child.read_text())


def test_kept_servers_are_shared_and_a_models_server_gives_way_to_the_next() -> None:
    settings = EndpointSettings(launch=command(), start_limit=30)
    with kept_servers():
        with served(Path("a"), settings, "float32") as one, served(Path("a"), settings, "float32") as two:
            assert one == two
            assert (one.launch, one.model) == ("", "a")
        with served(Path("a"), settings, "float32") as three:
            assert three == one
            with served(Path("b"), settings, "float32") as other:
                assert other.addresses != one.addresses
                assert len(guards()) == 2
        with served(Path("c"), settings, "float32"):
            assert len(guards()) == 1
        (guard,) = guards()
        for server in guard.children():
            server.kill()
        psutil.wait_procs([guard], 5)
        with served(Path("c"), settings, "float32") as again:
            assert len(drawn(SamplingSettings(engine="endpoint", endpoint=again), k=1)) == 4
    assert guards() == []


def test_old_logs_make_room(monkeypatch: pytest.MonkeyPatch, at_home: Path) -> None:
    monkeypatch.setattr(launching, "_LOGS_KEPT", 2)
    for number in range(5):
        launching._log_file(f"m-{number}").touch()
    assert sorted(path.name[-5:-4] for path in at_home.iterdir()) == ["2", "3", "4"]
