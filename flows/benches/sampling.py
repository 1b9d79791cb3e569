"""The embedded engine against `generate`, on answers whose lengths are the same for both.

The lengths are drawn once and forced on both sides (nothing else may end an answer), for a model that may end where it likes
would end elsewhere on each. Tokens count up to each answer's end. The peer gets its best number format and batch size out of
those tried here, on one batch each; padding and finished rows are its own affair. Each side runs in a process of its own, so
that the peaks of memory are its own too.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from flows.benches.workload import Workload, workload

_PEER_ROWS = (64, 128, 256)
_OF_BATCHING = 1  # prompts that `generate_batch` gets: it is slow on CPU, and is no part of the ratio


@dataclass(frozen=True)
class Work:
    """Prompts as token ids, the answers each gets, and how many tokens each answer has.

    Attributes:
        shared: tokens that all prompts begin with.
        prompt, answer: the fewest and the most tokens of a prompt after those, and of an answer.
    """

    name: str
    prompts: int
    draws: int
    shared: int
    prompt: tuple[int, int]
    answer: tuple[int, int]

    def ids(self, vocabulary: int) -> list[list[int]]:
        """Random tokens, the same every time: no two prompts share more than `shared`."""
        chance = random.Random(f"{self.name} prompts")

        def tokens(count: int) -> list[int]:
            return [chance.randrange(1000, vocabulary) for _ in range(count)]

        common = tokens(self.shared)
        return [common + tokens(chance.randint(*self.prompt)) for _ in range(self.prompts)]

    def lengths(self) -> list[list[int]]:
        """Of the answers, for each prompt."""
        chance = random.Random(f"{self.name} answers")
        return [[chance.randint(*self.answer) for _ in range(self.draws)] for _ in range(self.prompts)]

    def tokens(self) -> int:
        """Generated in all."""
        return sum(map(sum, self.lengths()))


WORKS = [
    Work("short", 96, 8, 0, (30, 30), (2, 48)),
    Work("common_prefix", 48, 16, 400, (30, 30), (2, 32)),
    Work("mixed_length", 32, 16, 0, (300, 700), (8, 256)),
]


def bench_sampling(share: float) -> Iterator[Workload]:
    """Each workload as soon as it is done.

    `ratio`: tokens/s ours ÷ peer; `limit_share`: tokens/s ours ÷ bare forward passes of the same shapes.

    Each also has ``generate_batch`` (tokens/s), ``peer_peak_bytes``, ``peer_rows`` and ``peer_dtype``.

    Args:
        share: of each workload's prompts, for a machine that is slow or busy.
    """
    from tasks.runtime.models import embedded_model_folder

    folder = embedded_model_folder()
    for one in WORKS:
        yield _measured(replace(one, prompts=max(2, round(share * one.prompts))), folder)


def told(one: Workload) -> Workload:
    """For a person's table: the name says what else was measured."""
    peer = f"{one['peer_dtype']}, {one['peer_rows']} rows, {one['peer_peak_bytes'] / (1 << 30):.2f} GiB"
    return one | {"name": f"{one['name']} (peer: {peer}; generate_batch: {one['generate_batch']:,.1f} tokens/s)"}


def _measured(work: Work, folder: Path) -> Workload:
    from flows.benches.sampling_sides import batched_side, our_side, peer_side
    from tasks.runtime.hardware import compute_dtype
    from tasks.runtime.stage import run_stage

    dtype = compute_dtype()
    (ours, bare), our_usage = run_stage(f"{work.name}: ours", our_side, folder, work, dtype)
    rows, peer_dtype = _best(work, folder)
    theirs, peer_usage = run_stage(f"{work.name}: peer", peer_side, folder, work, peer_dtype, rows)
    few = replace(work, prompts=min(work.prompts, _OF_BATCHING))
    batched, _ = run_stage(f"{work.name}: generate_batch", batched_side, folder, few, peer_dtype)
    made = workload(
        work.name,
        ratio=theirs / ours,
        ours=work.tokens() / ours,
        peer=work.tokens() / theirs,
        unit="tokens/s",
        limit_share=bare / ours,
        peak_bytes=our_usage.peak_bytes,
    )
    return made | {
        "generate_batch": few.tokens() / batched,
        "peer_peak_bytes": peer_usage.peak_bytes,
        "peer_rows": rows,
        "peer_dtype": peer_dtype,
    }


def _best(work: Work, folder: Path) -> tuple[int, str]:
    """Rows side by side and number format with the most tokens/s for the peer, one batch each."""
    from flows.benches.sampling_sides import peer_side
    from tasks.runtime.stage import run_stage

    speeds: dict[tuple[int, str], float] = {}

    def measure(rows: int, of: str) -> None:
        batch = replace(work, prompts=min(work.prompts, max(1, rows // work.draws)))
        seconds, _ = run_stage(f"{work.name}: peer, {rows} rows", peer_side, folder, batch, of, rows)
        speeds[rows, of] = batch.tokens() / seconds

    for other in ("bfloat16", "float32"):
        measure(_PEER_ROWS[0], other)
    _, best = max(speeds, key=lambda one: speeds[one])
    for rows in _PEER_ROWS[1:]:
        if rows // work.draws <= work.prompts:
            measure(rows, best)
    return max(speeds, key=lambda one: speeds[one])
