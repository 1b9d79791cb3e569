"""Stages: heavy work in a child process of its own, forked from a server that has the libraries imported.

Why a process: its memory returns to the machine whatever a library leaks, and it can be killed. Why a server: a fork costs
milliseconds, importing torch and its friends ten seconds. The chain of lifetimes is: flow → server (ends when the flow's pipe
closes) → stage (killed by the kernel when the server ends) → its own workers (killed with its process group).
"""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
import pickle
import resource
import signal
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from tasks.runtime.errors import DiskFullError, PassingFaultError, StageKilledError, WinnowError, is_disk_full
from tasks.runtime.progress import Progress, listening

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tasks.runtime.preload"])
_PR_SET_PDEATHSIG = 1
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
    """Start the stage server now, without waiting for its imports; the first stage waits for what is left."""
    from multiprocessing import forkserver

    forkserver.ensure_running()


def run_stage(
    name: str,
    function: Callable[..., Any],
    *args: Any,
    on_event: Callable[[Event], None] | None = None,
    **kwargs: Any,
) -> tuple[Any, Usage]:
    """Run ``function(*args, **kwargs)`` in a fresh stage process and return its result and its cost.

    Function, arguments and result cross by pickle between our own two processes: keep them small (paths, settings,
    references). Anything that interrupts the caller (Ctrl-C, a cancelled flow) kills the stage and its children first.

    Args:
        name: for messages.
        on_event: receives the stage's progress and log lines, in order, in this thread.

    Raises:
        StageKilledError: a signal ended the process; the message names it.
        PassingFaultError: the function ran out of memory and said so.
        BaseException: whatever the function raised, with the stage's traceback as a note.
    """
    receiver, sender = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=_child, args=(sender, function, args, kwargs), name=f"winnow-{name}")
    process.start()
    sender.close()
    try:
        return _listen(name, receiver, process, on_event or (lambda event: None))
    finally:
        _end(process)
        receiver.close()


def _listen(name: str, receiver: Connection, process: Any, on_event: Callable[[Event], None]) -> tuple[Any, Usage]:
    while True:
        try:
            kind, *content = receiver.recv()
        except EOFError:
            process.join()
            raise _death(name, process.exitcode) from None
        if kind == "event":
            on_event(content[0])
        elif kind == "result":
            return content[0], content[1]
        else:
            error, trace = content
            error.add_note(f"in stage {name!r}:\n{trace}")
            raise error


def _death(name: str, code: int) -> WinnowError:
    if code < 0:
        signal_name = signal.Signals(-code).name
        likely = " (most often the system, when memory ran out: lower the batch size)" if code == -9 else ""
        return StageKilledError(f"stage {name!r} was killed by {signal_name}{likely}")
    return WinnowError(f"stage {name!r} ended with exit code {code} and no result; its last log lines say why")


def _end(process: Any) -> None:
    """Make sure that the stage and everything it started are gone."""
    process.join(timeout=5 if process.exitcode is not None else 0.5)
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


class _PipeHandler(logging.Handler):
    def __init__(self, send: Callable[[Any], None]) -> None:
        super().__init__(logging.INFO)
        self.send = send

    def emit(self, record: logging.LogRecord) -> None:
        self.send(("event", LogLine(record.levelno, record.name, record.getMessage())))


def _child(sender: Connection, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    os.setsid()
    die_with_parent()
    root = logging.getLogger()
    root.handlers = [_PipeHandler(sender.send)]
    root.setLevel(logging.INFO)
    started = time.monotonic()
    try:
        with listening(lambda progress: sender.send(("event", progress))):
            result = function(*args, **kwargs)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        sender.send(("result", result, Usage(time.monotonic() - started, peak)))
    except BaseException as error:
        sender.send(("error", _portable(error), traceback.format_exc()))


def _portable(error: BaseException) -> BaseException:
    """The error in a form that reaches the flow: typed where it is one of ours or the system's, text otherwise."""
    text = str(error).lower()
    if isinstance(error, MemoryError) or any(word in text for word in _MEMORY_WORDS):
        return PassingFaultError(f"out of memory ({error}): lower the batch size")
    if is_disk_full(error):
        return DiskFullError(f"disk full: free space and run again ({error})")
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return WinnowError(f"{type(error).__name__}: {error}")
    return error
