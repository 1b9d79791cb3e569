"""The run in progress: its store, its folder and its journal (one JSON line a task, written as it happens).

The journal is what `winnow plan` compares with, what the report's costs come from, and what shows after a crash which units
were done. It is plain append-only text, so that a killed run leaves everything but perhaps its last line.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tasks.runtime.errors import ConfigurationError, RunCancelledError
from tasks.runtime.fingerprint import canonical_digest
from tasks.runtime.home import winnow_home
from tasks.runtime.memory import PeakMemory
from tasks.runtime.store import Store
from tasks.runtime.stores import open_store

_MANY = 64  # a list in a journal's line that is longer than this is abridged
_RUN: ContextVar[Run | None] = ContextVar("winnow_run", default=None)


@dataclass
class Run:
    """One run of a flow.

    Attributes:
        name: flow and lineage (``nightly-rsf/demo``): runs of one name are compared with each other.
        planning: tasks are looked up and listed, not run.
        entries: the journal so far.
        began: when the run began (seconds since the epoch).
        memory: the largest memory of the run's processes together.
        cancelled: set when the run is cancelled while other threads work for it.
    """

    name: str
    store: Store
    planning: bool = False
    run_id: str = field(default_factory=lambda: time.strftime("%Y%m%d-%H%M%S-") + uuid.uuid4().hex[:6])
    entries: list[dict[str, Any]] = field(default_factory=list)
    began: float = field(default_factory=time.time)
    memory: PeakMemory = field(default_factory=PeakMemory, repr=False)
    cancelled: threading.Event = field(default_factory=threading.Event, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def folder(self) -> Path:
        return winnow_home() / "runs" / self.run_id

    def record(self, entry: dict[str, Any]) -> None:
        """Append a task to the journal, in memory and (unless planning) on disk."""
        with self._lock:
            self.entries.append(entry)
            if not self.planning:
                with (self.folder / "tasks.jsonl").open("a") as file:
                    file.write(json.dumps(entry, sort_keys=True) + "\n")

    @cached_property
    def earlier(self) -> dict[str, dict[str, Any]]:
        """`last_journal` of the run's name, read once: while planning, nothing is added to it."""
        return last_journal(self.name)

    def check(self) -> None:
        """Raise `RunCancelledError` once the run is cancelled."""
        if self.cancelled.is_set():
            raise RunCancelledError("the run was cancelled")

    def count(self, outcome: str) -> int:
        """How many tasks ended so. Side effects are left out: they have no result to read, and run each time."""
        return sum(entry["outcome"] == outcome and not entry.get("side_effect") for entry in self.entries)


@contextmanager
def running(run: Run) -> Iterator[Run]:
    """Make `run` the current one inside the block."""
    if not run.planning:
        run.folder.mkdir(parents=True, exist_ok=True)
        (run.folder / "run.json").write_text(json.dumps({"name": run.name, "began": run.began}))
        run.store.sweep()
        run.memory.start()
    token = _RUN.set(run)
    try:
        yield run
    finally:
        _RUN.reset(token)
        if not run.planning:
            run.memory.stop()


@contextmanager
def joined(name: str, store: str, run_id: str) -> Iterator[Run]:
    """The run in progress; in a worker's process, which has none, the run it works for, made again from these.

    Args:
        name, run_id: the run's.
        store: address of its store.
    """
    if (run := _RUN.get()) is not None:
        yield run
        return
    run = Run(name, open_store(store), run_id=run_id)
    token = _RUN.set(run)
    try:
        yield run
    finally:
        _RUN.reset(token)


def current_run() -> Run:
    """The run in progress. Raises `ConfigurationError` outside of one."""
    run = _RUN.get()
    if run is None:
        raise ConfigurationError("no run in progress: call tasks inside a Winnow flow, or their plain functions directly")
    return run


def in_progress() -> bool:
    """Whether there is a run in progress here."""
    return _RUN.get() is not None


def is_planning() -> bool:
    """Whether the run in progress, if there is one, only plans."""
    run = _RUN.get()
    return run is not None and run.planning


def abridged(parts: Any) -> Any:
    """What a key is made of, with long lists as their length and digest: a round of a million prompts has 16,000 shards."""
    if isinstance(parts, dict):
        return {name: abridged(part) for name, part in parts.items()}
    if isinstance(parts, list):
        return {"$many": [len(parts), canonical_digest(parts)]} if len(parts) > _MANY else [abridged(part) for part in parts]
    return parts


def last_journal(name: str) -> dict[str, dict[str, Any]]:
    """Task label → its entry in the most recent run of that name that got so far; empty when there is none."""
    found: dict[str, dict[str, Any]] = {}
    for folder in sorted((winnow_home() / "runs").glob("*"), key=lambda path: path.name):
        try:
            lines = (folder / "tasks.jsonl").read_text().splitlines()
            if json.loads((folder / "run.json").read_text())["name"] != name:
                continue
        except (OSError, ValueError):  # a run that was killed before it had begun
            continue
        for line in lines:
            with suppress(ValueError):  # the line a kill cut off
                entry = json.loads(line)
                found[entry["label"]] = entry
    return found
