"""One call of a task: where it is worked on, what its stages cost, and its line in the run's journal.

A task runs in the flow's own thread, in another thread, or in a worker's process on any machine (Prefect's task runners). Its
key is made before, and its journal line written after, in the flow's process; what lies between travels in `Body`.
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.states import Completed

from tasks.runtime.errors import PassingFaultError
from tasks.runtime.fingerprint import canonical_digest
from tasks.runtime.run import Run, abridged, in_progress, joined
from tasks.runtime.stage import Usage

_SPENT: ContextVar[list[Usage] | None] = ContextVar("winnow_spent", default=None)


def spend(usage: Usage) -> None:
    """Note what a stage cost, on the account of the task that it belongs to."""
    if (account := _SPENT.get()) is not None:
        account.append(usage)


class Body:
    """A task's function for one call. In a worker's process, a copy of it: the run is made again there from its address.

    Attributes:
        spent: what its stages cost so far, failed attempts included.
    """

    def __init__(self, function: Callable[..., Any], run: Run) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.run = {"name": run.name, "store": run.store.address, "run_id": run.run_id}
        self.spent: list[Usage] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        here = in_progress()
        with joined(**self.run), _billed(self.spent):
            result = self.function(*args, **kwargs)
        # From another process only the task run's state comes back, and its message is the one place in it for this.
        return result if here else Completed(data=result, message=json.dumps([vars(usage) for usage in self.spent]))


@contextmanager
def _billed(account: list[Usage]) -> Iterator[None]:
    token = _SPENT.set(account)
    try:
        yield
    finally:
        _SPENT.reset(token)


@dataclass
class Call:
    """A call that has its key.

    Attributes:
        parts: what the key is made of. side_effect: it is never cached.
        body: stands for the task's function.
    """

    run: Run
    label: str
    parts: dict[str, Any]
    side_effect: bool
    body: Body
    began: float = field(default_factory=time.monotonic)

    def ended(self, state: State[Any]) -> Any:
        """Write the journal's line, and return the task's result or raise what it raised."""
        cached = state.name == "Cached"
        self._record("cached" if cached else "run" if state.is_completed() else "failed", self.body.spent or _told(state))
        return state.result()

    def lost(self, error: Exception) -> PassingFaultError:
        """The same for a call whose worker is gone, after all that its runner did to have it back."""
        self._record("failed", self.body.spent)
        return PassingFaultError(f"{self.label}: its worker was lost ({error}); run again: what is finished is read")

    def _record(self, outcome: str, spent: list[Usage]) -> None:
        self.run.record(
            {
                "label": self.label,
                "key": canonical_digest(self.parts),
                "parts": abridged(self.parts),
                "outcome": outcome,
                "side_effect": self.side_effect,
                "seconds": time.monotonic() - self.began,
                "compute": sum(usage.seconds for usage in spent),
                "peak_bytes": max((usage.peak_bytes for usage in spent), default=0),
            }
        )


def _told(state: State[Any]) -> list[Usage]:
    """What a worker's process says it spent; nothing for a result that was read, or a task that failed there."""
    try:
        return [Usage(**usage) for usage in json.loads(state.message or "")] if state.is_completed() else []
    except (ValueError, TypeError):
        return []


class Submitted:
    """A task that was given to the flow's task runner; or, in a plan, what takes its result's place."""

    def __init__(self, call: Call | None, future: PrefectFuture[Any] | None, planned: Any = None) -> None:
        self._call, self._future, self._planned = call, future, planned

    def when_done(self, callback: Callable[[], None]) -> None:
        """Call `callback` once the task has ended, in any thread; at once if it has."""
        if self._future is None:
            callback()
        else:
            self._future.add_done_callback(lambda _: callback())

    def result(self) -> Any:
        """Wait, write the journal's line, and return the result. Once only.

        Raises:
            PassingFaultError: the worker was lost.
            Exception: what the task raised.
        """
        if self._call is None or self._future is None:
            return self._planned
        try:
            self._future.result(raise_on_failure=False)
        except Exception as error:  # the runner's own, of whatever library: a task's failure is in its state
            raise self._call.lost(error) from error
        return self._call.ended(self._future.state)
