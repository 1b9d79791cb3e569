"""Procedural questions: seeds and questions never shared between roles, nights and rounds; families that cannot be used."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.data.procedural import (
    MAX_NIGHTS,
    MAX_ROUNDS,
    MAX_SEED,
    ROLES,
    SEEDS_PER_DRAW,
    Draw,
    procedural_prompts,
    seed_range,
    warm_row,
)
from tasks.data.questions import all_questions, assert_disjoint, question_keys
from tasks.data.settings import DataSettings
from tasks.runtime.errors import ConfigurationError, DataError, OverlapError
from tasks.verify.procedural import EVALUATING_FAMILIES, reasoning_gym

DRAWS = st.builds(
    Draw,
    role=st.sampled_from(ROLES),
    night=st.integers(0, MAX_NIGHTS - 1),
    round=st.integers(0, MAX_ROUNDS - 1),
    seed=st.integers(0, MAX_SEED - 1),
)


def near(draw: Draw) -> st.SearchStrategy[Draw]:
    """Draws that differ from `draw` by little, where an allocation would overlap if it did."""
    step = st.integers(-1, 1)
    return st.builds(
        lambda role, night, round, seed: Draw(
            role,
            min(max(draw.night + night, 0), MAX_NIGHTS - 1),
            min(max(draw.round + round, 0), MAX_ROUNDS - 1),
            min(max(draw.seed + seed, 0), MAX_SEED - 1),
        ),
        st.sampled_from(ROLES),
        step,
        step,
        step,
    )


@given(DRAWS.flatmap(lambda draw: st.tuples(st.just(draw), st.one_of(near(draw), DRAWS))))
def test_two_draws_share_no_seed(pair: tuple[Draw, Draw]) -> None:
    one, other = map(seed_range, pair)
    assert len(one) == len(other) == SEEDS_PER_DRAW
    assert one == other if pair[0] == pair[1] else one.stop <= other.start or other.stop <= one.start


@pytest.mark.parametrize(
    "draw",
    [
        Draw("train", -1, 0, 0),
        Draw("train", MAX_NIGHTS, 0, 0),
        Draw("train", 0, MAX_ROUNDS, 0),
        Draw("train", 0, 0, MAX_SEED),
        Draw("tryout", 0, 0, 0),  # type: ignore[arg-type]
    ],
)
def test_a_draw_outside_the_bounds_is_refused(draw: Draw) -> None:
    with pytest.raises(ConfigurationError, match="has no seeds"):
        seed_range(draw)


def rows(draw: Draw, count: int, exclude: set[str] | None = None, **changed: Any) -> list[dict[str, Any]]:
    return list(procedural_prompts(DataSettings(**changed), draw, count, exclude or set()))


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 50), st.integers(1, 3))
def test_nights_rounds_and_roles_share_neither_id_nor_question(seed: int, night: int, rounds: int) -> None:
    """Over the smallest family, where the same question comes up under many seeds."""
    evaluation = rows(Draw("evaluation", night, 0, seed), 150)
    asked, others = all_questions(evaluation), []
    for draw in [Draw("warm", night, 0, seed), *(Draw("train", night, n, seed) for n in range(1, rounds + 1))]:
        others += (drawn := rows(draw, 100, asked))
        asked |= all_questions(drawn)
    assert assert_disjoint(evaluation, others) == {"evaluation": 150, "compared": len(others)}
    assert len({row["id"] for row in evaluation + others}) == 150 + len(others)
    assert len(asked) == 150 + len(others)


def test_the_same_draw_gives_the_same_rows_and_another_seed_others() -> None:
    draw = Draw("train", 3, 1, 7)
    assert rows(draw, 20) == rows(draw, 20)
    assert rows(draw, 30)[:20] == rows(draw, 20)
    assert rows(draw, 20) != rows(Draw("train", 3, 1, 8), 20)


def test_rows_can_be_verified_and_their_reference_is_canonical_json() -> None:
    for row in rows(Draw("train", 1, 1, 0), 20):
        reference = json.loads(row["reference"])
        assert json.dumps(reference, sort_keys=True, ensure_ascii=False) == row["reference"]
        assert reference["dataset"] == row["family"] == row["id"].partition("-")[0]
        answer = reference["entry"]["answer"]
        assert reasoning_gym(f"The final answer is {answer}.", row["reference"]).state == "accepted"
        assert reasoning_gym(f"The final answer is {int(answer) + 1}.", row["reference"]).state == "rejected"
        assert row["messages"] == [{"role": "user", "content": reference["entry"]["question"]}]
        assert row["metadata"] == {"references": {"number": answer}}
        assert warm_row(row)["messages"][1] == {"role": "assistant", "content": answer}


def test_an_answer_that_is_no_number_has_no_reference_for_the_number_verifier() -> None:
    drawn = rows(Draw("train", 1, 1, 0), 10, families=["spell_backward"])
    assert all("metadata" not in row for row in drawn)


def test_families_share_the_rows_evenly() -> None:
    families = ["chain_sum", "leg_counting", "spell_backward"]
    drawn = rows(Draw("train", 1, 1, 0), 10, families=families)
    assert Counter(row["family"] for row in drawn) == {"chain_sum": 4, "leg_counting": 3, "spell_backward": 3}


def test_a_family_that_runs_out_of_questions_says_so() -> None:
    tiny = {"chain_sum": {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 1}}  # 200 questions
    assert len(rows(Draw("train", 1, 1, 0), 150, family_config=tiny)) == 150
    with pytest.raises(DataError, match=r"'chain_sum' yields only 200 of 201 distinct questions.*lower the counts"):
        rows(Draw("train", 1, 1, 0), 201, family_config=tiny)
    asked = all_questions(rows(Draw("evaluation", 1, 0, 0), 150, family_config=tiny))
    with pytest.raises(DataError, match="yields only 50 of 51"):
        rows(Draw("train", 1, 1, 0), 51, asked, family_config=tiny)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"families": ["chain_sums"]}, "no family 'chain_sums'; known: .*chain_sum"),
        ({"family_config": {"chain_sum": {"terms": 2}}}, "family_config.chain_sum.*terms"),
        ({"family_config": {"chain_sum": {"min_terms": 3, "max_terms": 2}}}, "max_terms must be >= min_terms"),
        ({"family_config": {"chain_sum": {"seed": 3}}}, "seed is set by the run"),
        ({"families": ["rubiks_cube"]}, "its own answer"),
        ({"families": ["pool_matrix"]}, "pool_matrix"),
        ({"families": ["composite"]}, "composite"),
        ({"families": ["codeio"]}, "runs programs of others"),
        *(({"families": [family]}, "runs the answer as Python") for family in sorted(EVALUATING_FAMILIES)),
    ],
)
def test_a_family_that_cannot_be_used_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        rows(Draw("train", 1, 1, 9), 3, **changed)  # pool_matrix takes 32 bits of seed


def chat(name: str, *turns: str) -> dict[str, Any]:
    roles = ("user", "assistant")
    return {"id": name, "messages": [{"role": roles[i % 2], "content": turn} for i, turn in enumerate(turns)]}


def test_an_overlap_is_found_by_id_and_by_question_and_listed() -> None:
    evaluation = [chat("e-1", "3 + 5 ="), chat("e-2", "4 + 4 =")]
    fine = [chat("t-1", "5 + 3 =", "8"), chat("t-2", "Hello", "Hi", "3 + 5 =", "8")]
    assert_disjoint(evaluation, fine)
    for shared in (chat("e-2", "another"), chat("t-3", "  3 +\n5  =", "8"), chat("t-3", "3 + 5 =", "8", "And then?", "9")):
        with pytest.raises(OverlapError, match="1 rows are also evaluation items: " + shared["id"]):
            assert_disjoint(evaluation, [*fine, shared])


def test_many_overlaps_are_not_all_listed() -> None:
    evaluation = [chat(f"e-{i}", f"{i} + 1") for i in range(30)]
    with pytest.raises(OverlapError, match=r"30 rows are also evaluation items: e-0, .* and 20 more"):
        assert_disjoint(evaluation, evaluation)


@given(st.lists(st.text(min_size=1), min_size=1, max_size=3), st.sampled_from([str.upper, str.lower, lambda t: f" {t}\n"]))
def test_a_question_is_the_same_in_another_case_and_spacing(turns: list[str], change: Any) -> None:
    said = [chat("a", *turns), chat("b", *(change(turn) for turn in turns))]
    if all(change(turn).casefold().split() == turn.casefold().split() for turn in turns):
        assert question_keys(said[0]["messages"]) == question_keys(said[1]["messages"])
