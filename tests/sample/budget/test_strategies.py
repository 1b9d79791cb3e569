"""Strategies: harder prompts get more, every prompt gets its minimum, none more than its cap."""

from __future__ import annotations

import math
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.sample.budget.progress import Progress
from tasks.sample.budget.settings import BudgetSettings
from tasks.sample.budget.strategies import (
    LACKING,
    Standing,
    capped,
    gvm,
    hopeless,
    next_draws,
    prop2diff,
    retired,
    sequential,
    share_of_target,
    wanted,
)
from tests.sample.budget.rounds import play

DEFAULT = BudgetSettings()
STRATEGIES = ["sequential", "uniform", "prop2diff", "uniform_correct", "gvm"]
RATES = st.dictionaries(st.text("abcdefgh", min_size=1, max_size=4), st.floats(0, 1), min_size=1, max_size=12)


def expected_draws(rate: float, chosen: BudgetSettings, draws: float = 0.0, accepted: float = 0.0) -> float:
    """Draws of a prompt with a known true rate and endlessly many right answers, exactly."""

    @cache
    def more(made: int, right: int) -> float:
        standing = Standing(draws, accepted, Progress(made, right, right))
        count = next_draws(LACKING[chosen.strategy](standing, chosen), standing, chosen)
        if not count:
            return 0.0
        ways = [math.comb(count, hits) * rate**hits * (1 - rate) ** (count - hits) for hits in range(count + 1)]
        return count + sum(way * more(made + count, right + hits) for hits, way in enumerate(ways))

    return more(0, 0)


@pytest.mark.parametrize(("rate", "wanted"), [(0.0, 8), (0.5, 4), (0.75, 2), (0.9, 1), (0.99, 1), (1.0, 1)])
def test_the_target_of_a_pass_rate(rate: float, wanted: int) -> None:
    assert share_of_target(rate, 8) == wanted


@given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 64))
def test_targets_grow_with_difficulty(one: float, other: float, target: int) -> None:
    hard, easy = sorted((one, other))
    assert share_of_target(hard, target) >= share_of_target(easy, target) >= 1


@pytest.mark.parametrize(
    ("tonight", "lacks", "draws"),
    [
        (Progress(), 4, 4),  # nothing known: p̂ = 1/2
        (Progress(4, 4, 4), 0, 0),  # p̂ = 5/6 asks for two
        (Progress(4, 4, 1), 1, 2),  # … different ones
        (Progress(4, 0, 0), 7, 4),
        (Progress(24, 0, 0), 8, 0),  # the cap
        (Progress(23, 1, 1), 7, 1),
        (Progress(8, 8, 1), 0, 0),  # p̂ = .9 asks for one
        (Progress(4, 0, 0, untold=4), 4, 4),  # a broken verifier says nothing about the prompt
    ],
)
def test_sequential_asks_for_distinct_answers(tonight: Progress, lacks: int, draws: int) -> None:
    standing = Standing(tonight=tonight)
    assert sequential(standing, DEFAULT) == lacks
    assert wanted([standing], DEFAULT, 1) == [draws]


def test_what_was_remembered_counts() -> None:
    assert wanted([Standing(19.2, 0.0)], DEFAULT, 0) == [4]  # hopeless
    assert wanted([Standing(19.2, 0.0, Progress(4))], DEFAULT, 1) == [0]
    assert capped(Standing(19.2, 0.0, Progress(4)), DEFAULT)
    assert wanted([Standing(19.2, 0.6, Progress(4))], DEFAULT, 1) == [4]
    assert wanted([Standing(15.9, 0.0, Progress(4))], DEFAULT, 1) == [4]
    assert wanted([Standing(10.0, 10.0)], DEFAULT, 0) == [2]  # one answer is wanted of it, if it is drawn at all
    assert not capped(Standing(tonight=Progress(24, 24, 24)), DEFAULT)


def test_a_hopeless_prompt_stays_one_whatever_the_rounding() -> None:
    draws = 24.0
    for _ in range(200):
        draws *= 0.8
        assert hopeless(Standing(draws, 0.0))
        draws += 4
    assert draws == pytest.approx(20)


@given(st.floats(0, 40), st.floats(0, 1))
def test_only_easy_prompts_retire(draws: float, share: float) -> None:
    if retired(draws, draws * share, DEFAULT):
        assert draws >= 8
        assert (draws * share + 1) / (draws + 2) > 0.9
    assert retired(8.1, 8.1, DEFAULT)
    assert not retired(8.0, 8.0, DEFAULT)


@pytest.mark.parametrize("ways", [1, 1_000])
def test_a_prompt_that_is_always_right_retires_within_a_week_and_comes_back_to_be_looked_at(ways: int) -> None:
    memory, drawn = (0.0, 0.0), []
    for night in range(40):
        played = play({"a": 1.0}, BudgetSettings(review=0), {"a": memory}, ways=ways, seed=night).progress.get("a", Progress())
        drawn.append(played.draws)
        memory = memory[0] * 0.8 + played.draws, memory[1] * 0.8 + played.accepted
    assert 3 <= drawn.index(0) < 7
    assert 0 < sum(draws == 0 for draws in drawn[10:]) < 30
    assert max(drawn[10:]) <= 3


