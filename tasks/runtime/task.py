"""The Winnow task: a Prefect task cached by content, retried by fault, listed by `winnow plan`.

Write one like any Prefect task::

    @winnow_task(version="1", label="select round {round}")
    def select(samples: list[DatasetRef], settings: SelectionSettings, round: int) -> DatasetRef: ...

Its cache key is sha256 over (task name, version, canonical arguments): references count by digest, settings by value. Bump
`version` by hand when the task's meaning changes.
"""

from __future__ import annotations

import copy
import inspect
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from prefect import Task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE, CachePolicy
from prefect.context import FlowRunContext, TaskRunContext
from prefect.logging import get_run_logger
from prefect.results import ResultStore
from prefect.task_runners import TaskRunner
from prefect.tasks import exponential_backoff

from tasks.runtime.calls import Body, Call, Submitted, spend
from tasks.runtime.errors import DiskFullError, PassingFaultError
from tasks.runtime.fingerprint import canonical, canonical_digest
from tasks.runtime.progress import Progress
from tasks.runtime.references import Ref
from tasks.runtime.results import ReferenceSerializer, StoreResults, cached_result
from tasks.runtime.run import Run, abridged, current_run
from tasks.runtime.stage import Event, run_stage

RETRIES = 3
_BACK_OFF_SECONDS = 2
_JITTER = 0.5


@dataclass(frozen=True)
class Pending:
    """Stands for a result that a plan does not know yet, because the task that makes it would run."""

    label: str


class ContentKey(CachePolicy):
    """Prefect's view of the one cache policy of the project; the key itself is made by `key_parts`."""

    def compute_key(
        self, task_ctx: TaskRunContext, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any
    ) -> str:
        return canonical_digest(key_parts(task_ctx.task, inputs))


def key_parts(task: Any, inputs: dict[str, Any]) -> dict[str, Any]:
    """Everything a `WinnowTask`'s cache key is made of, in canonical form. Raises `FingerprintError`."""
    return {
        "task": task.name,
        "version": task.version,
        "inputs": {
            name: canonical(value, f"{task.name}({name})") for name, value in inputs.items() if name not in task.unkeyed
        },
    }


