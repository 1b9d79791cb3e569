"""One run in the sandbox, seen from outside: start it, watch it, end it."""

from __future__ import annotations

import marshal
import os
import selectors
import signal
import subprocess
import tempfile
import time
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Literal

import psutil

from tasks.verify.sandbox.inside.judge import READY
from tasks.verify.sandbox.isolation import OURS, SCRATCH, Start, open_filter, strong_start, weak_start
from tasks.verify.settings import SandboxSettings

Kind = Literal["strong", "weak"]
STATES = ("accepted", "rejected", "answer_unparsable", "reference_unparsable", "timed_out")
WATCH_SECONDS = 0.05  # between two looks at memory, processes and files
START_SECONDS = 20.0  # in which the judge inside must have begun; the program's time does not run before
_FILES = 4096  # in the scratch folder: empty ones take memory as well
_OPEN_FILES = 64
_END_SECONDS = 10.0
_LARGEST_RESULT = 16 << 10


@dataclass(frozen=True)
class Job:
    """A program and its tests.

    Attributes:
        program: Python source, untrusted.
        setup: Python source, run before the program and before the tests.
        source: the tests, with `winnow_passed` and `winnow_failed` around each assert; empty: `runs` are the tests.
        names: what the tests use of the program.
        runs: standard input and expected standard output of a run each.
    """

    program: str
    setup: str = ""
    source: str = ""
    names: tuple[str, ...] = ()
    runs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What came of a run: a verdict's state, tests passed and failed (those that were run), and why."""

    state: str
    passed: int = 0
    failed: int = 0
    reason: str = ""


