"""How often each prompt was answered rightly, remembered over the nights and slowly forgotten.

A prompt's memory is two numbers, n draws and k accepted ones. Every night both are multiplied by `DECAY` and tonight's are
added (sequential sampling after Reinforce-Ada, arXiv 2510.04996). An answer cut by length is a draw and never an accepted one:
nothing is trained on it. Prompts that were not drawn tonight fade as well: what
a count is worth depends on how many policies ago it was made, not on whether somebody looked since. A prompt that has
faded to fewer than `FORGOTTEN` draws (23 nights after 8 draws) is new again.

Beside them stands how many draws there were since the last accepted one, which does not fade: a hopeless prompt that gets four
draws a night never has more than 20 faded ones, however long it was tried.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tasks.runtime.errors import ContractError
from tasks.runtime.rows import Row, read_rows, write_rows

DECAY = 0.8
FORGOTTEN = 0.05
# States that tell nothing about the policy: the verifier failed, or the prompt's reference did.
UNCOUNTED = frozenset({"error", "reference_unparsable"})


def pass_rate(row: Mapping[str, Any]) -> float:
    """p̂ = (k + 1) / (n + 2), the mean of a Beta(1, 1) prior after n draws with k accepted; always inside 0–1.

    A prompt of which nothing is known has 1/2: ``pass_rate({"draws": 0, "accepted": 0})``.
    """
    return (float(row["accepted"]) + 1) / (float(row["draws"]) + 2)


def row_weight(rate: float) -> float:
    """What an answer weighs in the loss: 2 (1 − p̂), between 0.25 and 2: more, the harder its prompt."""
    return min(2.0, max(0.25, 2 * (1 - rate)))


def tried_in_vain(memory: Iterable[Row]) -> dict[str, float]:
    """Prompt id → draws since its last success, of prompts whose successes, if any, are forgotten."""
    return {row["prompt_id"]: _unsolved(row) for row in memory if row["accepted"] < FORGOTTEN}


def _unsolved(row: Row) -> float:
    """A row of an earlier version, or somebody else's, has the draws that are not forgotten."""
    if "unsolved" in row:
        return float(row["unsolved"])
    return float(row["draws"]) if row["accepted"] < FORGOTTEN else 0.0


def updated(memory: Iterable[Row], samples: Iterable[Row], verdicts: Iterable[Row], decay: float = DECAY) -> list[Row]:
    """The memory after one night: to be called once a night, with the samples of all its rounds.

    Args:
        memory: rows {prompt_id, draws, accepted, unsolved} that the night before left; none on the first night.
        samples: need ``sample_id`` and ``prompt_id``, which is all that is held of them; one whose ``finish_reason`` is
            ``length`` counts as a failure.
        verdicts: one for each sample; those of other samples (quarantined ones) are ignored.
        decay: what is left of a count after one night.

    Returns:
        Rows {prompt_id, draws, accepted, unsolved}, by prompt id, in whatever order the samples and verdicts came.

    Raises:
        ContractError: a sample without a verdict, two of one id, two rows of one prompt, or counts that cannot be.
    """
    counted: dict[str, bool | None] = {}
    for verdict in verdicts:
        if verdict["sample_id"] in counted:
            raise ContractError(f"two verdicts for sample {verdict['sample_id']!r}; there must be exactly one")
        state = verdict["state"]
        counted[verdict["sample_id"]] = None if state in UNCOUNTED else state == "accepted"
    draws: Counter[str] = Counter()
    accepted: Counter[str] = Counter()
    for sample_id, prompt_id, whole in _distinct(samples):
        if sample_id not in counted:
            raise ContractError(f"sample {sample_id!r} has no verdict; verify every sample before counting")
        if (right := counted[sample_id]) is not None:
            draws[prompt_id] += 1
            accepted[prompt_id] += right and whole
    before = _checked(memory)
    rows = []
    for prompt_id in sorted({*before, *draws}):
        n, k, unsolved = before.get(prompt_id, (0.0, 0.0, 0.0))
        n, k = n * decay + draws[prompt_id], k * decay + accepted[prompt_id]
        unsolved = 0.0 if accepted[prompt_id] else unsolved + draws[prompt_id]
        if n >= FORGOTTEN:
            rows.append({"prompt_id": prompt_id, "draws": n, "accepted": k, "unsolved": unsolved})
    return rows


def update_folder(
    memory: Path | None, samples: list[Path], verdicts: list[Path], out: Path, decay: float = DECAY
) -> dict[str, int]:
    """`updated` over artifact folders: rows of kind ``pass_rates`` into `out`.

    Args:
        memory: the folder that the night before left; None on the first night.

    Returns:
        Counts: ``rows`` (prompts remembered), ``new`` and ``forgotten`` prompts.

    Raises:
        ContractError: see `updated`.
    """
    chain = itertools.chain.from_iterable
    before = list(read_rows(memory)) if memory else []
    samples_read = chain(read_rows(folder, ["sample_id", "prompt_id", "finish_reason"]) for folder in samples)
    verdicts_read = chain(read_rows(folder, ["sample_id", "state"]) for folder in verdicts)
    rows = updated(before, samples_read, verdicts_read, decay)
    known, now = {row["prompt_id"] for row in before}, {row["prompt_id"] for row in rows}
    write_rows(out, "pass_rates", rows)
    return {"rows": len(rows), "new": len(now - known), "forgotten": len(known - now)}


def _distinct(samples: Iterable[Row]) -> Iterator[tuple[str, str, bool]]:
    seen: set[str] = set()
    for sample in samples:
        if sample["sample_id"] in seen:
            raise ContractError(f"two samples are called {sample['sample_id']!r}; each draw needs an id of its own")
        seen.add(sample["sample_id"])
        yield sample["sample_id"], sample["prompt_id"], sample.get("finish_reason") != "length"


def _checked(memory: Iterable[Row]) -> dict[str, tuple[float, float, float]]:
    counts: dict[str, tuple[float, float, float]] = {}
    for row in memory:
        n, k, unsolved = float(row["draws"]), float(row["accepted"]), _unsolved(row)
        if row["prompt_id"] in counts:
            raise ContractError(f"two pass rates for prompt {row['prompt_id']!r}; there must be one row a prompt")
        if not (math.isfinite(n) and 0 <= k <= n and 0 <= unsolved < math.inf):
            raise ContractError(f"prompt {row['prompt_id']!r} has {k:g} accepted of {n:g} draws; remove its pass rate")
        counts[row["prompt_id"]] = n, k, unsolved
    return counts
