"""The balance score, and the temperature it chooses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.runtime.rows import Row
from tasks.sample.budget.progress import Progress
from tasks.sample.budget.settings import TemperatureSettings
from tasks.sample.budget.temperature import ALL, balance_score, choose_temperature, probe_requests
from tests.sample.budget.test_waves import answer, rows

FAMILIES = {"a": "sums", "b": "sums", "c": "words"}


def probe(**texts: list[str]) -> tuple[list[Row], list[Row]]:
    """A probe's rows; an empty text is a wrong answer."""
    return rows(
        *(
            answer(prompt, draw, text, "accepted" if text else "rejected")
            for prompt, said in texts.items()
            for draw, text in enumerate(said)
        )
    )


@pytest.mark.parametrize(
    ("accepted", "distinct", "score"), [(0, 0, 0.0), (8, 8, 1.0), (8, 4, 0.5), (8, 1, 1 / 32), (2, 2, 0.5), (4, 4, 1.0)]
)
def test_the_balance_score(accepted: int, distinct: int, score: float) -> None:
    assert balance_score(Progress(8, accepted, distinct), enough=4) == pytest.approx(score)


@given(st.integers(0, 20), st.integers(0, 20), st.integers(1, 10))
def test_a_balance_score_is_a_share_and_grows_with_what_differs(accepted: int, distinct: int, enough: int) -> None:
    distinct = min(accepted, distinct)
    score = balance_score(Progress(20, accepted, distinct), enough)
    assert 0 <= score <= 1
    if distinct < accepted:
        assert score < balance_score(Progress(20, accepted, distinct + 1), enough)


def test_the_best_balance_is_chosen_for_all_or_for_each_family() -> None:
    probes = {
        0.6: probe(a=["1", "1", "1", "1"], b=["1", "1", "", "1"], c=["1", "2", "3", "4"]),
        1.0: probe(a=["1", "2", "3", ""], b=["1", "2", "", ""], c=["1", "", "", "1"]),
        1.4: probe(a=["", "", "", ""], b=["", "", "", ""], c=["", "", "", ""]),
    }
    chosen = choose_temperature(probes, FAMILIES, TemperatureSettings(), 0.7)
    assert chosen.scores[ALL] == pytest.approx({0.6: (1 / 16 + 1 / 12 + 1) / 3, 1.0: (3 / 4 + 1 / 2 + 1 / 8) / 3, 1.4: 0.0})
    assert chosen.temperatures == {ALL: 1.0}
    assert chosen.of("words") == 1.0
    each = choose_temperature(probes, FAMILIES, TemperatureSettings(per_family=True), 0.7)
    assert each.temperatures == {ALL: 1.0, "sums": 1.0, "words": 0.6}
    assert each.of("unknown") == 1.0


def test_a_tie_goes_to_the_lower_temperature_and_nothing_solved_changes_nothing() -> None:
    same = {1.2: probe(a=["1"]), 0.8: probe(a=["2"])}
    assert choose_temperature(same, FAMILIES, TemperatureSettings(), 1.0).of(ALL) == 0.8
    nothing = {1.2: probe(a=[""]), 0.8: probe(a=[""])}
    assert choose_temperature(nothing, FAMILIES, TemperatureSettings(), 1.0).of(ALL) == 1.0
    assert choose_temperature({}, {}, TemperatureSettings(), 1.0).of("sums") == 1.0


def test_the_probe_is_drawn_by_lot_and_the_same_each_time() -> None:
    prompts = [{"id": f"p{number}"} for number in range(50)]
    settings = TemperatureSettings(prompts=10, draws=3)
    asked = probe_requests(prompts, settings, 1)
    assert len(asked) == len({name for name, _, _ in asked}) == 10
    assert {(first, count) for _, first, count in asked} == {(0, 3)}
    assert asked == probe_requests(reversed(prompts), settings, 1)
    assert asked != probe_requests(prompts, settings, 2)


@pytest.mark.parametrize("candidates", [[0.6, 0.6], [0.0], [-1.0], [7.0]])
def test_candidates_are_different_temperatures(candidates: list[float]) -> None:
    with pytest.raises(ValidationError, match="different temperatures"):
        TemperatureSettings(candidates=candidates)
