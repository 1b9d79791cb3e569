"""When a second request is worth its cost, and that length alone never calls for one."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.sample.endpoint.pace import Pace


def filled(points: list[tuple[int, float]], least: float = 0.0, quantile: float = 0.95) -> Pace:
    pace = Pace(quantile, least)
    for tokens, seconds in points:
        pace.add(tokens, seconds)
    return pace


@settings(max_examples=100, deadline=None)
@given(st.floats(0.001, 5), st.floats(0.0001, 0.5), st.integers(0, 1000), st.integers(100, 2000))
def test_an_answer_that_is_only_long_is_waited_for(start: float, a_token: float, seed: int, most: int) -> None:
    numbers = random.Random(seed)
    lengths = [numbers.randint(1, most // 2) for _ in range(40)]
    patience = filled([(length, start + a_token * length) for length in lengths]).patience(most)
    assert patience is not None
    assert patience >= (start + a_token * most) * 0.999


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 500), st.floats(0, 100)), min_size=16, max_size=40), st.integers(1, 500))
def test_it_is_a_number_of_seconds_not_below_the_least(points: list[tuple[int, float]], most: int) -> None:
    patience = filled(points, least=1.5).patience(most)
    assert patience is not None
    assert 1.5 <= patience < 1e6


def test_a_hung_request_is_not_waited_for_long() -> None:
    pace = filled([(10 + index % 7, 0.1 + 0.01 * (index % 7)) for index in range(50)])
    assert pace.patience(64) == pytest.approx(0.64, abs=0.01)


@pytest.mark.parametrize(("quantile", "known"), [(0.95, 15), (0.0, 100)])
def test_too_little_known_or_not_wanted_is_for_ever(quantile: float, known: int) -> None:
    assert filled([(10, 0.1)] * known, quantile=quantile).patience(64) is None


def test_equally_long_answers_are_taken_to_grow_with_length() -> None:
    assert filled([(8, 0.4)] * 20).patience(32) == pytest.approx(1.6)
