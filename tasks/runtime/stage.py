"""Stages: heavy work in a child process of its own, forked from a server that has the libraries imported.

Why a process: its memory returns to the machine whatever a library leaks, and it can be killed. Why a server: a fork
costs milliseconds, importing torch and its friends ten seconds.

Nothing outlives the flow, however it ends. A stage leads a process group and watches its line to the flow: when the
flow closes it or dies, the stage kills the group, itself included. The server ends with the flow, and the kernel ends
the stage with the server. When the stage alone dies, the flow kills the group. What a stage starts in a group of its
own (``start_new_session``), or must not survive when flow and stage are killed in one blow, calls `die_with_parent`.
"""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
import pickle
import resource
import signal
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from tasks.runtime.errors import (
    ConfigurationError,
    ContractError,
    DiskFullError,
    PassingFaultError,
    StageKilledError,
    WinnowError,
    is_disk_full,
)
from tasks.runtime.progress import Progress, listening

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tasks.runtime.preload"])
_PR_SET_PDEATHSIG = 1
_WAKE_SECONDS = 0.2
_MEMORY_WORDS = ("can't allocate memory", "out of memory", "not enough memory", "cannot allocate memory")


@dataclass(frozen=True)
class Usage:
    """What a stage cost: seconds of wall time inside the child, and the child's largest resident size in bytes."""

    seconds: float
    peak_bytes: int


@dataclass(frozen=True)
class LogLine:
    level: int
    logger: str
    text: str


Event = Progress | LogLine


def start_server() -> None:
    """Start the stage server, without waiting for its imports: they go on beside the start of Prefect's server."""
    from multiprocessing import forkserver

    forkserver.ensure_running()


def run_stage(
    name: str,
    function: Callable[..., Any],
    *args: Any,
    on_event: Callable[[Event], None] | None = None,
    on_wait: Callable[[], None] | None = None,
    **kwargs: Any,
) -> tuple[Any, Usage]:
    """Run ``function(*args, **kwargs)`` in a fresh stage process and return its result and its cost.

    Function, arguments and result cross by pickle between our own two processes: keep them small (paths, settings,
    references). Anything that interrupts the caller (Ctrl-C, a cancelled flow) kills the stage and its children first.

    Args:
        name: for messages.
        on_event: receives the stage's progress and log lines, in order, in this thread.
        on_wait: called a few times a second meanwhile, in this thread; what it raises ends the stage.

    Raises:
        StageKilledError: a signal ended the process; the message names it.
        PassingFaultError: the function ran out of memory and said so.
        ContractError: the function, its arguments or its result cannot be pickled.
        ConfigurationError: this process may not have children.
        BaseException: whatever the function raised, with the stage's traceback as a note.
    """
    ours, theirs = _CONTEXT.Pipe()
    process = _CONTEXT.Process(target=_child, args=(theirs, function, args, kwargs), name=f"winnow-{name}")
    try:
        _start(name, process)
        theirs.close()
        return _listen(name, ours, process, on_event or (lambda event: None), on_wait or (lambda: None))
    finally:
        try:
            _end(process)
        finally:
            ours.close()


def _start(name: str, process: Any) -> None:
    try:
        process.start()
    except AssertionError as error:  # multiprocessing's way to say so; a cluster's worker may be a daemon
        raise ConfigurationError(
            f"stage {name!r} cannot start: {error}; start Dask workers with DASK_DISTRIBUTED__WORKER__DAEMON=false"
        ) from error
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise ContractError(
            f"stage {name!r} cannot be sent to its process ({error}): give it a module's function and plain arguments"
        ) from error


def _listen(
    name: str, line: Connection, process: Any, on_event: Callable[[Event], None], on_wait: Callable[[], None]
) -> tuple[Any, Usage]:
    while True:
        # In short waits: a cancellation that Prefect raises in this thread is noticed between two of them.
        while not line.poll(_WAKE_SECONDS):
            on_wait()
        try:
            data = line.recv_bytes()
        except (EOFError, OSError):  # ended between two messages, or within one
            process.join()
            raise _death(name, process.exitcode) from None
        kind, *content = _unpickled(name, data)
        if kind == "event":
            on_event(content[0])
        elif kind == "result":
            return content[0], content[1]
        else:
            error, trace = content
            error.add_note(f"in stage {name!r}:\n{trace}")
            raise error


