"""The largest memory that a process and everything below it held together."""

from __future__ import annotations

import threading

import psutil

SECONDS_BETWEEN = 1.0


class PeakMemory:
    """Watches the current process tree in the background; `stop` ends it, `peak_bytes` is the most seen so far.

    Shared pages count once (proportional set size), for stages are forks that share their libraries with the server; where
    the system has no such figure, resident sizes are added up.
    """

    def __init__(self) -> None:
        self.peak_bytes = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="winnow-memory", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            self.peak_bytes = max(self.peak_bytes, tree_bytes())
            if self._done.wait(SECONDS_BETWEEN):
                return


def tree_bytes() -> int:
    """Bytes that this process and its descendants hold now."""
    me = psutil.Process()
    return sum(_bytes(process) for process in [me, *me.children(recursive=True)])


def _bytes(process: psutil.Process) -> int:
    try:
        full = process.memory_full_info()
        return int(getattr(full, "pss", 0) or full.rss)
    except psutil.Error:  # ended meanwhile, or not ours to look into
        return 0
