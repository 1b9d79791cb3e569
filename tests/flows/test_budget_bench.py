"""``winnow bench budget`` without its model: the questions, the arms and the arithmetic."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest

from flows.benches.budget import Trial, covered, figures, per_thousand, training_figures
from flows.benches.budget_arms import Pool, hardest, hardness, sequential, uniform
from flows.benches.budget_training import ARMS, Lesson, gain
from flows.benches.sentences import sentences
from tasks.runtime.errors import ConfigurationError
from tasks.runtime.rows import Row
from tasks.sample.budget.settings import BudgetSettings
from tasks.verify.instruction.verifier import instruction

RATES = {"easy": 0.95, "middle": 0.5, "hard": 0.08}


def pool(prompts: int, draws: int, seed: int) -> Pool:
    """Prompts of three kinds, an equal share of each, with all their draws made: ten tokens each, all right ones distinct."""
    luck = random.Random(seed)
    rows = {f"{kind}-{number}": {"id": f"{kind}-{number}", "family": kind} for number in range(prompts) for kind in RATES}
    drawn: dict[tuple[str, int], tuple[Row, Row]] = {}
    for name, row in rows.items():
        for draw in range(draws):
            sample = {
                "sample_id": f"{name}/{draw}",
                "prompt_id": name,
                "draw": draw,
                "text": f"{draw} + 1 = {draw + 1}",
                "token_count": 10,
                "finish_reason": "stop",
            }
            state = "accepted" if luck.random() < RATES[row["family"]] else "rejected"
            drawn[name, draw] = sample, {"sample_id": sample["sample_id"], "state": state}
    return Pool(Path(), rows, seed, drawn)


def trial(seed: int) -> Trial:
    made, other = pool(20, 24, seed), pool(20, 4, seed + 100)
    every, rates = uniform(made, 8), hardness(other)
    waves = sequential(made, 8 * 10 * 60, BudgetSettings())
    return Trial(dict(made.prompts), every.one_each(), every, waves, hardest(rates, 0.5), hardest(rates, 0.25), set())


def test_questions_are_of_every_family_once_and_the_same_every_time() -> None:
    asked: set[str] = set()
    rows = sentences(1, 40, asked)
    assert rows == sentences(1, 40, set())
    assert len({row["family"] for row in rows}) == 16
    assert len({row["id"] for row in rows}) == 40
    questions = {row["messages"][-1]["content"] for row in rows}
    again = {row["messages"][-1]["content"] for row in sentences(1, 40, asked)}
    assert len(questions) == 40
    assert not questions & again
    with pytest.raises(ConfigurationError, match="ask for fewer"):
        sentences(1, 16 * 51, set())


def test_an_answer_with_the_words_is_right() -> None:
    for row in sentences(2, 16, set()):
        words = row["messages"][-1]["content"].partition("words ")[2].rstrip(".").split(", ")
        assert instruction(f"So {' and '.join(words)} it is.", row["reference"]).state == "accepted"
        assert instruction(f"So {' and '.join(words[1:])} it is.", row["reference"]).state == "rejected"


def test_the_sequential_arm_covers_more_of_what_is_hard_for_as_many_tokens() -> None:
    made = trial(1)
    assert sum(made.sequential.tokens.values()) <= sum(made.uniform.tokens.values()) == 8 * 10 * 60
    assert per_thousand(made.sequential, made.half) > 1.2 * per_thousand(made.uniform, made.half)
    assert covered(made.sequential, made.half) > covered(made.uniform, made.half)
    assert made.quartile < made.half
    assert sum(name.startswith("hard") for name in made.quartile) >= 12
    assert all(count <= 1 for count in made.best_of_k.distinct.values())


def test_the_lines_of_the_bench() -> None:
    lines = figures([trial(1), trial(2)], 7)
    first = lines[0]
    assert 1 < first["low"] < first["ratio"] < first["high"]
    assert [len(line["seeds"]) for line in lines] == [2] * len(lines)
    assert all(0.9 < line["limit_share"] <= 1 for line in lines)
    assert "best of 8" in lines[2]["name"]
    assert lines[2]["peer"] < lines[1]["peer"]


def test_a_gain_is_judged_by_families() -> None:
    families = {f"{family}-{number}": family for family in "abcd" for number in range(50)}

    def lesson(better: str) -> Lesson:
        scores = {(arm, way): dict.fromkeys(families, 0.0) for arm in ARMS for way in ("epochs", "steps")}
        ours = {name: float(family in better) for name, family in families.items()}
        return Lesson(scores | {("sequential", "epochs"): ours}, families, dict.fromkeys(ARMS, 5))

    assert gain([lesson("")], "epochs", "uniform") == (0.0, 0.0, 0.0)
    mean, low, high = gain([lesson("a")], "epochs", "uniform")
    # Four clusters of which one gained everything: no more is known than from four numbers.
    error = math.sqrt(3 / 16 * 4 * 50**2) / 200
    assert mean == 0.25
    assert (low, high) == pytest.approx((0.25 - 3.1824 * error, 0.25 + 3.1824 * error), abs=1e-4)
    lines = training_figures([lesson("abcd"), lesson("abcd")], 7)
    assert [line["ours"] for line in lines] == [100, 100, 0, 0]
    assert "+100.0 points" in lines[0]["name"]
