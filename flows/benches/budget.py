"""What the sampling budget is worth: answers to train on from equal numbers of generated tokens.

The embedded model writes sentences that must hold one to four given words. Three arms draw from it: eight answers to every
prompt with the best one kept (`best_of_k`), the same eight with every distinct correct one kept (`uniform`), and
`sequential`, which may generate as many tokens as those eight took.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flows.benches.budget_arms import Arm, Pool, hardest, hardness, sequential, uniform
from flows.benches.sentences import sentences
from flows.benches.workload import Workload, workload
from tasks.runtime.rows import Row
from tasks.sample.budget.settings import BudgetSettings

if TYPE_CHECKING:
    from flows.benches.budget_training import Lesson

K = 8
_RESAMPLES = 2_000


@dataclass(frozen=True)
class Trial:
    """One seed's prompts by id, its arms, which prompts are hard, and what was asked."""

    prompts: dict[str, Row]
    best_of_k: Arm
    uniform: Arm
    sequential: Arm
    half: set[str]
    quartile: set[str]
    asked: set[str]


def trial(model: Path, seed: int, prompts: int, settings: BudgetSettings) -> Trial:
    """Fresh prompts, drawn by every arm; the sequential one gets as many tokens as the uniform one took."""
    from tasks.sample.randomness import derive_seed

    asked: set[str] = set()
    rows = {row["id"]: row for row in sentences(seed, prompts, asked)}
    rates = hardness(Pool(model, rows, derive_seed(seed, "hardness")))
    pool = Pool(model, rows, seed)
    every = uniform(pool, K)
    waves = sequential(pool, sum(every.tokens.values()), settings)
    return Trial(rows, every.one_each(), every, waves, hardest(rates, 0.5), hardest(rates, 0.25), asked)


def per_thousand(arm: Arm, among: Iterable[str] | None = None) -> float:
    """Distinct correct answers for every 1,000 tokens the arm generated; only those to the prompts `among`, if given."""
    names = arm.distinct if among is None else among
    return 1000 * sum(arm.distinct.get(name, 0) for name in names) / sum(arm.tokens.values())


def covered(arm: Arm, among: set[str]) -> float:
    """The share of these prompts with a correct answer."""
    return sum(arm.distinct.get(name, 0) > 0 for name in among) / len(among)


def interval(trials: list[Trial], hard: bool) -> tuple[float, float]:
    """95 % bootstrap interval of sequential ÷ uniform, distinct correct answers per token, prompts drawn anew in each seed.

    Args:
        hard: answers to the hard half only (the tokens are those of all prompts).
    """
    import numpy as np

    luck = np.random.default_rng(0)
    sums_of = np.zeros((4, _RESAMPLES))
    for one in trials:
        names = sorted(one.uniform.tokens)
        counts = np.array(
            [
                [arm.distinct.get(name, 0) * (not hard or name in one.half) for name in names]
                if what == "distinct"
                else [arm.tokens.get(name, 0) for name in names]
                for what in ("distinct", "tokens")
                for arm in (one.sequential, one.uniform)
            ]
        )
        sums_of += counts[:, luck.integers(0, len(names), (_RESAMPLES, len(names)))].sum(-1)
    ours, theirs = sums_of[0] / sums_of[2], sums_of[1] / sums_of[3]
    low, high = np.quantile(ours / np.maximum(theirs, 1e-9), (0.025, 0.975))
    return float(low), float(high)


