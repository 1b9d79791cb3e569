"""The statistics behind the gates: exact McNemar, Wilson's interval, and an error budget spent over looks."""

from __future__ import annotations

import math

from tasks.runtime.errors import ConfigurationError


def mcnemar(wins: int, losses: int) -> float:
    """One-sided p-value of the exact McNemar test: how likely so many wins are when wins and losses are equally likely.

    Ties carry no information about the difference and do not enter. No discordant pair gives 1.0.
    Source: McNemar, Psychometrika 12 (1947), in the exact (binomial) form: P(X ≥ wins), X ~ Binomial(wins + losses, ½).

    Args:
        wins: items that only the side hoped to be better has right.
        losses: items that only the other side has right.
    """
    from scipy.stats import binomtest

    if wins + losses == 0:
        return 1.0
    return float(binomtest(wins, wins + losses, 0.5, alternative="greater").pvalue)


def wilson(right: int, items: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval (low, high) for a share of `right` in `items` (Wilson, JASA 22, 1927), within 0–1.

    Raises:
        ValueError: no items, or more right than items.
    """
    from scipy.stats import binomtest

    interval = binomtest(right, items).proportion_ci(confidence_level=confidence, method="wilson")
    return max(0.0, float(interval.low)), min(1.0, float(interval.high))


def spent_alpha(alpha: float, look: int) -> float:
    """The share of the error budget `alpha` that look number `look` (1, 2, …) may spend: α·6/(π²·look²).

    Since Σ 1/t² = π²/6, the shares of infinitely many looks add up to α, so that the chance of ever promoting a
    candidate that is no better stays below α (union bound) as long as the count of looks is never reset.

    Raises:
        ConfigurationError: a look below 1, or an alpha outside 0–1.
    """
    if look < 1:
        raise ConfigurationError(f"look {look}: looks count from 1 (the number of gates decided before, plus one)")
    if not 0 < alpha < 1:
        raise ConfigurationError(f"alpha {alpha}: the error budget lies between 0 and 1 (0.05 is usual)")
    return alpha * 6 / (math.pi * look) ** 2
