"""Sample rows → verdict rows: joined by prompt id, one verdict a sample."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import tee
from pathlib import Path
from typing import Any

from tasks.runtime.errors import ContractError, DataError
from tasks.runtime.progress import tracked
from tasks.runtime.rows import STATES, Row, read_rows, write_rows
from tasks.verify.verdict import verifier_versions
from tasks.verify.workers import Task, verify_all


def prompts_by_id(rows: Iterable[Row]) -> dict[str, Row]:
    """Prompt rows by their id. Raises `DataError` when two share one."""
    prompts: dict[str, Row] = {}
    for row in rows:
        if row["id"] in prompts:
            raise DataError(f"two prompts are called {row['id']!r}; give each its own id")
        prompts[row["id"]] = row
    return prompts


def verify_rows(samples: Iterable[Row], prompts: Mapping[str, Row], time_limit: float) -> Iterator[Row]:
    """One verdict row for each sample row, in order, streamed.

    Args:
        samples: need ``sample_id``, ``prompt_id`` and ``text``.
        prompts: prompt id → prompt row; its ``verifier`` and ``reference`` are used.
        time_limit: seconds one answer may take.

    Raises:
        ContractError: a sample whose prompt is unknown, or two samples with one id.
        UnknownPluginError: a prompt's verifier does not resolve.
    """
    versions = verifier_versions(row["verifier"] for row in prompts.values())
    for_tasks, for_rows = tee(_checked(samples, prompts))  # apart by one chunk at most
    verdicts = verify_all((_task(sample, prompts) for sample in for_tasks), time_limit)
    for sample, verdict in zip(for_rows, verdicts, strict=True):
        name = prompts[sample["prompt_id"]]["verifier"]
        yield {
            "sample_id": sample["sample_id"],
            "verifier": name,
            "verifier_version": versions[name],
            "state": verdict.state,
            "score": verdict.score,
            "reason": verdict.reason,
        }


def _task(sample: Row, prompts: Mapping[str, Row]) -> Task:
    prompt = prompts[sample["prompt_id"]]
    return Task(sample["text"], prompt["verifier"], prompt["reference"])


def _checked(samples: Iterable[Row], prompts: Mapping[str, Row]) -> Iterator[Row]:
    seen: set[str] = set()
    for sample in samples:
        if sample["prompt_id"] not in prompts:
            raise ContractError(
                f"sample {sample['sample_id']!r} answers prompt {sample['prompt_id']!r}, which is not among the "
                "prompts; verify samples against the prompts they were drawn from"
            )
        if sample["sample_id"] in seen:
            raise ContractError(f"two samples are called {sample['sample_id']!r}; each draw needs an id of its own")
        seen.add(sample["sample_id"])
        yield sample


def verify_folder(
    samples: Path, prompts: Path, out: Path, time_limit: float, versions: Mapping[str, str], total: int
) -> dict[str, int]:
    """Verify an artifact's sample rows into verdict shards in `out`; returns ``rows`` and one count a state.

    Raises:
        ContractError: besides `verify_rows`: `versions` are not those of the verifiers that ran.
    """
    by_id = prompts_by_id(read_rows(prompts))
    used = verifier_versions(row["verifier"] for row in by_id.values())
    if stale := {name: used[name] for name in used if versions.get(name) != used[name]}:
        raise ContractError(f"the verifiers here are {stale}, the task was given {dict(versions)}; pass their versions")
    states: Counter[str] = Counter()

    def counted() -> Iterator[dict[str, Any]]:
        for row in tracked(verify_rows(read_rows(samples), by_id, time_limit), total, "answers"):
            states[row["state"]] += 1
            yield row

    rows = write_rows(out, "verdicts", counted())
    return {"rows": rows, **{state: states[state] for state in STATES}}