class WinnowTask(Task[..., Any]):
    """A Prefect task that makes its key before the engine starts, and keeps the run's journal."""

    label_template: str = ""
    unkeyed: tuple[str, ...] = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run or read the task inside the current run, here and now. Raises what the task raised, or `FingerprintError`."""
        if current_run().planning:
            return self._plan(*self._called(args, kwargs))
        call, task = self._prepared(args, kwargs)
        return call.ended(task._run(*args, **kwargs))

    def submit(self, *args: Any, **kwargs: Any) -> Submitted:  # type: ignore[override]
        """Give the task to the flow's task runner. Raises `FingerprintError`; the rest comes with the result.

        The journal's line is written when the result is asked for.
        """
        if current_run().planning:
            return Submitted(None, None, self._plan(*self._called(args, kwargs)))
        call, task = self._prepared(args, kwargs)
        return Submitted(call, Task.submit(task, *args, **kwargs))

    def _called(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """The call's label and its arguments by name."""
        bound = inspect.signature(self.fn).bind(*args, **kwargs)
        bound.apply_defaults()
        inputs = dict(bound.arguments)
        return self.label_template.format_map(inputs), inputs

    def _prepared(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Call, WinnowTask]:
        run, (label, inputs) = current_run(), self._called(args, kwargs)
        # The engine would log an input without a canonical form and go on uncached; this raises.
        parts = key_parts(self, inputs)
        call = Call(run, label, parts, self.cache_policy is NO_CACHE, Body(self.fn, run))
        # Not `with_options`: that makes a plain Prefect task, which has none of our attributes.
        task = copy.copy(self)
        task.task_run_name, task.fn = label.replace("{", "(").replace("}", ")"), call.body
        return call, task

    def _run(self, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(*args, return_state=True, **kwargs)

    def _plan(self, label: str, inputs: dict[str, Any]) -> Any:
        run = current_run()
        if self.cache_policy is NO_CACHE:
            return self._listed(run, label, None, "side effect", "a side effect: runs each time, safe to repeat")
        if waiting := sorted(_pending(inputs)):
            why = "waits for " + ", ".join(waiting[:2]) + (" …" if waiting[2:] else "")
            return self._listed(run, label, None, "run", why)
        parts = key_parts(self, inputs)
        key = canonical_digest(parts)
        if (found := cached_result(run.store, key)) is not None:
            self._listed(run, label, key, "cached", "")
            return found
        before = run.earlier.get(label)
        why = _difference(before["parts"], abridged(parts)) if before else "not run before"
        return self._listed(run, label, key, "run", why)

    def _listed(self, run: Run, label: str, key: str | None, outcome: str, why: str) -> Pending:
        run.record({"label": label, "key": key, "outcome": outcome, "why": why})
        return Pending(label)


def winnow_task(
    *, version: str, label: str, unkeyed: tuple[str, ...] = (), side_effect: bool = False, retries: int = RETRIES
) -> Callable[[Callable[..., Any]], WinnowTask]:
    """Make a plain function a Winnow task.

    Args:
        version: bump it when the same inputs should give something else.
        label: the run's name in the UI and in the plan, formatted with the arguments; unique within a run.
        unkeyed: arguments that only name the run for people; the same work under two names is done once.
        side_effect: not cached (promotion, notification); must be safe to repeat.
        retries: how often a passing fault is tried again, with exponential back-off and jitter.
    """

    def wrap(function: Callable[..., Any]) -> WinnowTask:
        task = WinnowTask(
            function,
            name=function.__name__.replace("_", "-"),
            version=version,
            cache_policy=NO_CACHE if side_effect else ContentKey(),
            persist_result=not side_effect,
            result_serializer=None if side_effect else ReferenceSerializer(),
            retries=retries,
            retry_delay_seconds=exponential_backoff(_BACK_OFF_SECONDS),
            retry_jitter_factor=_JITTER,
            retry_condition_fn=_may_pass,
        )
        task.label_template, task.unkeyed = label, unkeyed
        return task

    return wrap


def _may_pass(task: Task[..., Any], task_run: Any, state: Any) -> bool:
    """Whether a failure may pass by itself: our own passing faults, and I/O errors other than a full disk."""
    try:
        state.result()
    except DiskFullError:
        return False
    except (PassingFaultError, ConnectionError, TimeoutError):
        return True
    except BaseException:
        return False
    return False


def attempt() -> int:
    """Which attempt of the current task this is: 1, then one more a retry."""
    context = TaskRunContext.get()
    return max(1, context.task_run.run_count) if context else 1


def halved(batch: int) -> int:
    """`batch` for this attempt: half as large after each fault, for the commonest fault is memory."""
    return max(1, batch >> (attempt() - 1))


def in_stage(name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """`run_stage` for tasks: log lines and progress go to the run's logger and to a progress artifact in the UI."""
    result, usage = run_stage(name, function, *args, on_event=_Relay(name), on_wait=current_run().check, **kwargs)
    spend(usage)
    return result


class _Relay:
    def __init__(self, stage: str) -> None:
        self.stage, self.logger, self.logged = stage, get_run_logger(), 0.0
        self.artifact: Any = None

    def __call__(self, event: Event) -> None:
        if not isinstance(event, Progress):
            self.logger.log(event.level, "%s: %s", self.stage, event.text)
            return
        share = 100.0 * event.done / event.total if event.total else 0.0
        told = f"{self.stage}: {event}"
        if self.artifact is None:
            self.artifact = create_progress_artifact(share, description=told)
        else:
            update_progress_artifact(self.artifact, progress=share, description=told)
        if event.done == event.total or time.monotonic() - self.logged > 5:
            self.logged = time.monotonic()
            self.logger.info("%s", told)


def results_in(run: Run, runner: TaskRunner[Any] | None = None) -> FlowRunContext:
    """The flow's context with results kept in the run's store; enter it around the flow's body.

    Args:
        runner: who works on what is submitted (`WinnowTask.submit`); None: the flow's own task runner.
    """
    context = FlowRunContext.get()
    assert context is not None, "called inside a flow"
    store = ResultStore(result_storage=StoreResults(store=run.store), serializer=ReferenceSerializer())
    return context.model_copy(update={"result_store": store, "task_runner": runner or context.task_runner})


def _pending(value: Any) -> set[str]:
    if isinstance(value, Pending):
        return {value.label}
    if isinstance(value, Ref):
        return set()
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return {label for item in value for label in _pending(item)}
    return set()


def _difference(before: dict[str, Any], now: dict[str, Any]) -> str:
    """Which parts of a key changed, as ``name: old → new``."""
    old, new = _flat(before), _flat(now)
    changed = [
        f"{name}: {old.get(name, 'nothing')} → {new.get(name, 'nothing')}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]
    return "; ".join(changed) or "its result is not in the store any more"


def _flat(data: Any, path: str = "") -> dict[str, str]:
    if isinstance(data, dict):
        if set(data) == {"$model"}:
            return _flat(data["$model"][1], path)
        if set(data) == {"$ref"}:
            return {path: f"{data['$ref'][0]} {data['$ref'][1][:8]}"}
        return {k: v for name, item in data.items() for k, v in _flat(item, f"{path}.{name}" if path else name).items()}
    if isinstance(data, list) and any(isinstance(item, dict) for item in data):
        return {k: v for index, item in enumerate(data) for k, v in _flat(item, f"{path}[{index}]").items()}
    return {path: json.dumps(data)}
