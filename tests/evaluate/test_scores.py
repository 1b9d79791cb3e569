"""Score rows: one an item, keyed by id, errors kept apart from wrong answers."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.evaluate.scores import score_rows
from tasks.evaluate.settings import EvaluationSettings
from tasks.runtime.errors import ContractError
from tasks.runtime.rows import STATES


def made(states: list[str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    items = [{"id": f"i{number}", "family": "sums"} for number in range(len(states))]
    samples = [{"prompt_id": item["id"], "sample_id": f"{item['id']}/0/0"} for item in items]
    verdicts = [{"sample_id": f"i{number}/0/0", "state": state} for number, state in enumerate(states)]
    return items, samples, verdicts


@given(st.lists(st.sampled_from(STATES), min_size=1, max_size=30), st.randoms())
def test_scores_follow_ids_not_positions(states: list[str], random: Any) -> None:
    items, samples, verdicts = made(states)
    random.shuffle(samples)
    random.shuffle(verdicts)
    scores = list(score_rows(items, samples, verdicts))
    assert [row["item_id"] for row in scores] == [item["id"] for item in items]
    assert [row["state"] for row in scores] == states
    assert [row["score"] for row in scores] == [float(state == "accepted") for state in states]


def test_missing_and_doubled_answers_are_refused() -> None:
    items, samples, verdicts = made(["accepted", "rejected"])
    with pytest.raises(ContractError, match="'i1' has no answer"):
        list(score_rows(items, samples[:1], verdicts))
    with pytest.raises(ContractError, match="'i1' has no verdict"):
        list(score_rows(items, samples, verdicts[:1]))
    with pytest.raises(ContractError, match="more than one answer"):
        list(score_rows(items, [*samples, {"prompt_id": "i0", "sample_id": "again"}], verdicts))


def test_evaluation_is_greedy_and_draws_once() -> None:
    sampling = EvaluationSettings(max_tokens=7).sampling()
    assert (sampling.temperature, sampling.max_tokens) == (0, 7)
