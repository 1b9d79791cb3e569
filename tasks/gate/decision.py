"""The two gates as plain functions: is the candidate better than the champion, is it no worse than the lineage head."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from tasks.gate.pairing import Pairs, ScoreRows, pair, shown
from tasks.gate.statistics import mcnemar, spent_alpha, wilson
from tasks.runtime.errors import ConfigurationError


class GateDecision(BaseModel):
    """What the serving gate said, and the numbers it said it on.

    Attributes:
        p_value: exact one-sided McNemar; None when nothing was tested (`no_decision`).
        alpha: what `p_value` had to stay below: this look's share of the error budget.
        look: which look at the budget this was (1, 2, …); None for a single comparison at the full level.
        wins, losses, ties: items only the candidate has right, only the champion, both or neither.
        items: all paired items, those that could not be measured included.
        candidate_accuracy, candidate_low, candidate_high: share right of the measured items, with Wilson's 95 %
            interval; None when no item was measured. The same for the champion.
        reason: the decision in one sentence.
    """

    model_config = ConfigDict(frozen=True)

    decision: Literal["promote", "refuse", "no_decision"]
    p_value: float | None
    alpha: float
    look: int | None
    wins: int
    losses: int
    ties: int
    items: int
    candidate_accuracy: float | None
    candidate_low: float | None
    candidate_high: float | None
    champion_accuracy: float | None
    champion_low: float | None
    champion_high: float | None
    reason: str


class LineageDecision(BaseModel):
    """Whether the candidate may become the lineage head. `p_value` is that of "the candidate is worse"."""

    model_config = ConfigDict(frozen=True)

    decision: Literal["accept", "refuse", "no_decision"]
    p_value: float | None
    level: float
    wins: int
    losses: int
    ties: int
    items: int
    reason: str


def better(candidate: ScoreRows, champion: ScoreRows, alpha: float = 0.05, look: int | None = None) -> GateDecision:
    """The serving gate: promote when the candidate beats the champion with exact one-sided McNemar p < alpha.

    Args:
        candidate, champion: score rows of the same items (see `pair` for what counts as right).
        alpha: the lineage's whole error budget.
        look: number of gates decided before, plus one: the budget's share is α·6/(π²·look²). None spends all of it.

    Returns:
        `promote`, `refuse`, or `no_decision` when an item's state is `error` on either side.

    Raises:
        ContractError: rows that do not pair. ConfigurationError: an alpha or a look that cannot be.
    """
    if look is None and not 0 < alpha < 1:
        raise ConfigurationError(f"alpha {alpha}: the level lies between 0 and 1 (0.05 is usual)")
    threshold = alpha if look is None else spent_alpha(alpha, look)
    pairs = pair(candidate, champion, "champion")
    ours = _accuracy(pairs.wins + pairs.both_right, pairs.items)
    theirs = _accuracy(pairs.losses + pairs.both_right, pairs.items)
    p_value = None if pairs.unmeasured else mcnemar(pairs.wins, pairs.losses)
    decision: Literal["promote", "refuse", "no_decision"]
    if p_value is None:
        decision, reason = "no_decision", _unmeasured(pairs)
    else:
        decision = "promote" if p_value < threshold else "refuse"
        reason = (
            f"{decision.capitalize()}: {_counts(pairs, 'champion')}; exact one-sided McNemar p = {p_value:.4g} is "
            f"{'below' if decision == 'promote' else 'not below'} {threshold:.4g}"
            + ("." if look is None else f", the share of the error budget of {alpha:g} that look {look} may spend.")
        )
    return GateDecision(
        decision=decision,
        p_value=p_value,
        alpha=threshold,
        look=look,
        wins=pairs.wins,
        losses=pairs.losses,
        ties=pairs.ties,
        items=pairs.items + len(pairs.unmeasured),
        candidate_accuracy=ours[0],
        candidate_low=ours[1],
        candidate_high=ours[2],
        champion_accuracy=theirs[0],
        champion_low=theirs[1],
        champion_high=theirs[2],
        reason=reason,
    )


def not_worse(head: ScoreRows, candidate: ScoreRows, level: float = 0.05) -> LineageDecision:
    """The lineage gate: accept unless exact one-sided McNemar says it is worse than the head (p < level).

    It spends no error budget: nothing is served because of it.

    Returns:
        `accept`, `refuse`, or `no_decision` (the head stays) when an item's state is `error` on either side.

    Raises:
        ContractError: rows that do not pair. ConfigurationError: a level outside 0–1.
    """
    if not 0 < level < 1:
        raise ConfigurationError(f"level {level}: lies between 0 and 1 (0.05 is usual)")
    pairs = pair(candidate, head, "head")
    p_value = None if pairs.unmeasured else mcnemar(pairs.losses, pairs.wins)
    decision: Literal["accept", "refuse", "no_decision"]
    if p_value is None:
        decision, reason = "no_decision", _unmeasured(pairs)
    else:
        decision = "refuse" if p_value < level else "accept"
        reason = (
            f"{decision.capitalize()}: {_counts(pairs, 'head')}; exact one-sided McNemar p = {p_value:.4g} that it is "
            f"worse is {'below' if decision == 'refuse' else 'not below'} {level:.4g}."
        )
    return LineageDecision(
        decision=decision,
        p_value=p_value,
        level=level,
        wins=pairs.wins,
        losses=pairs.losses,
        ties=pairs.ties,
        items=pairs.items + len(pairs.unmeasured),
        reason=reason,
    )


def _accuracy(right: int, items: int) -> tuple[float, float, float] | tuple[None, None, None]:
    return (right / items, *wilson(right, items)) if items else (None, None, None)


def _counts(pairs: Pairs, other: str) -> str:
    return (
        f"of {pairs.items} items the candidate alone has {pairs.wins} right, the {other} alone {pairs.losses}, "
        f"and {pairs.ties} are equal"
    )


def _unmeasured(pairs: Pairs) -> str:
    return (
        f"No decision: {len(pairs.unmeasured)} items could not be measured (state error: {shown(pairs.unmeasured)}); "
        "mend what failed and score them again."
    )
