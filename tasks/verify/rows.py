"""Sample rows → verdict rows: joined by prompt id, one verdict a sample."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice, tee
from pathlib import Path
from typing import Any

from tasks.runtime.errors import ContractError, DataError
from tasks.runtime.progress import tracked
from tasks.runtime.rows import STATES, Row, read_rows, write_rows
from tasks.validate.seen import Seen
from tasks.verify.dispatch import CHUNK_ANSWERS, verify_answers
from tasks.verify.settings import VerifySettings
from tasks.verify.verdict import Answer, verifier_versions, verifiers_of


def prompts_by_id(rows: Iterable[Row]) -> dict[str, Row]:
    """Prompt rows by their id. Raises `DataError` when two share one."""
    prompts: dict[str, Row] = {}
    for row in rows:
        if row["id"] in prompts:
            raise DataError(f"two prompts are called {row['id']!r}; give each its own id")
        prompts[row["id"]] = row
    return prompts


def verify_rows(samples: Iterable[Row], prompts: Mapping[str, Row], settings: VerifySettings) -> Iterator[Row]:
    """One verdict row for each sample row, in order, streamed; memory holds 16 bytes a sample, and one chunk.

    Args:
        samples: need ``sample_id``, ``prompt_id`` and ``text``.
        prompts: prompt id → prompt row; its ``verifier``, ``reference`` and, for some verifiers, ``messages`` are used.

    Raises:
        ContractError: a sample whose prompt is unknown, or two samples with one id.
        UnknownPluginError: a prompt's verifier does not resolve.
    """
    versions = verifier_versions(verifiers_used(prompts.values()), settings)
    for_tasks, for_rows = tee(_checked(samples, prompts))  # apart by one chunk at most
    verdicts = verify_answers((_answer(sample, prompts) for sample in for_tasks), settings)
    for sample, verdict in zip(for_rows, verdicts, strict=True):
        prompt = prompts[sample["prompt_id"]]
        yield {
            "sample_id": sample["sample_id"],
            "verifier": prompt["verifier"],
            "verifier_version": _version(prompt, versions),
            "state": verdict.state,
            "score": verdict.score,
            "reason": verdict.reason,
        }


def _answer(sample: Row, prompts: Mapping[str, Row]) -> Answer:
    prompt = prompts[sample["prompt_id"]]
    return Answer(sample["text"], prompt["verifier"], prompt["reference"], prompt.get("messages", ()))


def verifiers_used(prompts: Iterable[Row]) -> set[str]:
    """Every verifier that verifying answers to `prompts` takes. Raises `UnknownPluginError`."""
    return set().union(*(verifiers_of(row["verifier"], row["reference"]) for row in prompts))


def _version(prompt: Row, versions: Mapping[str, str]) -> str:
    """The version of a prompt's verifier; those of the verifiers it asks are part of it."""
    name = prompt["verifier"]
    parts = sorted(verifiers_of(name, prompt["reference"]) - {name})
    return "+".join([versions[name], *(f"{part}-{versions[part]}" for part in parts)])


def _checked(samples: Iterable[Row], prompts: Mapping[str, Row]) -> Iterator[Row]:
    seen, stream = Seen(), iter(samples)
    while chunk := list(islice(stream, CHUNK_ANSWERS)):
        first = seen.first([sample["sample_id"].encode("utf-8", "surrogatepass") for sample in chunk])
        for sample, new in zip(chunk, first.tolist(), strict=True):
            if sample["prompt_id"] not in prompts:
                raise ContractError(
                    f"sample {sample['sample_id']!r} answers prompt {sample['prompt_id']!r}, which is not among the "
                    "prompts; verify samples against the prompts they were drawn from"
                )
            if not new:
                raise ContractError(f"two samples are called {sample['sample_id']!r}; each draw needs an id of its own")
            yield sample


def verify_folder(
    samples: Path,
    prompts: Path,
    out: Path,
    settings: VerifySettings,
    versions: Mapping[str, str],
    total: int,
    near: tuple[int, int] | None = None,
) -> dict[str, int]:
    """Verify an artifact's sample rows into verdict shards in `out`; returns ``rows`` and one count a state.

    Args:
        versions: of every verifier that the prompts name.
        total: how many samples there are, to show progress.
        near: (first, end) of the stored prompts that the samples answer; None: they may answer any.

    Raises:
        ContractError: besides `verify_rows`: `versions` are not those of the verifiers that ran.
    """
    by_id = prompts_by_id(read_rows(prompts, span=near))
    used = verifier_versions(verifiers_used(by_id.values()), settings)
    if stale := {name: used[name] for name in used if versions.get(name) != used[name]}:
        raise ContractError(f"the verifiers here are {stale}, the task was given {dict(versions)}; pass their versions")
    states: Counter[str] = Counter()

    def counted() -> Iterator[dict[str, Any]]:
        for row in tracked(verify_rows(read_rows(samples), by_id, settings), total, "answers"):
            states[row["state"]] += 1
            yield row

    rows = write_rows(out, "verdicts", counted())
    return {"rows": rows, **{state: states[state] for state in STATES}}
