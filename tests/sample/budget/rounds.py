"""A round played without a model: a policy that is right with a known probability on each prompt."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from tasks.sample.budget.progress import Progress
from tasks.sample.budget.settings import BudgetSettings
from tasks.sample.budget.waves import Memory, plan_wave


@dataclass
class Played:
    """What came out: every wave's requests, and each prompt's progress."""

    waves: list[list[tuple[str, int, int]]] = field(default_factory=list)
    progress: dict[str, Progress] = field(default_factory=dict)
    tokens: int = 0

    @property
    def numbers(self) -> dict[str, list[int]]:
        """Prompt id → its draw numbers, in the order they were asked for."""
        made: dict[str, list[int]] = {}
        for wave in self.waves:
            for name, first, count in wave:
                made.setdefault(name, []).extend(range(first, first + count))
        return made


def play(
    rates: Mapping[str, float],
    settings: BudgetSettings,
    memory: Memory | None = None,
    *,
    ways: int = 1_000,
    longest: int = 10,
    seed: int = 0,
    lengths: tuple[int, int] = (1, 10),
) -> Played:
    """Waves until nothing is planned. `ways`: how many different right answers a prompt has."""
    luck, played = random.Random(seed), Played()
    said: dict[str, set[int]] = {}
    prompts = [{"id": name} for name in rates]
    while wave := plan_wave(
        prompts,
        played.progress,
        memory or {},
        settings,
        wave=len(played.waves),
        tokens_spent=played.tokens,
        longest=longest,
        seed=seed,
    ):
        played.waves.append(wave)
        assert len(played.waves) < 1_000
        for name, _, count in wave:
            before, right = played.progress.get(name, Progress()), sum(luck.random() < rates[name] for _ in range(count))
            said.setdefault(name, set()).update(luck.randrange(ways) for _ in range(right))
            after = Progress(before.draws + count, before.accepted + right, len(said[name]), before.untold)
            played.progress[name] = after
            played.tokens += sum(luck.randint(*lengths) for _ in range(count))
    return played
