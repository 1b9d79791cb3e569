"""A server of our own: started for a model, ready when it has answered, gone afterwards with all it started."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil

from tasks.runtime.errors import ConfigurationError, PassingFaultError, WinnowError
from tasks.runtime.home import winnow_home
from tasks.sample.endpoint.guard import GRACE_SECONDS

log = logging.getLogger("winnow.sample")

HOST = "127.0.0.1"
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104  what is warned of
_WAKE_SECONDS = 0.2
_TAIL_LINES = 15
_LOGS_KEPT = 20
_BY_SIGNAL = 128
_REPLY_BYTES = 1 << 20


class LaunchedServer:
    """A running server.

    Attributes:
        address: its API, up to the version.
        model: the name it knows its model by.
        log: the file of all it printed; it stays.
    """

    def __init__(self, launch: str, model_folder: Path, dtype: str, start_limit: float, model: str = "") -> None:
        """Start the server and wait until it has answered a question.

        Args:
            launch: the command, with ``{model}``, ``{port}``, ``{host}`` and ``{dtype}`` in it. No shell reads it.
            start_limit: seconds until it must have answered.
            model: the name it is told to serve the model under; empty: the folder.

        Raises:
            ConfigurationError: no such command, it ended by itself, it refuses the question, or the time is over.
            PassingFaultError: a signal ended it: most often the system, when memory ran out.
        """
        port = _free_port()
        values = {"{model}": str(model_folder), "{port}": str(port), "{host}": HOST, "{dtype}": dtype}
        self.launch, self.model, self.address = launch, model or str(model_folder), f"http://{HOST}:{port}/v1"
        self.log = _log_file(f"{model_folder.name[:40]}-{port}")
        command = [_filled(word, values) for word in shlex.split(launch)]
        if shutil.which(command[0]) is None:
            raise ConfigurationError(f"endpoint.launch: no command {command[0]!r}; install it, or give its whole path")
        with self.log.open("ab") as output:
            self._guard = subprocess.Popen(
                [sys.executable, "-P", "-m", "tasks.sample.endpoint.guard", *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            self._wait(port, start_limit)
        except BaseException:
            self.stop()
            raise

    def ended(self, within: float = 0.0) -> WinnowError | None:
        """Why the server does not run any more, with the end of its log; None while it runs, `within` seconds from now."""
        try:
            code = self._guard.wait(within)
        except subprocess.TimeoutExpired:
            return None
        how = f"was ended by signal {code - _BY_SIGNAL}" if code > _BY_SIGNAL else f"ended with exit code {code}"
        text = f"the server {self.launch!r} {how}; the end of {self.log}:\n{self._tail()}"
        return PassingFaultError(text) if code > _BY_SIGNAL or code < 0 else ConfigurationError(text)

    def stop(self) -> None:
        """End the server and all it started; returns when they are gone, and the memory is free."""
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._guard.wait(GRACE_SECONDS + 5)
        # Nothing is there any more, unless somebody killed the guard.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._guard.pid, signal.SIGKILL)
        self._guard.wait()

    def _wait(self, port: int, start_limit: float) -> None:
        deadline, said = time.monotonic() + start_limit, "nothing"
        while (left := deadline - time.monotonic()) > 0:
            if error := self.ended():
                raise error
            if _listens(port):
                said = self._asked(left)
                if not said:
                    self._warn_if_open(port)
                    return
            time.sleep(_WAKE_SECONDS)
        raise ConfigurationError(
            f"the server {self.launch!r} did not answer within {start_limit:g} s (it said: {said}); raise "
            f"endpoint.start_limit or correct the command; the end of {self.log}:\n{self._tail()}"
        )

    def _warn_if_open(self, port: int) -> None:
        """Say so where other machines reach the server, which asks for no key."""
        with suppress(psutil.Error):
            for process in psutil.Process(self._guard.pid).children(recursive=True):
                for one in process.net_connections("tcp"):
                    if one.status == psutil.CONN_LISTEN and one.laddr.port == port and one.laddr.ip in _EVERYWHERE:
                        log.warning("server %r listens to all the network; put {host} into endpoint.launch", self.launch)
                        return

    def _asked(self, left: float) -> str:
        """Empty when the server answers a question; else what it says instead. A list of models proves nothing."""
        question = {"model": self.model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}
        deadline, data = time.monotonic() + left, b""
        try:
            # No proxy of the environment stands between this machine and itself.
            about: dict[str, Any] = {"json": question, "timeout": left, "trust_env": False}
            with httpx.stream("POST", f"{self.address}/chat/completions", **about) as reply:
                for part in reply.iter_raw():
                    data += part
                    if len(data) > _REPLY_BYTES or time.monotonic() > deadline:
                        return f"status {reply.status_code}, and a reply without end"
        except httpx.TransportError as error:
            return f"{type(error).__name__} {error}".strip()
        if reply.is_success:
            return ""
        said = f"status {reply.status_code}: {data.decode(errors='replace')[:300]!r}"
        if reply.is_client_error and reply.status_code not in (408, 425, 429):
            raise ConfigurationError(f"the server {self.launch!r} refuses to answer a first question ({said})")
        return said

    def _tail(self) -> str:
        with self.log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 8192))
            lines = file.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-_TAIL_LINES:]) or "(it printed nothing)"


def _listens(port: int) -> bool:
    """Whether somebody takes connections there. This one is closed again: a server may take one after the other."""
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def _filled(word: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        word = word.replace(name, value)
    return word


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _log_file(name: str) -> Path:
    """A new file among the logs of servers, of which the latest are kept."""
    folder = winnow_home() / "servers"
    folder.mkdir(parents=True, exist_ok=True)
    for old in sorted(folder.glob("*.log"))[:-_LOGS_KEPT]:
        old.unlink(missing_ok=True)
    return folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{name}.log"
