"""Progress and log lines from plain functions, wherever they run.

A plain function calls `report_progress`; who listens decides where it goes: a stage process sends it to the flow, the command
line draws a bar, a notebook hears nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

SECONDS_BETWEEN = 0.5
T = TypeVar("T")


@dataclass(frozen=True)
class Progress:
    """How far a step is: `done` of `total` `unit` (total 0: not known), and a short note (speed, loss …)."""

    done: int
    total: int
    unit: str
    note: str = ""

    def __str__(self) -> str:
        of = f"/{self.total}" if self.total else ""
        return f"{self.done}{of} {self.unit}" + (f", {self.note}" if self.note else "")


Listener = Callable[[Progress], None]
_LISTENER: ContextVar[Listener | None] = ContextVar("winnow_progress", default=None)
_LAST: ContextVar[float] = ContextVar("winnow_progress_last", default=0.0)


def report_progress(done: int, total: int, unit: str, note: str = "") -> None:
    """Tell the listener, at most twice a second; the last one (`done` = `total`) always arrives."""
    listener = _LISTENER.get()
    now = time.monotonic()
    if listener is None or (done != total and now - _LAST.get() < SECONDS_BETWEEN):
        return
    _LAST.set(now)
    listener(Progress(done, total, unit, note))


def tracked(items: Iterable[T], total: int, unit: str) -> Iterator[T]:
    """`items`, reporting after each."""
    for done, item in enumerate(items, 1):
        yield item
        report_progress(done, total, unit)


@contextmanager
def listening(listener: Listener | None) -> Iterator[None]:
    """Send what is reported inside the block to `listener`."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)
