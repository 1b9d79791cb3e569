"""Verifying in a process that can be killed: a row that hangs or crashes costs that row its verdict, and nothing else.

A worker is forked, takes rows in chunks, and writes into shared memory which row it is at and since when. The caller
watches: past the time limit, or when the worker dies, that row is settled as `timed_out` or `error`, a new worker is
forked, and it goes on with the rows after. Verdicts that a killed worker had not sent yet are made again. Everything
crosses as JSON: nothing that ran a verifier over a model's text is unpickled.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Connection
from typing import Any

from tasks.runtime.errors import PassingFaultError
from tasks.runtime.plugins import load_plugin
from tasks.runtime.stage import die_with_parent
from tasks.verify.verdict import Verdict

CHUNK_ROWS = 64
FLUSH_SECONDS = 0.2
IDLE_SECONDS = 30.0  # a process that does not even begin for so long is replaced
REASON_CHARACTERS = 300
_FORK = multiprocessing.get_context("fork")
_IDLE, _NEW = -1, -2  # instead of a row: between rows, and before the first
_START_ATTEMPTS = 3


@dataclass(frozen=True)
class Task:
    """One answer to verify, by the verifier called `verifier`."""

    response: str
    verifier: str
    reference: str

    @property
    def texts(self) -> tuple[str, str, str]:
        return self.response, self.verifier, self.reference


def verify_all(tasks: Iterable[Task], time_limit: float) -> Iterator[Verdict]:
    """One verdict for each task, in order; memory holds one chunk.

    Call it from a process that runs no threads of its own making (a stage, the command line): the worker is a fork.

    Args:
        tasks: what to verify.
        time_limit: seconds one task may take; longer is `timed_out`.

    Raises:
        PassingFaultError: a worker dies again and again before it begins with a task.
        UnknownPluginError: a verifier's name does not resolve.
    """
    stream = iter(tasks)
    worker = _Worker(time_limit)
    try:
        while chunk := list(islice(stream, CHUNK_ROWS)):
            for name in {task.verifier for task in chunk}:
                load_verifier(name)  # here, where an unknown name is an error and not a verdict
            yield from worker.verdicts(chunk)
    finally:
        worker.end()


class _Worker:
    """The caller's side: one process at a time, replaced when it is killed or dies."""

    def __init__(self, time_limit: float) -> None:
        self.time_limit = time_limit
        self.row = _FORK.RawValue("q", _NEW)
        self.since = _FORK.RawValue("d", 0.0)
        self._start()

    def _start(self) -> None:
        self.row.value = _NEW
        self.pipe, theirs = _FORK.Pipe()
        self.process = _FORK.Process(target=_work, args=(theirs, self.pipe, self.row, self.since), daemon=True)
        self.process.start()
        theirs.close()

    def end(self) -> None:
        """Kill the process and wait for it."""
        self.process.kill()
        self.process.join()
        self.pipe.close()

    def verdicts(self, chunk: list[Task]) -> list[Verdict]:
        """One verdict a task, whatever the tasks do to the process."""
        settled: dict[int, Verdict] = {}
        failed_starts, alone = 0, False
        while missing := [index for index in range(len(chunk)) if index not in settled]:
            batch = missing[:1] if alone else missing
            if (lost := self._exchange(chunk, batch, settled)) is None:
                continue
            row, verdict = lost
            self.end()
            self._start()
            if row >= 0 or (alone and row == _IDLE):
                settled[batch[max(row, 0)]] = verdict
            elif row == _IDLE:
                alone = True  # one of the batch ended the process behind its own back: find out which
            elif (failed_starts := failed_starts + 1) == _START_ATTEMPTS:
                raise PassingFaultError(f"the verifier's process ends before it begins ({verdict.reason}); run again")
        return [settled[index] for index in range(len(chunk))]

    def _exchange(self, chunk: list[Task], batch: list[int], settled: dict[int, Verdict]) -> tuple[int, Verdict] | None:
        """Have the tasks at `batch` verified into `settled`.

        Returns:
            None, or, when the process is lost, where in `batch` it was (or `_IDLE`, `_NEW`) and what that deserves.
        """
        received = 0
        self.since.value = time.monotonic()
        try:
            self.pipe.send_bytes(json.dumps([chunk[index].texts for index in batch]).encode())
            while received < len(batch):
                if not self.pipe.poll(self._patience()):
                    if (row := self._overdue()) is not None:
                        return row, Verdict("timed_out", reason=f"took over {self.time_limit:g} s")
                    continue
                for state, score, reason in json.loads(self.pipe.recv_bytes()):
                    settled[batch[received]] = Verdict(state, score, reason)
                    received += 1
        except (EOFError, OSError):
            code = self._exit_code()
            return self.row.value if code is not None else _IDLE, Verdict("error", reason=_death(code))
        return None

    def _exit_code(self) -> int | None:
        """How the process ended; None when it has not, and only its pipe is closed."""
        deadline = time.monotonic() + 1.0
        # Not `join(timeout)`: it waits on a pipe of the process's own, which may be closed as well, and then for ever.
        while self.process.exitcode is None and time.monotonic() < deadline:
            time.sleep(0.002)
        return self.process.exitcode

    def _limit(self) -> float:
        return self.time_limit + (IDLE_SECONDS if self.row.value < 0 else 0.0)

    def _patience(self) -> float:
        """Seconds until the process is overdue, as it looks now."""
        left: float = self.since.value + self._limit() - time.monotonic()
        return min(max(left, 0.0) + 0.001, self.time_limit)

    def _overdue(self) -> int | None:
        """The row (below 0: none) that the process has been at for too long; None when it is in time.

        The worker writes `since` before `row`: when `row` is the same before and after `since` is read, `since` belongs
        to it or is later.
        """
        row = self.row.value
        late = time.monotonic() > self.since.value + self._limit()
        return row if late and row == self.row.value else None


