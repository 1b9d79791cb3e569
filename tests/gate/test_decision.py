"""The two gates' decisions."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.gate.decision import GateDecision, better, not_worse
from tasks.gate.statistics import mcnemar, spent_alpha
from tasks.runtime.errors import ConfigurationError
from tests.gate.scoring import sides

small = st.integers(0, 25)


@given(small, small, small, small, st.integers(1, 50))
def test_promotes_exactly_when_p_is_below_the_looks_share(wins: int, losses: int, both: int, neither: int, look: int) -> None:
    ours, theirs = sides(wins, losses, both, neither + 1)
    decision = better(ours, theirs, 0.05, look)
    assert decision.decision == ("promote" if mcnemar(wins, losses) < spent_alpha(0.05, look) else "refuse")
    assert (decision.wins, decision.losses, decision.ties) == (wins, losses, both + neither + 1)
    assert decision.candidate_accuracy == pytest.approx((wins + both) / decision.items)
    assert decision.champion_accuracy == pytest.approx((losses + both) / decision.items)
    assert decision.decision.capitalize() in decision.reason


def test_a_promotion_in_words_and_figures() -> None:
    decision = better(*sides(60, 30, 200, 110), alpha=0.05, look=1)
    assert decision.decision == "promote"
    assert decision.p_value == pytest.approx(mcnemar(60, 30))
    assert decision.alpha == pytest.approx(0.05 * 6 / math.pi**2)
    assert decision.items == 400
    assert decision.candidate_low is not None
    assert decision.candidate_low < 0.65 < (decision.candidate_high or 0)
    assert "the candidate alone has 60 right, the champion alone 30, and 310 are equal" in decision.reason
    assert GateDecision.model_validate_json(decision.model_dump_json()) == decision


def test_what_the_first_look_promotes_a_later_one_refuses() -> None:
    rows = sides(14, 4)
    assert better(*rows, look=1).decision == "promote"
    assert better(*rows, look=2).decision == "refuse"


def test_a_single_comparison_spends_all_of_alpha() -> None:
    rows = sides(9, 2)  # p = 67/2048 = .0327: above the first look's .0304
    assert better(*rows).alpha == 0.05
    assert better(*rows).decision == "promote"
    assert better(*rows, look=1).decision == "refuse"


def test_equal_and_worse_candidates_are_refused() -> None:
    assert better(*sides(0, 0, 50, 50)).decision == "refuse"
    assert better(*sides(5, 40)).decision == "refuse"


@pytest.mark.parametrize("side", [0, 1])
def test_one_error_on_either_side_is_no_decision(side: int) -> None:
    both = sides(60, 0)
    both[side][7] |= {"state": "error", "score": 0.0}
    decision = better(*both, look=1)
    assert (decision.decision, decision.p_value, decision.items) == ("no_decision", None, 60)
    assert "i7" in decision.reason
    lineage = not_worse(both[1], both[0])
    assert (lineage.decision, lineage.p_value) == ("no_decision", None)


def test_nothing_measured_at_all_has_no_accuracy() -> None:
    ours, theirs = sides(1, 0)
    ours[0]["state"] = "error"
    decision = better(ours, theirs)
    assert (decision.decision, decision.candidate_accuracy, decision.champion_high) == ("no_decision", None, None)


@given(small, small)
def test_lineage_accepts_unless_the_candidate_is_worse(wins: int, losses: int) -> None:
    candidate, head = sides(wins, losses, neither=1)
    decision = not_worse(head, candidate)
    assert decision.decision == ("refuse" if mcnemar(losses, wins) < 0.05 else "accept")
    assert (decision.wins, decision.losses) == (wins, losses)


def test_levels_that_cannot_be() -> None:
    with pytest.raises(ConfigurationError, match="alpha"):
        better(*sides(1, 0), alpha=1.0)
    with pytest.raises(ConfigurationError, match="level"):
        not_worse(*sides(1, 0), level=0)