@pytest.mark.parametrize("strategy", sorted(LACKING))
@given(one=st.floats(0, 1), other=st.floats(0, 1), step=st.integers(1, 8))
@settings(max_examples=60, deadline=None)
def test_expected_draws_grow_with_difficulty(strategy: str, one: float, other: float, step: int) -> None:
    chosen = BudgetSettings(strategy=strategy, step=step)  # type: ignore[arg-type]
    hard, easy = sorted((one, other))
    assert expected_draws(hard, chosen) >= expected_draws(easy, chosen) - 1e-9


@given(
    st.tuples(st.floats(0, 30), st.floats(0, 1), st.floats(0, 1)), st.integers(0, 24), st.integers(0, 24), st.integers(0, 24)
)
@settings(max_examples=100, deadline=None)
def test_prompts_that_were_harder_in_earlier_nights_lack_more(
    known: tuple[float, float, float], draws: int, accepted: int, distinct: int
) -> None:
    n, low, high = known[0], *sorted(known[1:])
    tonight = Progress(max(draws, accepted), accepted, min(accepted, distinct))
    hard, easy = Standing(n, n * low, tonight), Standing(n, n * high, tonight)
    assert sequential(hard, DEFAULT) >= sequential(easy, DEFAULT)
    assert prop2diff(hard, DEFAULT) >= prop2diff(easy, DEFAULT)


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(
    rates=RATES,
    ways=st.integers(1, 5),
    step=st.integers(1, 6),
    cap=st.integers(1, 30),
    k=st.integers(1, 12),
    budget=st.integers(0, 400),
    seed=st.integers(0, 9),
)
@settings(max_examples=60, deadline=None)
def test_no_prompt_starves_and_nothing_is_exceeded(
    strategy: str, rates: dict[str, float], ways: int, step: int, cap: int, k: int, budget: int, seed: int
) -> None:
    chosen = BudgetSettings(strategy=strategy, step=step, cap=cap, k=k, token_budget=budget)  # type: ignore[arg-type]
    played = play(rates, chosen, ways=ways, seed=seed)
    if budget:
        assert played.tokens <= budget
    # Consecutive numbers from 0, over all waves; never more than the cap.
    assert all(made == list(range(len(made))) for made in played.numbers.values())
    assert all(len(made) <= cap for made in played.numbers.values())
    least = min(cap, k) if strategy in ("uniform", "gvm") else min(cap, step, 2)
    if not budget or budget >= len(rates) * least * 10:
        assert set(played.numbers) == set(rates)
    if not budget:
        assert all(len(made) >= least for made in played.numbers.values())
    else:
        first = dict.fromkeys(rates, 0) | {name: count for wave in played.waves[:1] for name, _, count in wave}
        assert max(first.values()) - min(first.values()) <= 1  # what there is, is dealt out evenly


@given(RATES, st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_strategies_stop_where_they_should(rates: dict[str, float], seed: int) -> None:
    for strategy in STRATEGIES:
        chosen = BudgetSettings(strategy=strategy)  # type: ignore[arg-type]
        played = play(rates, chosen, seed=seed)
        for one in played.progress.values():
            if strategy == "uniform":
                assert one.draws == 8
            elif strategy == "uniform_correct":
                assert one.accepted >= 8 or one.draws == 24
            elif strategy == "prop2diff":
                assert one.accepted >= share_of_target(Standing(tonight=one).rate, 8) or one.draws == 24
            elif strategy == "sequential":
                assert one.distinct >= share_of_target(Standing(tonight=one).rate, 8) or one.draws == 24
    assert len(play(rates, BudgetSettings(strategy="uniform")).waves) == 1


def test_sequential_spends_where_it_is_hard() -> None:
    rates = {f"{rate:.2f}": rate for rate in (0.02, 0.1, 0.3, 0.6, 0.95)}
    draws = [len(made) for made in play(rates, DEFAULT).numbers.values()]
    assert draws == sorted(draws, reverse=True)
    assert draws[0] == 24
    assert draws[-1] <= 6


def test_a_prompt_with_one_thing_to_say_stops_when_it_repeats_itself() -> None:
    rates = {f"p{number}": 0.5 for number in range(50)}
    stubborn, stopped = (
        sum(map(len, play(rates, BudgetSettings(repeats=repeats), ways=1).numbers.values())) for repeats in (0, 3)
    )
    assert stopped < 0.6 * stubborn


def test_the_trap_of_the_pilot() -> None:
    """At a true rate of .05, a pilot of 8 sees nothing in 66 % of the cases, and then no draw follows."""
    rates = {f"p{number}": 0.05 for number in range(2_000)}
    played = play(rates, BudgetSettings(strategy="gvm", cap=1_000))
    never = sum(len(made) == 8 for made in played.numbers.values())
    assert never / 2_000 == pytest.approx(0.95**8, abs=0.03)
    unsolved = [one.draws for one in play(rates, DEFAULT).progress.values() if not one.accepted]
    assert set(unsolved) == {24}
    assert len(unsolved) / 2_000 == pytest.approx(0.95**24, abs=0.03)


def test_gvm_shares_by_the_pilots_rates() -> None:
    pilots = [Standing(tonight=Progress(8, right, right)) for right in (0, 1, 4, 8)]
    shares = gvm(pilots, BudgetSettings(strategy="gvm", cap=1_000), 1)
    assert shares[0] == 0
    assert shares[1] > shares[2] > shares[3] > 0
    assert sum(shares) <= 8 * 4
    assert gvm(pilots, BudgetSettings(strategy="gvm"), 2) == [0, 0, 0, 0]