def _death(code: int | None) -> str:
    if code is None:
        return "the verifier closed its process's pipe"
    if code < 0:
        return f"the verifier's process was killed by {signal.Signals(-code).name}"
    return f"the verifier ended its process (exit code {code})"


def _work(pipe: Connection, callers_end: Connection, row: Any, since: Any) -> None:
    """The worker's side: chunks in, verdicts out, until the caller is gone."""
    die_with_parent()
    callers_end.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the caller ends us
    os.dup2(2, 1)  # what a verifier prints must not mix with what a command prints
    with suppress(EOFError, OSError):
        while True:
            verdicts, flushed = [], time.monotonic()
            for index, (response, name, reference) in enumerate(json.loads(pipe.recv_bytes())):
                since.value = time.monotonic()
                row.value = index
                verdicts.append(_verdict(name, response, reference))
                if time.monotonic() - flushed > FLUSH_SECONDS:
                    row.value = _IDLE  # before sending: a row whose verdict arrived is never blamed
                    pipe.send_bytes(json.dumps(verdicts).encode())
                    verdicts, flushed = [], time.monotonic()
            row.value = _IDLE
            if verdicts:
                pipe.send_bytes(json.dumps(verdicts).encode())


def _verdict(name: str, response: str, reference: str) -> tuple[str, float, str]:
    try:
        verify: Callable[[str, str], Any] = load_verifier(name)
        verdict = verify(response, reference)
        if not isinstance(verdict, Verdict):
            raise TypeError(f"returned a {type(verdict).__name__}, not a Verdict")
        state, score, reason = verdict.state, float(verdict.score), verdict.reason
    except BaseException as error:  # a verifier that calls sys.exit must not end the worker either
        state, score, reason = "error", 0.0, f"{type(error).__name__}: {error}"
    # Reasons quote model text, which may hold what UTF-8 cannot say.
    return state, score, str(reason)[:REASON_CHARACTERS].encode("utf-8", "replace").decode()


_LOADED: dict[str, Callable[[str, str], Any]] = {}


def load_verifier(name: str) -> Callable[[str, str], Any]:
    """The verifier called `name`, looked up once a process. Raises `UnknownPluginError`."""
    if name not in _LOADED:
        _LOADED[name] = load_plugin("verifiers", name)
    return _LOADED[name]
