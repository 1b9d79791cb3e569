"""The gate's statistics against hand-made tables, closed formulas and exact sums."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from tasks.gate.statistics import mcnemar, spent_alpha, wilson
from tasks.runtime.errors import ConfigurationError

counts = st.integers(0, 300)


def tail(wins: int, pairs: int) -> Fraction:
    """P(X ≥ wins) for X ~ Binomial(pairs, ½), exactly."""
    return Fraction(sum(math.comb(pairs, k) for k in range(wins, pairs + 1)), 2**pairs)


@pytest.mark.parametrize(
    ("wins", "losses", "expected"),
    [
        (0, 0, 1.0),
        (1, 0, 1 / 2),
        (5, 0, 1 / 32),
        (0, 5, 1.0),
        (10, 2, 79 / 4096),
        (8, 2, 56 / 1024),
        (2, 10, 4083 / 4096),
    ],
)
def test_mcnemar_by_hand(wins: int, losses: int, expected: float) -> None:
    assert mcnemar(wins, losses) == pytest.approx(expected, rel=1e-12)


@given(counts, counts)
def test_mcnemar_is_the_exact_binomial_tail(wins: int, losses: int) -> None:
    assert mcnemar(wins, losses) == pytest.approx(float(tail(wins, wins + losses)), rel=1e-9)


@given(counts, counts)
def test_mcnemar_falls_with_each_win_and_rises_with_each_loss(wins: int, losses: int) -> None:
    slack = 1 + 1e-9
    assert mcnemar(wins + 1, losses) <= mcnemar(wins, losses) * slack
    assert mcnemar(wins, losses + 1) * slack >= mcnemar(wins, losses)


@given(st.integers(0, 120), st.floats(0.001, 0.5))
def test_equal_models_are_promoted_at_most_as_often_as_the_level_says(pairs: int, level: float) -> None:
    promoted = [wins for wins in range(pairs + 1) if mcnemar(wins, pairs - wins) < level]
    assert sum(Fraction(math.comb(pairs, wins), 2**pairs) for wins in promoted) <= level * (1 + 1e-12)  # floats


@given(st.integers(1, 5000).flatmap(lambda items: st.tuples(st.integers(0, items), st.just(items))))
def test_wilson_is_the_closed_formula_and_holds_the_share(case: tuple[int, int]) -> None:
    right, items = case
    low, high = wilson(right, items)
    z, share = float(norm.ppf(0.975)), right / items
    centre = (share + z * z / (2 * items)) / (1 + z * z / items)
    half = z / (1 + z * z / items) * math.sqrt(share * (1 - share) / items + z * z / (4 * items * items))
    assert low == pytest.approx(max(0.0, centre - half), abs=1e-9)
    assert high == pytest.approx(min(1.0, centre + half), abs=1e-9)
    assert 0 <= low <= share + 1e-12
    assert share - 1e-12 <= high <= 1


@given(st.floats(1e-6, 0.5))
def test_all_looks_together_spend_less_than_the_budget(alpha: float) -> None:
    shares = [spent_alpha(alpha, look) for look in range(1, 5001)]
    assert shares == sorted(shares, reverse=True)
    # What looks 5001, 5002, … may still spend is below the integral of 6α/(π²t²) from 5000 on.
    assert sum(shares) < alpha < sum(shares) + 6 * alpha / (math.pi**2 * 5000) + 1e-12


def test_first_looks_of_the_usual_budget() -> None:
    assert [round(spent_alpha(0.05, look), 5) for look in (1, 2, 3)] == [0.0304, 0.0076, 0.00338]


@pytest.mark.parametrize(("alpha", "look"), [(0.05, 0), (0.05, -1), (0.0, 1), (1.0, 1), (math.nan, 1)])
def test_a_budget_or_look_that_cannot_be_is_refused(alpha: float, look: int) -> None:
    with pytest.raises(ConfigurationError, match=r"look|alpha"):
        spent_alpha(alpha, look)
