"""Ways of spending tokens on the same prompts, for ``winnow bench budget``.

A draw is fixed by (seed, prompt, number), so what two arms both ask for is generated once and counted for both.

Which prompts are hard is decided by draws of their own, under another seed: judged by the draws that are compared, a prompt
would be called hard because its draws happened to fail, and what more draws then find would be no gain.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.runtime.rows import Row
from tasks.sample.budget.settings import BudgetSettings

MAX_TOKENS = 32
_PILOT = 4  # draws a prompt whose difficulty is told by
Requests = Iterable[tuple[str, int, int]]


@dataclass
class Pool:
    """Draws of some prompts, generated once, when first asked for.

    Attributes:
        prompts: by id. drawn: (prompt id, number) → (sample, verdict).
    """

    model: Path
    prompts: Mapping[str, Row]
    seed: int
    drawn: dict[tuple[str, int], tuple[Row, Row]] = field(default_factory=dict)

    def ask(self, requests: Requests) -> list[tuple[Row, Row]]:
        """Sample and verdict of every draw asked for."""
        keys = [(name, number) for name, first, count in requests for number in range(first, first + count)]
        self._draw([key for key in keys if key not in self.drawn])
        return [self.drawn[key] for key in keys]

    def _draw(self, keys: list[tuple[str, int]]) -> None:
        from tasks.runtime.hardware import compute_dtype
        from tasks.sample.requests import Request
        from tasks.sample.settings import SamplingSettings
        from tasks.sample.shards import sample_rows
        from tasks.verify.rows import verify_rows
        from tasks.verify.settings import VerifySettings

        if not keys:
            return
        numbers: dict[str, list[int]] = {}
        for name, number in keys:
            numbers.setdefault(name, []).append(number)
        # Whatever was drawn of a prompt are its first numbers, so what is missing follows without a gap.
        requests = [Request(self.prompts[name], range(min(of), max(of) + 1)) for name, of in numbers.items()]
        settings = SamplingSettings(max_tokens=MAX_TOKENS)
        about: dict[str, Any] = {"policy": "embedded", "seed": self.seed, "round": 0, "dtype": compute_dtype()}
        samples = list(sample_rows(self.model, requests, settings, {}, **about))
        verdicts = {row["sample_id"]: row for row in verify_rows(samples, self.prompts, VerifySettings())}
        for sample in samples:
            self.drawn[sample["prompt_id"], sample["draw"]] = sample, verdicts[sample["sample_id"]]


@dataclass
class Arm:
    """What one way of spending the tokens brought.

    Attributes:
        answers: every (sample, verdict). distinct: prompt id → distinct correct answers. tokens: prompt id → generated.
        waves: how often the engine was asked.
    """

    answers: list[tuple[Row, Row]]
    distinct: dict[str, int]
    tokens: dict[str, int]
    waves: int = 1

    @staticmethod
    def of(answers: list[tuple[Row, Row]], waves: int = 1) -> Arm:
        from tasks.sample.budget.progress import progress_of

        progress = progress_of([sample for sample, _ in answers], [verdict for _, verdict in answers])
        tokens: dict[str, int] = {}
        for sample, _ in answers:
            tokens[sample["prompt_id"]] = tokens.get(sample["prompt_id"], 0) + sample["token_count"]
        return Arm(answers, {name: one.distinct for name, one in progress.items()}, tokens, waves)

    def one_each(self) -> Arm:
        """The same draws with one correct answer a prompt kept."""
        return Arm(self.answers, {name: min(1, count) for name, count in self.distinct.items()}, self.tokens, self.waves)


def uniform(pool: Pool, k: int) -> Arm:
    """The first `k` draws of every prompt."""
    return Arm.of(pool.ask((name, 0, k) for name in pool.prompts))


def sequential(pool: Pool, tokens: int, settings: BudgetSettings) -> Arm:
    """Waves until nothing is planned, with `tokens` as the budget."""
    from tasks.sample.budget.progress import progress_of
    from tasks.sample.budget.waves import plan_wave

    chosen = settings.model_copy(update={"token_budget": tokens})
    answers: list[tuple[Row, Row]] = []
    for wave in range(10_000):
        requests = plan_wave(
            pool.prompts.values(),
            progress_of([sample for sample, _ in answers], [verdict for _, verdict in answers]),
            {},
            chosen,
            wave=wave,
            tokens_spent=sum(sample["token_count"] for sample, _ in answers),
            longest=MAX_TOKENS,
            seed=pool.seed,
        )
        if not requests:
            break
        answers += pool.ask(requests)
    return Arm.of(answers, wave)


def hardness(pool: Pool) -> dict[str, float]:
    """Prompt id → failure rate, from a few draws drawn towards the family's: (failures + 2 × the family's rate) / (n + 2)."""
    failed: dict[str, list[bool]] = {}
    for sample, verdict in pool.ask((name, 0, _PILOT) for name in pool.prompts):
        failed.setdefault(sample["prompt_id"], []).append(verdict["state"] != "accepted")
    families: dict[str, list[bool]] = {}
    for name, found in failed.items():
        families.setdefault(pool.prompts[name]["family"], []).extend(found)
    rate = {family: sum(found) / len(found) for family, found in families.items()}
    return {name: (sum(found) + 2 * rate[pool.prompts[name]["family"]]) / (len(found) + 2) for name, found in failed.items()}


def hardest(rates: Mapping[str, float], share: float) -> set[str]:
    """The share of the prompts with the highest failure rates."""
    return set(sorted(rates, key=lambda name: (-rates[name], name))[: round(share * len(rates))])
