"""Waves: counted from rows by id, planned within the budget, the same whatever the order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.runtime.errors import ContractError
from tasks.runtime.rows import STATES, Row, read_rows, write_rows
from tasks.sample.budget.progress import Progress, Tally, progress_of
from tasks.sample.budget.settings import BudgetSettings
from tasks.sample.budget.waves import placed, plan_wave, plan_wave_folder, planned, remembered
from tests.sample.budget.rounds import play

MORE = {"wave": 0, "tokens_spent": 0, "longest": 10, "seed": 3}


def answer(prompt: str, draw: int, text: str = "5", state: str = "accepted", finish: str = "stop") -> tuple[Row, Row]:
    name = f"{prompt}/1/{draw}"
    sample = {"sample_id": name, "prompt_id": prompt, "draw": draw, "text": text, "token_count": 3, "finish_reason": finish}
    return sample, {"sample_id": name, "state": state}


def rows(*answers: tuple[Row, Row]) -> tuple[list[Row], list[Row]]:
    return [sample for sample, _ in answers], [verdict for _, verdict in answers]


def test_progress_counts_whole_answers_of_different_structure() -> None:
    samples, verdicts = rows(
        answer("a", 0, "2 + 3 = 5"),
        answer("a", 1, "So 2 + 3 = 5."),
        answer("a", 2, "3 + 2 = 5"),
        answer("a", 3, "5", finish="length"),
        answer("a", 4, "6", "rejected"),
        answer("b", 0, "5", "error"),
        answer("b", 1, "5", "reference_unparsable"),
        answer("b", 2, "", "timed_out"),
    )
    assert progress_of(samples, reversed(verdicts)) == {"a": Progress(5, 3, 2), "b": Progress(3, 0, 0, untold=2)}


def test_progress_refuses_what_does_not_fit_together() -> None:
    samples, verdicts = rows(answer("a", 0), answer("a", 1))
    with pytest.raises(ContractError, match="no verdict"):
        progress_of(samples, verdicts[:1])
    with pytest.raises(ContractError, match="two verdicts"):
        progress_of(samples, [*verdicts, verdicts[0]])
    with pytest.raises(ContractError, match="number 0 is missing"):
        progress_of(samples[1:], verdicts)
    with pytest.raises(ContractError, match="draw 0 of prompt 'a' is there twice"):
        progress_of([*samples, samples[0]], verdicts)
    twice, judged = rows(answer("a", 0), answer("a", 2))
    with pytest.raises(ContractError, match="there twice"):  # as many draws as their numbers ask for
        progress_of([*twice, twice[0]], judged)


def test_a_draw_in_two_shards_is_found() -> None:
    tally, (samples, verdicts) = Tally(), rows(answer("a", 0), answer("a", 1))
    tally.add(samples, verdicts)
    with pytest.raises(ContractError, match="there twice"):
        tally.add(samples[1:], verdicts)


def test_requests_know_their_place_among_the_prompts() -> None:
    prompts = [{"id": "a"}, {"id": "b", "family": "x"}, {"id": "c"}, {"id": "d", "family": "y"}]
    asked = [{"prompt_id": "b"}, {"prompt_id": "d"}, {"prompt_id": "d"}]
    assert [row["place"] for row in placed(asked, prompts, {})] == [1, 3, 3]
    assert [row["temperature"] for row in placed(asked, prompts, {"": 1.0, "x": 0.5})] == [0.5, 1.0, 1.0]
    for wrong in (asked[::-1], [{"prompt_id": "z"}]):
        with pytest.raises(ContractError, match="not in the prompts' order"):
            list(placed(wrong, prompts, {}))


def test_retired_prompts_are_left_out_but_for_a_review() -> None:
    ids = [f"p{number}" for number in range(2_000)]
    memory = dict.fromkeys(ids[:1_900], (24.0, 24.0)) | dict.fromkeys(ids[1_900:1_950], (24.0, 12.0))
    prompts = [{"id": name} for name in ids]
    plan = planned(prompts, {}, memory, BudgetSettings(), **MORE)
    assert plan.retired + plan.reviewed == 1_900
    assert plan.reviewed / 1_900 == pytest.approx(0.05, abs=0.02)
    asked = {name for name, _, _ in plan.requests}
    assert set(ids[1_900:]) <= asked
    # The same ones in the night's other waves, other ones in another night.
    later = planned(prompts, {}, memory, BudgetSettings(), **{**MORE, "wave": 5})
    assert {name for name, _, _ in later.requests} == asked
    other = planned(prompts, {}, memory, BudgetSettings(), **{**MORE, "seed": 4})
    assert {name for name, _, _ in other.requests} != asked
    assert planned(prompts, {}, memory, BudgetSettings(review=0), **MORE).reviewed == 0
    assert planned(prompts, {}, memory, BudgetSettings(strategy="uniform"), **MORE).retired == 0


def test_a_retired_prompt_comes_back_when_its_successes_have_faded() -> None:
    memory, nights = (24.0, 24.0), 0
    chosen = BudgetSettings(review=0)
    while not plan_wave([{"id": "a"}], {}, {"a": memory}, chosen, **MORE):
        memory, nights = (memory[0] * 0.8, memory[1] * 0.8), nights + 1
    assert nights == 5


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(0, 30), min_size=1), st.integers(1, 500))
@settings(max_examples=60, deadline=None)
def test_a_tight_budget_is_dealt_out_evenly_and_fully(draws: dict[str, int], budget: int) -> None:
    progress = {name: Progress(count) for name, count in draws.items()}
    prompts = [{"id": name} for name in draws]
    free = plan_wave(prompts, progress, {}, BudgetSettings(), **MORE)
    tight = plan_wave(prompts, progress, {}, BudgetSettings(token_budget=budget), **MORE)
    given_draws = sum(count for _, _, count in tight)
    assert given_draws == min(budget // 10, sum(count for _, _, count in free))
    wants, got = {name: count for name, _, count in free}, {name: count for name, _, count in tight}
    short = [got.get(name, 0) for name in wants if got.get(name, 0) < wants[name]]
    assert not short or max(got.values(), default=0) <= min(short) + 1
    assert plan_wave(prompts, progress, {}, BudgetSettings(token_budget=9), **MORE) == []
    assert plan_wave(prompts, progress, {}, BudgetSettings(token_budget=50), **{**MORE, "tokens_spent": 60}) == []


@given(st.randoms(use_true_random=False), st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(STATES)), max_size=30))
@settings(max_examples=60, deadline=None)
def test_plans_do_not_depend_on_the_order_of_rows(luck: Any, drawn: list[tuple[str, str]]) -> None:
    numbers: dict[str, int] = {}
    answers = []
    for prompt, state in drawn:
        numbers[prompt] = numbers.get(prompt, -1) + 1
        answers.append(answer(prompt, numbers[prompt], f"{len(answers) % 4}", state))
    samples, verdicts = rows(*answers)
    progress = progress_of(samples, verdicts)
    luck.shuffle(samples)
    luck.shuffle(verdicts)
    assert progress_of(samples, verdicts) == progress
    ordered, shuffled = [{"id": name} for name in "abcd"], [{"id": name} for name in luck.sample("abcd", 4)]
    tight = BudgetSettings(token_budget=70)
    assert sorted(plan_wave(ordered, progress, {}, tight, **MORE)) == sorted(plan_wave(shuffled, progress, {}, tight, **MORE))


def test_a_round_over_folders_is_the_round_over_rows(tmp_path: Path) -> None:
    def folder(name: str, kind: str, content: list[Row]) -> Path:
        (tmp_path / name).mkdir()
        write_rows(tmp_path / name, kind, content)
        return tmp_path / name

    ids = [f"p{number}" for number in range(6)]
    prompts = folder("prompts", "prompts", [{"id": name, "messages": []} for name in ids])
    memory = folder("memory", "pass_rates", [{"prompt_id": "p0", "draws": 24.0, "accepted": 24.0}])
    chosen, samples, verdicts, wave = BudgetSettings(review=0, token_budget=1_000), [], [], 0
    while True:
        out = folder(f"wave {wave}", "requests", [])
        counts = plan_wave_folder(
            prompts,
            samples,
            verdicts,
            memory,
            chosen,
            out,
            wave=wave,
            tokens_before=100,
            longest=5,
            seed=3,
            temperatures={"": 0.5},
        )
        asked = list(read_rows(out))
        assert counts["rows"] == len(asked)
        assert {row["temperature"] for row in asked} <= {0.5}
        assert counts["draws"] * 5 == counts["tokens_reserved"]
        if not asked:
            break
        made = [
            answer(row["prompt_id"], draw, str(draw), "accepted" if row["prompt_id"] < "p3" else "rejected")
            for row in asked
            for draw in range(row["first"], row["first"] + row["count"])
        ]
        drawn, judged = rows(*made)
        samples.append(folder(f"samples {wave}", "samples", drawn))
        verdicts.append(folder(f"verdicts {wave}", "verdicts", judged))
        wave += 1
    assert counts == {
        "rows": 0,
        "draws": 0,
        "retired": 1,
        "reviewed": 0,
        "solved": 2,
        "unsolved": 3,
        "accepted": sum(row["state"] == "accepted" for judged in verdicts for row in read_rows(judged)),
        "capped": 3,
        "tokens_reserved": 0,
    }
    with pytest.raises(ContractError, match="verify each shard once"):
        plan_wave_folder(prompts, samples, [], None, chosen, out, wave=0, tokens_before=0, longest=5, seed=3, temperatures={})


def test_remembered_rows_are_what_a_plan_takes() -> None:
    assert remembered([{"prompt_id": "a", "draws": 2.0, "accepted": 1.0}]) == {"a": (2.0, 1.0)}


def test_a_round_has_few_waves() -> None:
    """Each wave starts the engine anew."""
    rates = {f"p{number}": number / 200 for number in range(200)}
    assert max(len(play(rates, BudgetSettings(), seed=seed).waves) for seed in range(5)) <= 9
