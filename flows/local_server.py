"""A Prefect server and a process worker on this machine, detached, bound to the loopback address.

What they are is written to ``WINNOW_HOME/serve/server.json``; their logs lie beside it. Every process carries a mark in
its environment and hands it to its children, so that stopping finds all of them (flow runs and their stages included),
also those whose parent has died, and never a stranger that was given an old process number.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import psutil

from tasks.runtime.errors import ConfigurationError, WinnowError
from tasks.runtime.home import configure_environment, winnow_home

POOL = "winnow"
DEFAULT_PORT = 4200
ROOT = Path(__file__).parents[1]
_HOST = "127.0.0.1"
_MARK = "WINNOW_SERVE"
_START_SECONDS = 90
_STOP_SECONDS = 15


@dataclass(frozen=True)
class Served:
    """What is being served.

    Attributes:
        api_url: for ``PREFECT_API_URL``.
        mark: the value of ``WINNOW_SERVE`` in the environment of all its processes.
        pids: ``server`` and ``worker`` → process number.
    """

    api_url: str
    mark: str
    pids: dict[str, int]

    @property
    def ui_url(self) -> str:
        return self.api_url.removesuffix("/api")

    def runs(self, role: str) -> bool:
        """Whether that process is alive and ours."""
        try:
            process = psutil.Process(self.pids[role])
            return process.status() != psutil.STATUS_ZOMBIE and process.environ().get(_MARK) == self.mark
        except (KeyError, psutil.Error):
            return False


def serve_folder() -> Path:
    """Where ``server.json`` and the logs are."""
    return winnow_home() / "serve"


def served() -> Served | None:
    """What `start` left running, or None when it is not (any more)."""
    try:
        found = Served(**json.loads((serve_folder() / "server.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return found if found.runs("server") else None


def wanted_port() -> int:
    """``WINNOW_PORT``, or 4200. Raises `ConfigurationError` when it is not a port number."""
    text = os.environ.get("WINNOW_PORT") or str(DEFAULT_PORT)
    if not (text.isdecimal() and 0 < int(text) < 65536):
        raise ConfigurationError(f"WINNOW_PORT={text!r} is not a port; give a number from 1 to 65535")
    return int(text)


def start(say: Callable[[str], None]) -> Served:
    """Start what is not running yet, create the work pool and deploy everything in ``prefect.yaml``; safe to repeat.

    Args:
        say: hears a line about each step.

    Raises:
        ConfigurationError: the port is taken by somebody else, or is not a port.
        WinnowError: a step failed; the message names its log. Nothing that was started just now is left running.
    """
    before = served()
    if before:
        say(f"already running at {before.ui_url}: deploying again")
        return _with_worker_and_deployments(before, say)
    stop()  # what a killed server may have left
    started = _start_server(wanted_port(), say)
    try:
        return _with_worker_and_deployments(started, say)
    except BaseException:
        stop()
        raise


def stop() -> int:
    """End everything that `start` started, and its children; how many processes that were. Safe to repeat.

    The server goes last, so that runs which are ended on the way are reported to it.
    """
    try:
        left = Served(**json.loads((serve_folder() / "server.json").read_text()))
    except (OSError, ValueError, TypeError):
        return 0
    processes = _marked(left.mark)
    server = _tree(left.pids.get("server"))
    for group in ([p for p in processes if p not in server], [p for p in processes if p in server]):
        _signal(group, signal.SIGTERM)
        psutil.wait_procs(group, timeout=_STOP_SECONDS)
    while stubborn := _marked(left.mark):  # and those that were started meanwhile
        _signal(stubborn, signal.SIGKILL)
        psutil.wait_procs(stubborn, timeout=1)
    (serve_folder() / "server.json").unlink(missing_ok=True)
    return len(processes)


def _start_server(port: int, say: Callable[[str], None]) -> Served:
    _check_free(port)
    serve_folder().mkdir(parents=True, exist_ok=True)
    say(f"starting the Prefect server on port {port}")
    begun = Served(f"http://{_HOST}:{port}/api", secrets.token_hex(8), {})
    # Written before the process starts: whatever happens next, `stop` knows what to look for.
    _write(begun)
    begun = _spawn(begun, "server", ["server", "start", "--host", _HOST, "--port", str(port)])
    _wait_healthy(begun)
    return begun


def _with_worker_and_deployments(served: Served, say: Callable[[str], None]) -> Served:
    _create_pool(served)
    say("deploying what prefect.yaml lists")
    _prefect(served, "--no-prompt", "deploy", "--all")
    if not served.runs("worker"):
        say("starting the worker")
        # One run at a time: a run uses all the cores and most of the memory there is.
        worker = ["worker", "start", "--pool", POOL, "--type", "process", "--name", "winnow-local", "--limit", "1"]
        served = _spawn(served, "worker", worker)
    return served


def _environment(served: Served) -> dict[str, str]:
    """The environment of the server, the worker, and so of every flow run."""
    configure_environment()
    return os.environ | {
        _MARK: served.mark,
        "WINNOW_HOME": str(winnow_home()),
        "PREFECT_API_URL": served.api_url,
        # Relative, so that the UI finds its API on any port; and the UI that loads nothing from outside.
        "PREFECT_SERVER_UI_API_URL": "/api",
        "PREFECT_SERVER_UI_V2_ENABLED": "false",
        "PREFECT_CLI_WRAP_LINES": "false",
        "PYTHONUNBUFFERED": "1",
    }


def _spawn(served: Served, role: str, command: list[str]) -> Served:
    """Start a Prefect command detached, in a session of its own, and write down that it is there."""
    with (serve_folder() / f"{role}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", *command],
            cwd=ROOT,
            env=_environment(served),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    (serve_folder() / f"{role}.pid").write_text(f"{process.pid}\n")
    grown = Served(served.api_url, served.mark, served.pids | {role: process.pid})
    _write(grown)
    return grown


def _write(served: Served) -> None:
    part = serve_folder() / ".server.json.part"
    part.write_text(json.dumps(asdict(served), indent=2) + "\n")
    part.replace(serve_folder() / "server.json")


def _prefect(served: Served, *command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "prefect", *command],
        cwd=ROOT,
        env=_environment(served),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    with (serve_folder() / "deploy.log").open("a") as log:
        log.write(done.stdout + done.stderr)
    if done.returncode:
        raise WinnowError(f"'prefect {' '.join(command)}' failed:\n{(done.stdout + done.stderr).strip()[-4000:]}")


def _create_pool(served: Served) -> None:
    """The work pool must exist before anything is deployed to it; the worker fills in its job template."""
    answer = httpx.post(f"{served.api_url}/work_pools/", json={"name": POOL, "type": "process"}, timeout=30)
    if answer.status_code not in (httpx.codes.CREATED, httpx.codes.CONFLICT):
        raise WinnowError(f"the server refuses the work pool {POOL!r} ({answer.status_code}): {answer.text}")


def _wait_healthy(served: Served) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and served.runs("server"):
        with suppress(httpx.HTTPError):
            if httpx.get(f"{served.api_url}/health", timeout=5).is_success:
                return
        time.sleep(0.2)
    log = serve_folder() / "server.log"
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    stop()
    raise WinnowError(f"the Prefect server did not come up within {_START_SECONDS} s; the end of {log}:\n{tail}")


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise ConfigurationError(
                f"port {port} cannot be used ({error.strerror}); choose another: WINNOW_PORT={port + 1} make serve"
            ) from error


def _marked(mark: str) -> list[psutil.Process]:
    """Every living process with that mark, this one apart (it may be a child of what it stops)."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get(_MARK) == mark:
                found.append(process)
    return found


def _tree(pid: int | None) -> list[psutil.Process]:
    """That process and all its children; empty when it is gone."""
    try:
        root = psutil.Process(pid or -1)
        return [root, *root.children(recursive=True)]
    except (psutil.Error, ValueError):
        return []


def _signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.Error):
            process.send_signal(number)
