"""How many more draws a prompt is worth: one plain function over counts for each strategy.

`sequential` is Reinforce-Ada's successive elimination (arXiv 2510.04996) with the target of DART-Math's Prop2Diff
(arXiv 2407.13690). It needs no pilot: a prompt that has shown nothing yet is the one that gets more draws, not none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tasks.sample.budget.progress import NO_DRAWS, Progress
from tasks.sample.budget.settings import BudgetSettings
from tasks.sample.randomness import generator
from tasks.select.pass_rates import pass_rate

_LEAST_STEP = 2
_HOPELESS_DRAWS, _HOPELESS_ACCEPTED = 16, 0.5
_RETIRE_DRAWS = 8
# Four draws a night and a decay of 0.8 settle at exactly 16: rounding must not let a prompt go in and out.
_ROUNDING = 1e-6
_GVM_ALPHA, _GVM_BETA = 1e-3, 2.0


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a prompt.

    Attributes:
        draws, accepted: remembered from earlier nights, faded by one night (n* and k*).
        tonight: this round's progress.
    """

    draws: float = 0.0
    accepted: float = 0.0
    tonight: Progress = NO_DRAWS

    @property
    def rate(self) -> float:
        """p̂ = (k* + 1) / (n* + 2), tonight's draws among them."""
        draws, accepted = self.draws + self.tonight.told, self.accepted + self.tonight.accepted
        return pass_rate({"draws": draws, "accepted": accepted})


def share_of_target(rate: float, target: int) -> int:
    """Correct answers wanted of a prompt with pass rate p̂: max(1, ⌈target (1 − p̂)⌉) (Prop2Diff, arXiv 2407.13690)."""
    return max(1, math.ceil(target * (1 - rate) - _ROUNDING))


def hopeless(standing: Standing) -> bool:
    """Whether 16 remembered draws or more have not made half a success: tonight such a prompt gets a few draws only."""
    return standing.draws >= _HOPELESS_DRAWS - _ROUNDING and standing.accepted < _HOPELESS_ACCEPTED


def retired(draws: float, accepted: float, settings: BudgetSettings) -> bool:
    """Whether a prompt was so easy in earlier nights that it is left out tonight.

    Args:
        draws, accepted: n* and k* as the night before left them, not faded once more: a prompt that is always right gets two
            draws a night, of which 10 are remembered; faded they are 8, whose p̂ is 0.9 and never above.
    """
    return draws >= _RETIRE_DRAWS and pass_rate({"draws": draws, "accepted": accepted}) > settings.retire_above


def reviewed(prompt_id: str, seed: int, share: float) -> bool:
    """Whether a retired prompt is drawn all the same: by lot, the same in every wave of the night that `seed` belongs to."""
    return bool(generator(seed, f"review\0{prompt_id}", 0).random() < share)


def most_draws(standing: Standing, settings: BudgetSettings) -> int:
    """The prompt's cap under `settings.strategy`."""
    if settings.strategy == "sequential" and hopeless(standing):
        return min(settings.cap, settings.hopeless_cap)
    return settings.cap


def sequential(standing: Standing, settings: BudgetSettings) -> int:
    """Distinct correct answers that a prompt lacks: there should be max(1, ⌈target (1 − p̂)⌉).

    p̂ is of remembered and tonight's counts together, so the target grows with failures and falls with successes. With
    `repeats` set, a prompt whose correct answers only say the same again lacks nothing.
    """
    tonight = standing.tonight
    if settings.repeats and tonight.accepted - tonight.distinct >= settings.repeats:
        return 0
    return max(0, share_of_target(standing.rate, settings.target) - tonight.distinct)


def prop2diff(standing: Standing, settings: BudgetSettings) -> int:
    """Correct answers that a prompt lacks: max(1, ⌈target (1 − p̂)⌉), distinct or not (DART-Math's Prop2Diff)."""
    return max(0, share_of_target(standing.rate, settings.target) - standing.tonight.accepted)


def uniform_correct(standing: Standing, settings: BudgetSettings) -> int:
    """Correct answers that a prompt lacks: `target` for every prompt (DART-Math's Uniform, arXiv 2407.13690)."""
    return max(0, settings.target - standing.tonight.accepted)


def next_draws(missing: int, standing: Standing, settings: BudgetSettings) -> int:
    """Draws of the next wave for a prompt that lacks `missing` correct answers, as many as these take on average:
    missing / p̂, but 2 at least, `step` at most, and no more than the cap leaves."""
    left = most_draws(standing, settings) - standing.tonight.draws
    if missing <= 0 or left <= 0:
        return 0
    return min(left, settings.step, max(_LEAST_STEP, math.ceil(missing / standing.rate)))


def uniform(standing: Standing, settings: BudgetSettings) -> int:
    """Draws of the next wave: what is left of `k`."""
    return max(0, min(settings.k, settings.cap) - standing.tonight.draws)


def gvm(standings: Sequence[Standing], settings: BudgetSettings, wave: int) -> list[int]:
    """GVM-RAFT (arXiv 2505.02391): a pilot of `k` draws in wave 0; in wave 1 as many again on average, in proportion to
    1 / √(p + α / p^(β − 1)) with p the pilot's pass rate, α = 0.001 and β = 2, and none where p is 0.

    This is the trap that `sequential` avoids, kept to compare with: at a true rate of 0.05 a pilot of 8 sees no success in
    66 % of the cases, and such a prompt is never looked at again. The paper's weight also has the norm of the gradient,
    which a sampler does not know: it is taken as equal for all.
    """
    if wave == 0:
        return [uniform(one, settings) for one in standings]
    if wave > 1:
        return [0] * len(standings)
    weights = [_gvm_weight(one.tonight) for one in standings]
    total, budget = sum(weights), settings.k * len(standings)
    shares = [math.floor(budget * weight / total) if total else 0 for weight in weights]
    return [min(share, settings.cap - one.tonight.draws) for share, one in zip(shares, standings, strict=True)]


def _gvm_weight(tonight: Progress) -> float:
    rate = tonight.accepted / tonight.told if tonight.told else 0.0
    return 1 / math.sqrt(rate + _GVM_ALPHA / rate ** (_GVM_BETA - 1)) if rate else 0.0


# The strategies that draw until a prompt has answers enough.
LACKING = {"sequential": sequential, "prop2diff": prop2diff, "uniform_correct": uniform_correct}


def wanted(standings: Sequence[Standing], settings: BudgetSettings, wave: int) -> list[int]:
    """How many draws each prompt should get in this wave, before the token budget is looked at."""
    if settings.strategy == "gvm":
        return gvm(standings, settings, wave)
    if settings.strategy == "uniform":
        return [uniform(one, settings) for one in standings]
    lacking = LACKING[settings.strategy]
    return [next_draws(lacking(one, settings), one, settings) for one in standings]


def capped(standing: Standing, settings: BudgetSettings) -> bool:
    """Whether a prompt lacks answers and may not be drawn any more."""
    lacking = LACKING.get(settings.strategy)
    at_cap = standing.tonight.draws >= most_draws(standing, settings)
    return lacking is not None and at_cap and lacking(standing, settings) > 0
