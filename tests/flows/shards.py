"""A round's shards, drawn with whatever workers; as a program it draws once and prints what came out.

``python -m tests.flows.shards JSON`` with the arguments of `drawn`.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from prefect import flow

from flows.draws import answer
from flows.night import Night
from flows.nightly import nightly_rsf
from flows.settings import NightSettings
from flows.workers import WorkersSettings, task_runner
from tasks.runtime.models import source_digest
from tasks.runtime.references import DatasetRef
from tasks.runtime.rows import Row, read_rows, write_rows
from tasks.runtime.run import Run, current_run, running
from tasks.runtime.store import Store
from tasks.runtime.task import results_in
from tasks.sample.requests import Answer, Request
from tasks.sample.settings import SamplingSettings
from tasks.train.task import import_base_model
from tasks.verify.verdict import verifier_versions
from tests.sample.plugins import echo

_LOGPROBS = ("logprob", "sampling_logprob")


@flow(name="shards", persist_result=False)
def drawn(store: str, model: str, workers: dict[str, Any], sampling: dict[str, Any], prompts: int = 9) -> dict[str, Any]:
    """Draw `prompts` prompts' answers: digest and log-probabilities of all rows in (prompt, draw) order, and the journal."""
    settings, run = _settings(workers, sampling), Run("test/shards", Store(store))
    with running(run), task_runner(settings.workers, run) as runner, results_in(run, runner):
        samples, verdicts = _answers(settings, model, prompts)
        return _told(run, samples, verdicts) | {"journal": run.entries}


def planned(
    store: str, model: str, workers: dict[str, Any], sampling: dict[str, Any], prompts: int = 9
) -> list[dict[str, Any]]:
    """The journal of a plan of the same."""
    run = Run("test/shards", Store(store), planning=True)
    with running(run):
        _answers(_settings(workers, sampling), model, prompts)
    return run.entries


def _settings(workers: dict[str, Any], sampling: dict[str, Any]) -> NightSettings:
    given = {name: field.default for name, field in inspect.signature(nightly_rsf.fn).parameters.items()}
    chosen = {"sampling": SamplingSettings(**sampling), "workers": WorkersSettings(**workers)}
    return NightSettings(**{**given, **chosen})


def _answers(settings: NightSettings, model: str, prompts: int) -> tuple[list[DatasetRef], list[DatasetRef]]:
    base = import_base_model(model, "tiny", source_digest(Path(model)), "float32")
    judges = verifier_versions(["number"], settings.verification)
    night = Night(settings, 1, None, None, "float32", base, base, verifiers=judges)
    asked = _prompts(current_run().store, prompts)
    about: dict[str, Any] = {"expected": prompts, "seed": 5, "round": 1, "of": "round 1"}
    return answer(night, base, asked, settings.sampling, requests=_two_of_each(current_run().store, prompts), **about)


def _two_of_each(store: Store, count: int) -> DatasetRef:
    rows = ({"prompt_id": f"p{number:03d}", "first": 0, "count": 2} for number in range(count))
    with store.draft() as draft:
        ref: DatasetRef = store.publish(draft, "requests", counts={"rows": write_rows(draft, "requests", rows)})
    return ref


def _prompts(store: Store, count: int) -> DatasetRef:
    rows = (
        {
            "id": f"p{number:03d}",
            "messages": [{"role": "user", "content": f"What is {number} + {'1 ' * (number % 5)}1?"}],
            "reference": str(number),
            "verifier": "number",
            "family": "sums",
        }
        for number in range(count)
    )
    with store.draft() as draft:
        ref: DatasetRef = store.publish(draft, "prompts", counts={"rows": write_rows(draft, "prompts", rows)})
    return ref


def _told(run: Run, samples: list[DatasetRef], verdicts: list[DatasetRef]) -> dict[str, Any]:
    rows = sorted(_rows(run, samples), key=lambda row: (row["prompt_id"], row["draw"]))
    judged = sorted(_rows(run, verdicts), key=lambda row: row["sample_id"])
    told = [{name: value for name, value in row.items() if name not in _LOGPROBS} for row in rows]
    return {
        "digest": hashlib.sha256(json.dumps([told, judged], sort_keys=True).encode()).hexdigest(),
        "logprobs": [row.get(name) for row in rows for name in _LOGPROBS],
        "draws": [[row["prompt_id"], row["draw"]] for row in rows],
        "shards": [ref.digest for ref in samples],
    }


def _rows(run: Run, refs: list[DatasetRef]) -> list[Row]:
    return [row for ref in refs for row in read_rows(run.store.open(ref))]


def slow(model: Any, requests: Iterable[Request], settings: Any, *, seed: int, dtype: str) -> Iterator[Answer]:
    """An engine that leaves a file ``marks/began-PROMPT-PARENT`` in its store, and takes a while."""
    marks = Path(model).parents[2] / "marks"
    marks.mkdir(exist_ok=True)
    for one in requests:
        (marks / f"began-{one.prompt['id']}-{os.getppid()}").touch()
        yield from echo(model, [one], settings, seed=seed, dtype=dtype)
        time.sleep(0.3)


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    from tests.flows import shards as here

    print(json.dumps(here.drawn(**json.loads(sys.argv[1]))))
