"""Functions that the stage tests run in stages: a stage's function must be importable in its process."""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from tasks.runtime.errors import ContractError
from tasks.runtime.progress import report_progress
from tasks.runtime.stage import die_with_parent, run_stage

NO_GROUP_OF_OURS = "own-group"


class OddError(Exception):
    """Pickles, but cannot be read back: its constructor wants what `args` does not hold."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"odd {one} {two}")


class Unreadable:
    """Pickles, and raises on being read back."""

    def __reduce__(self) -> Any:
        return (int, ("not a number",))


def add(left: int, right: int = 0) -> int:
    return left + right


def chatter(lines: int) -> str:
    logger = logging.getLogger("winnow.tests")
    for line in range(lines):
        logger.info("line %d", line)
        report_progress(line + 1, lines, "lines", note="n")
    logger.debug("not for anybody")
    return "done"


def chatter_from_threads(threads: int, lines: int) -> str:
    several = [threading.Thread(target=chatter, args=(lines,)) for _ in range(threads)]
    for each in several:
        each.start()
    for each in several:
        each.join()
    return "x" * 1_000_000


def refuse() -> None:
    try:
        raise KeyError("inner")
    except KeyError as error:
        raise ContractError("rows are missing: run again") from error


def odd() -> None:
    raise OddError(1, 2)


def unreadable() -> Unreadable:
    return Unreadable()


def give_generator() -> Any:
    return (number for number in range(3))


def give_bytes(size: int) -> bytes:
    return b"x" * size


def die_of(number: int) -> None:
    os.kill(os.getpid(), number)


def die_while_sending() -> bytes:
    """Killed by a thread while a large message is in the pipe."""
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGKILL)).start()
    for _ in range(100_000):
        logging.getLogger("winnow").info("y" * 1_000_000)
    return b""


def leave(code: int) -> None:
    sys.exit(code)


def leave_at_once(code: int) -> None:
    os._exit(code)


def raise_memory_error() -> None:
    raise MemoryError("on purpose")


def outgrow(limit: int, how: str) -> int:
    """Really run out of memory: `limit` more bytes of address space than now, then take four times as much."""
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + limit, taken + limit))
    if how == "torch":
        import torch

        return int(torch.zeros(4 * limit, dtype=torch.uint8).sum())
    pieces = []
    while sum(map(len, pieces)) < 4 * limit:
        pieces.append(bytes(limit // 50))
    return len(pieces)


def torch_is_here() -> bool:
    return "torch" in sys.modules


def sleep_and_tell(folder: str, seconds: float, *, own_group: bool = False) -> None:
    """Start a grandchild that sleeps and a forked worker that does, tell the process ids in files, sleep."""
    prepare = die_with_parent if own_group else None
    sleeper = subprocess.Popen(["sleep", str(seconds)], start_new_session=own_group, preexec_fn=prepare)
    worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=(seconds,))
    worker.start()
    for name, pid in (("stage", os.getpid()), ("server", os.getppid()), ("sleeper", sleeper.pid), ("worker", worker.pid)):
        (Path(folder) / f"{name}.part").write_text(str(pid))
        (Path(folder) / f"{name}.part").rename(Path(folder) / name)
    time.sleep(seconds)


def start_sleepers_and_return(folder: str, die: bool) -> str:
    """Leave a sleeping grandchild and a forked worker behind, one way or the other."""
    sleeper = subprocess.Popen(["sleep", "600"])
    worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,))
    worker.start()
    (Path(folder) / "sleeper").write_text(str(sleeper.pid))
    (Path(folder) / "worker").write_text(str(worker.pid))
    if die:
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def hold_the_interpreter(folder: str, seconds: int) -> None:
    """Sleep in C without letting any other thread run, as a long kernel of a careless library does."""
    (Path(folder) / "stage").write_text(str(os.getpid()))
    ctypes.PyDLL(None).sleep(seconds)


def flow(function: str, folder: str, *arguments: str) -> None:
    """What a flow's process does, to be interrupted or killed from outside."""
    kwargs = {"own_group": NO_GROUP_OF_OURS in arguments} if function == "sleep_and_tell" else {}
    try:
        run_stage("sleepy", globals()[function], folder, 600, **kwargs)
    except KeyboardInterrupt:
        (Path(folder) / "interrupted").touch()
        sys.exit(3)


if __name__ == "__main__":
    from tests.runtime import stage_functions

    stage_functions.flow(*sys.argv[1:])