def bench_budget(prompts: int, seeds: int, repeats: int, items: int) -> list[Workload]:
    """`ours`: sequential, `peer`: as each line says; `ratio`: ours ÷ peer, at equal generated tokens.

    Args:
        prompts: sentences asked for, for each seed. seeds: how many times, with other prompts and other draws.
        repeats: see `BudgetSettings`.
        items: also train on each arm's answers, and ask this many fresh questions for each seed; 0: do not train.
    """
    import tempfile

    from flows.benches.budget_training import ARMS, lesson
    from tasks.runtime.home import winnow_home
    from tasks.runtime.memory import PeakMemory
    from tasks.runtime.models import embedded_model_folder

    peak = PeakMemory()
    peak.start()
    winnow_home().mkdir(parents=True, exist_ok=True)
    base, lessons = embedded_model_folder(), []
    trials = [trial(base, seed, prompts, BudgetSettings(repeats=repeats)) for seed in range(1, seeds + 1)]
    with tempfile.TemporaryDirectory(prefix="bench-", dir=winnow_home()) as home:
        for seed, one in enumerate(trials if items else [], 1):
            arms = {name: getattr(one, name) for name in ARMS}
            lessons.append(lesson(base, Path(home), seed, arms, one.prompts, items, one.asked))
    peak.stop()
    return [*figures(trials, peak.peak_bytes), *(training_figures(lessons, peak.peak_bytes) if lessons else [])]


def figures(trials: list[Trial], peak_bytes: int) -> list[Workload]:
    """The lines of the bench; `limit_share` is the share of the uniform arm's tokens that the sequential arm took."""
    took = sum(sum(one.sequential.tokens.values()) for one in trials) / sum(sum(one.uniform.tokens.values()) for one in trials)
    distinct = "distinct correct answers"
    made = []
    for hard, told in ((True, f"{distinct} to the hard half, against uniform"), (False, f"{distinct}, against uniform")):
        low, high = interval(trials, hard)
        about = {"low": low, "high": high}
        made.append(_rates(trials, told, "uniform", "half" if hard else None) | about)
    made.append(_rates(trials, f"{distinct}, against best of {K}", "best_of_k", None))
    for part, told in (("half", "hard half"), ("quartile", "hardest quartile")):
        ours, theirs = (
            [100 * covered(getattr(one, arm), getattr(one, part)) for one in trials] for arm in ("sequential", "uniform")
        )
        made.append(_line(f"{told} covered, against uniform", "% of prompts", ours, theirs))
    return [line | {"limit_share": took, "peak_bytes": peak_bytes} for line in made]


def _rates(trials: list[Trial], name: str, peer: str, part: str | None) -> Workload:
    """Distinct correct answers per 1,000 tokens, sequential against `peer`; `part`: to these prompts only."""
    ours, theirs = (
        [per_thousand(getattr(one, arm), getattr(one, part) if part else None) for one in trials]
        for arm in ("sequential", peer)
    )
    return _line(name, "per 1,000 tokens", ours, theirs)


def _line(name: str, unit: str, ours: list[float], peer: list[float]) -> Workload:
    mine, theirs = sum(ours) / len(ours), sum(peer) / len(peer)
    ratio = mine / theirs if theirs else 0.0
    made = workload(name, ratio=ratio, ours=mine, peer=theirs, unit=unit, limit_share=None, peak_bytes=0)
    return made | {"seeds": [{"ours": one, "peer": other} for one, other in zip(ours, peer, strict=True)]}


def training_figures(lessons: list[Lesson], peak_bytes: int) -> list[Workload]:
    """Accuracy on fresh questions after training on each arm's answers; `limit_share`: none."""
    from flows.benches.budget_training import accuracy, gain

    made = []
    for way, told in (("epochs", "equal generated tokens"), ("steps", "equal training steps")):
        for peer in ("uniform", "best_of_k"):
            mean, low, high = gain(lessons, way, peer)
            ours, theirs = (100 * accuracy(lessons, arm, way) for arm in ("sequential", peer))
            line = workload(
                f"accuracy, {told}, against {peer}: {100 * mean:+.1f} points, 95 % {100 * low:+.1f} – {100 * high:+.1f}",
                ratio=ours / theirs if theirs else 0.0,
                ours=ours,
                peer=theirs,
                unit="% of items",
                limit_share=None,
                peak_bytes=peak_bytes,
            )
            made.append(line | {"low": 100 * low, "high": 100 * high, "rows": [one.rows for one in lessons]})
    return made
