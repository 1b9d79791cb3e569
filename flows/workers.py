"""Who works on a night's shards: threads of the flow's process, or the processes of a Dask or Ray cluster.

Whoever does, the same shards come out: a shard's result depends on its inputs alone, and is kept under their key.
"""

from __future__ import annotations

import os
import secrets
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Literal, Self

from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from pydantic import BaseModel, ConfigDict, Field, model_validator

from tasks.runtime.calls import Submitted
from tasks.runtime.errors import ConfigurationError
from tasks.runtime.run import Run, current_run

if TYPE_CHECKING:
    from tasks.sample.settings import SamplingSettings

_MODULES = {"dask": ("prefect_dask", "distributed"), "ray": ("prefect_ray", "ray")}
_HERE = "127.0.0.1"
_WAKE_SECONDS = 0.2
_RAY_STORE_BYTES = 100 << 20  # references and settings are all that passes through it; Ray takes no less than 75 MB


class WorkersSettings(BaseModel):
    """Who works on the shards of sampling and verification. Nothing here changes what comes out."""

    model_config = ConfigDict(extra="forbid")

    runner: Literal["threads", "dask", "ray"] = Field(
        "threads", description="threads: of the flow's own process; dask, ray: processes of a cluster, here or elsewhere."
    )
    count: int = Field(
        1, ge=1, le=1_024, description="Shards worked on at the same time; a cluster that is started here has as many workers."
    )
    sampling: int = Field(
        0,
        ge=0,
        le=1_024,
        description="Shards sampled at the same time, at most; 0: all. With count 2, 1 keeps one device busy while the "
        "processor verifies the shard before.",
    )
    address: str = Field(
        "",
        max_length=1_024,
        description="dask, ray: a running cluster (tcp://host:8786, ray://host:10001), whose workers have this code and reach "
        "the store and Prefect's server; empty: start one here.",
    )

    @model_validator(mode="after")
    def _address_is_a_cluster(self) -> Self:
        if self.address and self.runner == "threads":
            raise ValueError("workers.address is of a cluster; choose workers.runner dask or ray, or leave it empty")
        return self


def check_workers(settings: WorkersSettings, sampling: SamplingSettings) -> None:
    """Refuse workers that cannot do this work.

    Raises:
        ConfigurationError: the runner is not installed; or each worker would launch a server of its own.
    """
    missing = [name for name in _MODULES.get(settings.runner, ()) if find_spec(name) is None]
    if missing:
        raise ConfigurationError(
            f"workers.runner {settings.runner!r} needs {' and '.join(missing)}: pip install 'winnow[{settings.runner}]', on "
            "the workers' machines too"
        )
    if settings.runner != "threads" and sampling.engine == "endpoint" and sampling.endpoint.launch:
        raise ConfigurationError(
            f"workers.runner {settings.runner!r} with sampling.endpoint.launch: every worker would start a server of its own; "
            "start the servers yourself and give sampling.endpoint.addresses, or use workers.runner threads"
        )


@contextmanager
def task_runner(settings: WorkersSettings, run: Run) -> Iterator[TaskRunner[Any]]:
    """The task runner of a run's shards, for `results_in`; a cluster that is started here ends with the block.

    Raises:
        PassingFaultError: the cluster does not start, or is not there.
    """
    with ExitStack() as stack:
        if settings.runner != "threads":
            stack.enter_context(_told_the_server())
        runner = stack.enter_context(_RUNNERS[settings.runner](settings))
        try:
            yield runner
        except BaseException:
            # Threads cannot be ended from outside: what they wait for looks at this, and the runner then waits for them.
            run.cancelled.set()
            raise


@contextmanager
def _told_the_server() -> Iterator[None]:
    """Inside the block, settings that are sent to workers name the server of this flow run, started for it or not."""
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with get_client(sync_client=True) as client:
        address = str(client.api_url)
    with temporary_settings({PREFECT_API_URL: address}):
        yield


