"""Verifying in processes that can be killed: a row that hangs or crashes costs that row its verdict, and nothing else.

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
from collections.abc import Container, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from tasks.runtime.errors import PassingFaultError
from tasks.runtime.stage import die_with_parent
from tasks.verify.verdict import Answer, Verdict, plugin

CHUNK_ROWS = 64
FLUSH_SECONDS = 0.2
IDLE_SECONDS = 30.0  # a process that does not even begin for so long is replaced
REASON_CHARACTERS = 300
_FORK = multiprocessing.get_context("fork")
_IDLE, _NEW = -1, -2  # instead of a row: between rows, and before the first
_START_ATTEMPTS = 3


class Workers:
    """Processes that verify, as many as are of use; close it when done.

    Use it from a process that runs no threads of its own making (a stage, the command line): a worker is a fork.

    Args:
        time_limit: seconds one answer may take; longer is `timed_out`.
    """

    def __init__(self, time_limit: float) -> None:
        self.time_limit = time_limit
        self.most = len(os.sched_getaffinity(0))
        self.workers: list[_Worker] = []

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *raised: object) -> None:
        for worker in self.workers:
            worker.end()

    def verdicts(self, answers: Sequence[Answer]) -> list[Verdict]:
        """One verdict for each answer, in order, whatever the answers do to the processes.

        Raises:
            PassingFaultError: a process ends again and again before it begins with an answer.
            UnknownPluginError: a verifier's name does not resolve.
        """
        for name in {answer.verifier for answer in answers}:
            plugin(name)  # here, where an unknown name is an error and not a verdict
        waiting = [answers[start : start + CHUNK_ROWS] for start in range(0, len(answers), CHUNK_ROWS)]
        chunks, busy = list(enumerate(waiting))[::-1], dict[_Worker, int]()
        settled: dict[int, list[Verdict]] = {}
        while chunks or busy:
            while chunks and (idle := self._idle(busy)):
                number, chunk = chunks.pop()
                busy[idle] = number
                idle.begin(chunk)
            wait([worker.pipe for worker in busy], min(worker.patience() for worker in busy))
            for worker in [worker for worker in busy if worker.step()]:
                settled[busy.pop(worker)] = worker.verdicts
        return [verdict for number in sorted(settled) for verdict in settled[number]]

    def _idle(self, busy: Container[_Worker]) -> _Worker | None:
        """A worker with nothing to do, started when there may be one more."""
        if idle := next((worker for worker in self.workers if worker not in busy), None):
            return idle
        if len(self.workers) == self.most:
            return None
        self.workers.append(_Worker(self.time_limit))
        return self.workers[-1]


class _Worker:
    """The caller's side of one process, which is replaced when it is killed or dies."""

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

    @property
    def verdicts(self) -> list[Verdict]:
        """One verdict an answer, once `step` has said that all are there."""
        return [self.settled[index] for index in range(len(self.chunk))]

    def begin(self, chunk: Sequence[Answer]) -> None:
        """Start with the next answers."""
        self.chunk, self.settled = chunk, dict[int, Verdict]()
        self.failed_starts, self.alone = 0, False
        self._send()

    def step(self) -> bool:
        """Take what the process has sent, or replace it when it is lost or overdue; whether all verdicts are there."""
        try:
            if self.pipe.poll():
                for state, score, reason in json.loads(self.pipe.recv_bytes()):
                    self.settled[self.batch[self.received]] = Verdict(state, score, reason)
                    self.received += 1
            elif (row := self._overdue()) is not None:
                self._replace(row, Verdict("timed_out", reason=f"took over {self.time_limit:g} s"))
        except (EOFError, OSError):
            self._lost()
        if len(self.settled) == len(self.chunk):
            return True
        if self.received == len(self.batch):
            self._send()
        return False

    def _send(self) -> None:
        missing = [index for index in range(len(self.chunk)) if index not in self.settled]
        self.batch, self.received = missing[:1] if self.alone else missing, 0
        self.since.value = time.monotonic()
        texts = [(answer.response, answer.verifier, answer.reference) for answer in map(self.chunk.__getitem__, self.batch)]
        # A process that is gone already is noticed at the next step.
        with suppress(OSError):
            self.pipe.send_bytes(json.dumps(texts).encode())

    def _lost(self) -> None:
        code = self._exit_code()
        self._replace(self.row.value if code is not None else _IDLE, Verdict("error", reason=_death(code)))

    def _replace(self, row: int, verdict: Verdict) -> None:
        """A new process, after the old one was lost at `row` of the batch (or `_IDLE`, `_NEW`), which deserves `verdict`."""
        self.end()
        self._start()
        if row >= 0 or (self.alone and row == _IDLE):
            self.settled[self.batch[max(row, 0)]] = verdict
        elif row == _IDLE:
            self.alone = True  # one of the batch ended the process behind its own back: find out which
        elif (failed := self.failed_starts + 1) == _START_ATTEMPTS:
            raise PassingFaultError(f"the verifier's process ends before it begins ({verdict.reason}); run again")
        else:
            self.failed_starts = failed
        self.received = len(self.batch)  # nothing more comes of it: send what is missing

    def _exit_code(self) -> int | None:
        """How the process ended; None when it has not, and only its pipe is closed."""
        deadline = time.monotonic() + 1.0
        # Not `join(timeout)`: it waits on a pipe of the process's own, which may be closed as well, and then for ever.
        while self.process.exitcode is None and time.monotonic() < deadline:
            time.sleep(0.002)
        return self.process.exitcode

    def _limit(self) -> float:
        return self.time_limit + (IDLE_SECONDS if self.row.value < 0 else 0.0)

    def patience(self) -> float:
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
        verdict = plugin(name)(response, reference)
        if not isinstance(verdict, Verdict):
            raise TypeError(f"returned a {type(verdict).__name__}, not a Verdict")
        state, score, reason = verdict.state, float(verdict.score), verdict.reason
    except BaseException as error:  # a verifier that calls sys.exit must not end the worker either
        state, score, reason = "error", 0.0, f"{type(error).__name__}: {error}"
    # Reasons quote model text, which may hold what UTF-8 cannot say.
    return state, score, str(reason)[:REASON_CHARACTERS].encode("utf-8", "replace").decode()