def run(job: Job, settings: SandboxSettings, time_limit: float, kind: Kind) -> Outcome:
    """Run a job; every process of it is gone when this returns.

    Args:
        job: what to run.
        settings: limits on memory, processes, files and output.
        time_limit: seconds on the clock, from when the sandbox is ready.
        kind: ``strong``: isolated by bubblewrap; ``weak``: limits only.

    Returns:
        `state` is ``error`` when the sandbox did not start, and never for anything the program does.
    """
    with tempfile.TemporaryFile() as job_file, _scratch(kind) as folder:
        seccomp = open_filter() if kind == "strong" else -1
        try:
            start = (
                strong_start(settings.scratch_mb << 20, seccomp)
                if kind == "strong"
                else weak_start(Path(folder), settings.processes)
            )
            _write(job_file, job, settings, time_limit, start)
            process = subprocess.Popen(
                [*start.command, "-c", _bootstrap()],
                stdin=job_file,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(seccomp,) if seccomp >= 0 else (),
                env=start.environment,
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            return Outcome("error", reason=f"the sandbox does not start: {error}")
        finally:
            if seccomp >= 0:
                os.close(seccomp)
        watch = _Watch(process, settings, time_limit, Path(folder) if kind == "weak" else None)
        try:
            return watch.outcome()
        finally:
            _end(process, kind, start, watch.ended)


def _scratch(kind: Kind) -> AbstractContextManager[str]:
    """A folder on this machine for the weak kind; the strong kind has a file system of its own."""
    return tempfile.TemporaryDirectory(prefix="winnow-run-") if kind == "weak" else nullcontext("")


@cache
def _inside() -> bytes:
    """The modules that run inside, compiled, in the order they import each other."""
    names = [f"{__package__}.inside.{name}" for name in ("wire", "program", "judged", "judge")]
    files = [Path(__file__).parent / "inside" / f"{name.rpartition('.')[2]}.py" for name in names]
    codes = [compile(file.read_text(), file.name, "exec", dont_inherit=True) for file in files]
    return marshal.dumps(list(zip(names, codes, strict=True)))


def _bootstrap() -> str:
    return f"""
import marshal, os, sys, types
for name, code in marshal.loads(os.read(0, {len(_inside())})):
    module = sys.modules[name] = types.ModuleType(name)
    exec(code, module.__dict__)
module.main()
"""


def _write(file: BinaryIO, job: Job, settings: SandboxSettings, time_limit: float, start: Start) -> None:
    """The compiled inside, then two frames: what the judge may know when it forks, and the tests."""
    limits = {
        "RLIMIT_AS": settings.memory_mb << 20,
        "RLIMIT_CPU": int(time_limit) + 2,
        "RLIMIT_FSIZE": settings.scratch_mb << 20,
        "RLIMIT_NPROC": settings.processes + start.others,
        "RLIMIT_NOFILE": _OPEN_FILES,
        "RLIMIT_CORE": 0,
    }
    public = {
        "program": job.program,
        "setup": job.setup,
        "runs": bool(job.runs),
        "limits": limits,
        "output_bytes": settings.output_kb << 10,
        "folder": start.folder,
        "user": start.user,
    }
    tests = {"source": job.source, "names": list(job.names), "runs": [list(run) for run in job.runs]}
    file.write(_inside())
    for part in (public, tests):
        body = marshal.dumps(part)
        file.write(len(body).to_bytes(8, "big") + body)
    file.flush()
    file.seek(0)


class _Watch:
    """Reads what a run says until its judge has ended (and with it, where it is isolated, all others), or a limit is met."""

    def __init__(
        self, process: subprocess.Popen[bytes], settings: SandboxSettings, time_limit: float, folder: Path | None
    ) -> None:
        self.process, self.settings, self.time_limit, self.folder = process, settings, time_limit, folder
        self.said, self.printed, self.last = b"", 0, b""
        self.ready = self.ended = False

    def outcome(self) -> Outcome:
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        deadline, look = time.monotonic() + START_SECONDS, time.monotonic() + WATCH_SECONDS
        with selectors.DefaultSelector() as pipes:
            pipes.register(self.process.stdout, selectors.EVENT_READ)
            pipes.register(self.process.stderr, selectors.EVENT_READ)
            while self.process.stdout in (key.fileobj for key in pipes.get_map().values()):
                for key, _ in pipes.select(max(0.0, min(look, deadline) - time.monotonic())):
                    if not self._read(key.fd, key.fileobj is self.process.stdout):
                        pipes.unregister(key.fileobj)
                if not self.ready and self.said.startswith(READY):
                    self.ready, deadline = True, time.monotonic() + self.time_limit
                if self.printed > self.settings.output_kb << 10:
                    return Outcome("rejected", reason=f"over {self.settings.output_kb} kB of output")
                now = time.monotonic()
                if now >= deadline:
                    return self._late()
                if now >= look:
                    if excess := self.ready and self._excess():
                        return Outcome("rejected", reason=excess)
                    look = time.monotonic() + WATCH_SECONDS
        self.ended = True
        return self._result()

    def _read(self, descriptor: int, result: bool) -> bool:
        data = os.read(descriptor, 1 << 16)
        if result:
            self.said = (self.said + data)[:_LARGEST_RESULT]
        else:
            self.printed += len(data)
            self.last = (self.last + data)[-1000:]
        return bool(data)

    def _late(self) -> Outcome:
        if self.ready:
            return Outcome("timed_out", reason=f"took over {self.time_limit:g} s")
        return Outcome("error", reason=f"the sandbox did not start in {START_SECONDS:g} s")

    def _excess(self) -> str:
        """What the run's processes have too much of together; empty: nothing."""
        try:
            members = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return ""
        if len(members) > self.settings.processes + 2 * OURS:  # where no limit counted them
            return f"over {self.settings.processes} processes"
        limit = self.settings.memory_mb << 20
        if _total(members, "rss") > limit and _total(members, "pss") > limit:  # the first is cheap, the second exact
            return f"over {self.settings.memory_mb} MB of memory"
        with suppress(OSError):
            if members and self._files(members[-1].pid) > _FILES:
                return f"over {_FILES} files"
        return ""

    def _files(self, member: int) -> int:
        """Files in the scratch folder: what its file system counts, or a walk of a plain folder as far as the limit."""
        if self.folder is None:
            scratch = Path(f"/proc/{member}/root{SCRATCH}")
            status = os.statvfs(scratch)
            return status.f_files - status.f_ffree if scratch.is_mount() else 0
        count, folders = 0, [str(self.folder)]
        while folders and count <= _FILES:
            with os.scandir(folders.pop()) as entries:
                for entry in islice(entries, _FILES + 1):
                    count += 1
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
        return count

    def _result(self) -> Outcome:
        if not self.ready:
            last = self.last.decode("utf-8", "replace").strip().rpartition("\n")[2]
            return Outcome("error", reason=f"the sandbox does not start: {last or 'it says nothing'}")
        try:
            state, passed, failed, *reason = self.said.removeprefix(READY).decode("utf-8", "replace").splitlines()
            if state in STATES:
                return Outcome(state, int(passed), int(failed), " ".join(reason))
        except ValueError:
            pass
        # The judge wrote no result, so it was killed: by the program, which lives beside it.
        return Outcome("rejected", reason="the program ended the process that runs its tests")


def _total(members: list[psutil.Process], measure: str) -> int:
    total = 0
    for member in members:
        with suppress(psutil.Error):
            total += member.memory_info().rss if measure == "rss" else member.memory_full_info().pss
    return total


def _end(process: subprocess.Popen[bytes], kind: Kind, start: Start, ended: bool) -> None:
    """End every process of the run, and wait until they are gone."""
    if kind == "weak":
        _end_weak(process, start)
    elif not ended:
        # bwrap's child is the first process of its namespace: the system ends all others before it is gone itself, and
        # bwrap waits for it.
        with suppress(psutil.NoSuchProcess):
            for first in psutil.Process(process.pid).children():
                first.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_END_SECONDS)
    process.kill()
    process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def _end_weak(process: subprocess.Popen[bytes], start: Start) -> None:
    """Without namespaces: the group, and who else is of the run's user or has its scratch folder as home."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for _ in range(20):  # one may start another while we look
        found = False
        for other in psutil.process_iter():
            with suppress(psutil.Error):
                found |= other.status() != psutil.STATUS_ZOMBIE and _kill_if_theirs(other, start)
        if not found:
            return


def _kill_if_theirs(other: psutil.Process, start: Start) -> bool:
    theirs = start.user in other.uids() if start.user else other.environ().get("HOME") == start.folder
    if theirs:
        other.kill()
    return theirs