def _threads(settings: WorkersSettings) -> TaskRunner[Any]:
    return ThreadPoolTaskRunner(max_workers=settings.count)


def _dask(settings: WorkersSettings) -> Any:
    import dask
    from prefect_dask.task_runners import DaskTaskRunner

    if settings.address:
        return DaskTaskRunner(address=settings.address)
    # A daemon may not have children, and every stage is a child of its worker. Without a dashboard there is nothing to show.
    dask.config.set({"distributed.worker.daemon": False, "distributed.scheduler.http.routes": []})
    local = {
        "n_workers": settings.count,
        "threads_per_worker": 1,
        "host": _HERE,
        "dashboard_address": None,
        "security": True,  # keys made for this cluster: on a shared machine nobody else can talk to it
        "memory_limit": 0,  # what stages take is not theirs to count
    }
    return DaskTaskRunner(cluster_kwargs=local)


def _ray(settings: WorkersSettings) -> Any:
    from prefect_ray.task_runners import RayTaskRunner

    if settings.address:
        return RayTaskRunner(address=settings.address)
    # A token made for this cluster: on a shared machine nobody else can talk to it.
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    local = {
        "num_cpus": settings.count,
        "include_dashboard": False,
        "object_store_memory": _RAY_STORE_BYTES,
        "log_to_driver": False,  # to standard output, where --json prints
        "_node_ip_address": _HERE,
    }
    return RayTaskRunner(init_kwargs=local)


_RUNNERS: dict[str, Callable[[WorkersSettings], Any]] = {"threads": _threads, "dask": _dask, "ray": _ray}


def in_pairs(
    count: int,
    first: Callable[[int], Submitted],
    second: Callable[[int, Any], Submitted],
    settings: WorkersSettings,
) -> list[tuple[Any, Any]]:
    """Two tasks for each of `count` shards, side by side as far as `settings` allows.

    The second task of a shard waits for the first; what is begun is finished before anything else is begun. After a failure
    nothing new is begun, and what is under way is waited for: it need not be done again.

    Args:
        first, second: submit a shard's tasks; `second` also takes the result of `first`.

    Returns:
        Both results of each shard, in the shards' order.

    Raises:
        Exception: what a task raised, of the first shard that failed.
    """
    at_once, sampling = (1, 1) if current_run().planning else (settings.count, settings.sampling or settings.count)
    done: SimpleQueue[tuple[int, Submitted, bool]] = SimpleQueue()
    firsts: dict[int, Any] = {}
    seconds: dict[int, Any] = {}
    failed: dict[int, Exception] = {}
    waiting: deque[int] = deque()  # shards whose first task is done
    begun = under_way = 0
    sampled = 0  # first tasks under way

    def start(shard: int, task: Submitted, is_first: bool) -> None:
        task.when_done(lambda: done.put((shard, task, is_first)))

    while True:
        while not failed and under_way < at_once and (waiting or (begun < count and sampled < sampling)):
            under_way += 1
            if waiting:
                shard = waiting.popleft()
                start(shard, second(shard, firsts[shard]), False)
            else:
                begun, sampled = begun + 1, sampled + 1
                start(begun - 1, first(begun - 1), True)
        if not under_way:
            break
        shard, task, is_first = _next(done)
        under_way, sampled = under_way - 1, sampled - is_first
        try:
            (firsts if is_first else seconds)[shard] = task.result()
        except Exception as error:
            failed[shard] = error
        else:
            if is_first:
                waiting.append(shard)
    if failed:
        raise failed[min(failed)]
    return [(firsts[shard], seconds[shard]) for shard in range(count)]


def _next(done: SimpleQueue[tuple[int, Submitted, bool]]) -> tuple[int, Submitted, bool]:
    while True:
        try:
            # In short waits: a cancellation that Prefect raises in this thread is noticed between two of them.
            return done.get(timeout=_WAKE_SECONDS)
        except Empty:
            continue