def _unpickled(name: str, data: bytes) -> Any:
    try:
        return pickle.loads(data)  # noqa: S301  from our own child, over a pipe nobody else holds
    except Exception as error:
        raise ContractError(f"stage {name!r} returned what cannot be read back here: {error}") from error


def _death(name: str, code: int) -> WinnowError:
    if code < 0:
        signal_name = signal.Signals(-code).name
        likely = " (most often the system, when memory ran out: lower the batch size)" if code == -9 else ""
        return StageKilledError(f"stage {name!r} was killed by {signal_name}{likely}")
    return WinnowError(f"stage {name!r} ended with exit code {code} and no result; its last log lines say why")


def _end(process: Any) -> None:
    """Make sure that the stage and everything it started are gone."""
    if process.pid is None:  # it never started
        return
    process.join(timeout=0.5)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)  # the stage leads its own group
    if process.is_alive():
        process.kill()
    process.join()


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends, however it ends (Linux; elsewhere a no-op)."""
    parent = os.getppid()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent or parent == 1:
        os._exit(1)


class _Line:
    """The stage's end of the line: one message at a time, from whichever thread."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.lock = threading.Lock()
        # A forked worker must not hold the line open after the stage has died, nor mix its messages with the stage's.
        os.register_at_fork(after_in_child=self._leave)

    def _leave(self) -> None:
        self.lock = threading.Lock()
        self.connection.close()

    def send(self, *message: Any) -> None:
        data = pickle.dumps(message)
        with self.lock:
            self.connection.send_bytes(data)

    def send_event(self, event: Event) -> None:
        with suppress(OSError):  # nobody listens: in a forked worker, or the flow has just gone
            self.send("event", event)

    def watch(self) -> None:
        """Wait for the flow to close the line, and kill the stage's group then."""
        with suppress(EOFError, OSError):
            self.connection.recv_bytes()
        os.killpg(0, signal.SIGKILL)


class _LineHandler(logging.Handler):
    def __init__(self, line: _Line) -> None:
        super().__init__(logging.INFO)
        self.line = line

    def emit(self, record: logging.LogRecord) -> None:
        self.line.send_event(LogLine(record.levelno, record.name, record.getMessage()))


def _let_go_of_server() -> None:
    """Close the stage's own hold on the server: the server then ends with the flow, and the kernel ends the stage.

    For a stage whose watching thread cannot run: a library's C code may keep the interpreter to itself for minutes.
    """
    from multiprocessing import forkserver

    with suppress(AttributeError, TypeError, OSError):  # multiprocessing has no public name for it
        os.close(forkserver._forkserver._forkserver_alive_fd)  # type: ignore[attr-defined]


def _child(connection: Connection, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    os.setsid()
    die_with_parent()
    _let_go_of_server()
    os.dup2(2, 1)  # a library's prints must not land in what --json prints
    line = _Line(connection)
    threading.Thread(target=line.watch, name="winnow-watch", daemon=True).start()
    root = logging.getLogger()
    root.handlers = [_LineHandler(line)]
    root.setLevel(logging.WARNING)  # libraries tell their inner life at INFO
    logging.getLogger("winnow").setLevel(logging.INFO)
    started = time.monotonic()
    try:
        with listening(line.send_event):
            result = function(*args, **kwargs)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        _send_result(line, result, Usage(time.monotonic() - started, peak))
    except BaseException as error:
        if isinstance(error, MemoryError):
            traceback.clear_frames(error.__traceback__)  # or telling of it runs out of memory again
        line.send("error", _portable(error), traceback.format_exc())


def _send_result(line: _Line, result: Any, usage: Usage) -> None:
    try:
        line.send("result", result, usage)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise ContractError(
            f"it returned a {type(result).__qualname__} that cannot leave its process ({error}): "
            "write large things into a draft, and return paths, numbers and references"
        ) from error


def _portable(error: BaseException) -> BaseException:
    """The error in a form that reaches the flow: typed where it is one of ours or the system's, text otherwise."""
    if isinstance(error, WinnowError):
        return error
    text = str(error).lower()
    if isinstance(error, MemoryError) or any(word in text for word in _MEMORY_WORDS):
        return PassingFaultError(f"out of memory ({error}): lower the batch size")
    if is_disk_full(error):
        return DiskFullError(f"disk full: free space and run again ({error})")
    if not isinstance(error, Exception):  # a SystemExit would end the flow, quietly
        return WinnowError(f"the stage called for its own end: {type(error).__name__}({error})")
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  what was written one call ago
    except Exception:
        return WinnowError(f"{type(error).__name__}: {error}")
    return error
