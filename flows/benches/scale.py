"""A round over very many prompts: planned, drawn, verified, counted and journaled, in memory that does not grow with them.

The engine answers at once, so what is measured is everything else: reading, writing, tasks and their journal. As a program it
makes one round in the ``WINNOW_HOME`` it is given and prints its figures::

    python -m flows.benches.scale 100000
"""

from __future__ import annotations

import json as jsonlib
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.benches.overhead import CALLERS_OWN
from flows.benches.workload import Workload, workload
from tasks.runtime.rows import Row, write_rows
from tasks.sample.requests import Answer, Request

if TYPE_CHECKING:
    from flows.night import Night
    from flows.settings import NightSettings
    from tasks.runtime.references import DatasetRef
    from tasks.runtime.store import Store

SHARD_PROMPTS = 10_000
_ALLOWED_BYTES = 2 << 30


def at_once(_model: Path, requests: Iterable[Request], _settings: Any, **_about: Any) -> Iterator[Answer]:
    """An engine without a model: three answers in four are right."""
    for number, one in enumerate(requests):
        for draw in one.draws:
            said = one.prompt["reference"] if (number + draw) % 4 else "-1"
            yield Answer(one.prompt["id"], draw, f"It is {said}.", 6, -1.0, "stop")


def bench_scale(prompts: int) -> list[Workload]:
    """A tenth of `prompts` and all of them, each in a home of its own; the peaks are to be alike.

    `ours`: rows/s of the whole round, one draw a prompt. `peer`: rows/s of reading its requests, samples and verdicts, and
    writing them again, with pyarrow alone. `limit_share`: of 2 GiB. Also ``seconds``, ``shards``, ``journal_bytes``, and
    ``plan_seconds`` for a plan of the finished round.

    Raises:
        WinnowError: a round failed; its own messages are on standard error.
    """
    return [_measured(count) for count in dict.fromkeys((max(1, prompts // 10), prompts))]


def _measured(prompts: int) -> Workload:
    from tasks.runtime.errors import WinnowError
    from tasks.runtime.home import winnow_home

    winnow_home().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=winnow_home()) as home:
        environment = {name: value for name, value in os.environ.items() if name not in CALLERS_OWN} | {"WINNOW_HOME": home}
        command = [sys.executable, "-m", "flows.benches.scale", str(prompts)]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise WinnowError(f"the measured round ended with exit code {done.returncode}; what is wrong stands above")
        found: dict[str, Any] = jsonlib.loads(done.stdout.splitlines()[-1])
        rewritten = _rewrite(Path(home) / "store", Path(home) / "peer")
    ours, peer = prompts / found["seconds"], prompts / rewritten
    made = workload(
        f"{prompts:,} prompts",
        ratio=ours / peer,
        ours=ours,
        peer=peer,
        unit="rows/s",
        limit_share=found["peak_bytes"] / _ALLOWED_BYTES,
        peak_bytes=found["peak_bytes"],
    )
    return made | found


def _rewrite(store: Path, out: Path) -> float:
    """Seconds that pyarrow takes to read a round's rows and to write them again, file by file."""
    import pyarrow.parquet as pq

    out.mkdir()
    started = time.monotonic()
    for kind in ("requests", "samples", "verdicts"):
        for number, path in enumerate(sorted((store / "objects" / kind).rglob("rows-*.parquet"))):
            with (
                pq.ParquetFile(path) as file,
                pq.ParquetWriter(out / f"{kind}-{number}", file.schema_arrow, compression="zstd") as writer,
            ):
                for batch in file.iter_batches():
                    writer.write_batch(batch)
    return time.monotonic() - started


def _round(prompts: int) -> dict[str, Any]:
    """Figures of one round."""
    from flows.draws import draw_in_waves
    from flows.workers import WorkersSettings
    from tasks.runtime.hardware import usable_cores
    from tasks.runtime.run import Run, running
    from tasks.runtime.stage import start_server
    from tasks.runtime.stores import open_store

    start_server()
    settings = _settings(WorkersSettings(count=usable_cores()))
    run = Run("bench/scale", open_store())
    asked = _published(run.store, "prompts", _questions(prompts))
    seconds, (samples, verdicts) = _flow()(run, settings, asked)
    _check(samples, verdicts, prompts)
    planned = Run("bench/scale", run.store, planning=True)
    started = time.monotonic()
    with running(planned):
        draw_in_waves(_night(run.store, settings, asked), 1)
    return {
        "seconds": seconds,
        "shards": len(samples),
        "journal_bytes": (run.folder / "tasks.jsonl").stat().st_size,
        "plan_seconds": time.monotonic() - started,
        "peak_bytes": run.memory.peak_bytes,
    }


def _flow() -> Any:
    """The flow of one round; made here, for importing Prefect takes a while."""
    from prefect import flow

    from flows.draws import draw_in_waves
    from flows.workers import task_runner
    from tasks.runtime.run import Run, running
    from tasks.runtime.task import results_in

    @flow(name="bench-scale", persist_result=False, validate_parameters=False)
    def bench(run: Run, settings: NightSettings, asked: DatasetRef) -> tuple[float, Any]:
        with running(run), task_runner(settings.workers, run) as runner, results_in(run, runner):
            started = time.monotonic()
            drawn = draw_in_waves(_night(run.store, settings, asked), 1)
            return time.monotonic() - started, drawn

    return bench


def _settings(workers: Any) -> NightSettings:
    import inspect

    from flows.nightly import nightly_rsf
    from flows.settings import NightSettings
    from tasks.sample.budget.settings import BudgetSettings
    from tasks.sample.settings import SamplingSettings

    given = {name: field.default for name, field in inspect.signature(nightly_rsf.fn).parameters.items()}
    sampling = SamplingSettings(engine="flows.benches.scale:at_once", max_tokens=8, shard_prompts=SHARD_PROMPTS)
    budget = BudgetSettings(strategy="uniform", k=1)
    return NightSettings(**{**given, "sampling": sampling, "budget": budget, "workers": workers})


def _night(store: Store, settings: NightSettings, asked: DatasetRef) -> Night:
    from flows.night import Night
    from tasks.verify.verdict import verifier_versions

    with store.draft() as draft:
        (draft / "no-weights").touch()
        model = store.publish(draft, "model")
    judges = verifier_versions(["number"], settings.verification)
    return Night(settings, 1, None, None, "float32", model, model, prompts=[asked], verifiers=judges)


def _published(store: Store, kind: str, rows: Iterable[Row]) -> DatasetRef:
    with store.draft() as draft:
        ref: DatasetRef = store.publish(draft, kind, counts={"rows": write_rows(draft, kind, rows)})
    return ref


def _questions(count: int) -> Iterator[Row]:
    for number in range(count):
        question = f"A shelf holds {number} books and gets {number % 97} more. How many books does it hold then?"
        yield {
            "id": f"shelf-{number:07d}",
            "messages": [{"role": "user", "content": question}],
            "reference": str(number + number % 97),
            "verifier": "number",
            "family": "sums",
        }


def _check(samples: list[DatasetRef], verdicts: list[DatasetRef], prompts: int) -> None:
    drawn, right = sum(ref.rows for ref in samples), sum(ref.counts["accepted"] for ref in verdicts)
    assert drawn == prompts, f"{drawn} draws of {prompts}"
    assert right == prompts - sum(-(-ref.rows // 4) for ref in samples), f"{right} accepted"


if __name__ == "__main__":
    from tasks.runtime.home import configure_environment

    configure_environment()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    print(jsonlib.dumps(_round(int(sys.argv[1]))))
