"""The memory of pass rates: counts fade, failures of the verifier are no draws, and order does not matter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.runtime.errors import ContractError
from tasks.runtime.rows import STATES, Row, read_rows, write_rows
from tasks.select.pass_rates import FORGOTTEN, UNCOUNTED, pass_rate, row_weight, tried_in_vain, update_folder, updated

Night = list[tuple[str, str]]  # a prompt and the state of an answer to it, for each draw
NIGHTS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(STATES)), max_size=20)


def drawn(night: Night) -> tuple[list[Row], list[Row]]:
    ids = [f"{prompt}/0/{draw}" for draw, (prompt, _) in enumerate(night)]
    samples = [{"sample_id": name, "prompt_id": prompt} for name, (prompt, _) in zip(ids, night, strict=True)]
    verdicts = [{"sample_id": name, "state": state} for name, (_, state) in zip(ids, night, strict=True)]
    return samples, verdicts


def after(*nights: Night) -> list[Row]:
    memory: list[Row] = []
    for night in nights:
        memory = updated(memory, *drawn(night))
    return memory


def test_counts_are_added_up_and_fade() -> None:
    first = after([("a", "accepted"), ("a", "rejected"), ("a", "timed_out"), ("b", "answer_unparsable")])
    assert first == [
        {"prompt_id": "a", "draws": 3, "accepted": 1, "unsolved": 0},
        {"prompt_id": "b", "draws": 1, "accepted": 0, "unsolved": 1},
    ]
    (a, b) = updated(first, *drawn([("a", "accepted")]))
    assert a == {"prompt_id": "a", "draws": pytest.approx(3.4), "accepted": pytest.approx(1.8), "unsolved": 0}
    assert b == {"prompt_id": "b", "draws": pytest.approx(0.8), "accepted": 0, "unsolved": 1}
    assert pass_rate(a) == pytest.approx(2.8 / 5.4)
    assert pass_rate({"draws": 0, "accepted": 0}) == 0.5


def test_draws_since_the_last_success_do_not_fade() -> None:
    wrong = [("a", "rejected")] * 4
    (row,) = after([("a", "accepted")], *[wrong] * 10)
    assert row["unsolved"] == 40
    assert tried_in_vain([row]) == {}, "its success is not forgotten"
    memory = [row]
    for _ in range(5):
        memory = updated(memory, *drawn(wrong))
    assert tried_in_vain(memory) == {"a": 60}
    assert tried_in_vain(updated(memory, *drawn([("a", "accepted"), *wrong]))) == {}
    old = [{"prompt_id": "a", "draws": 9.0, "accepted": 0.0}, {"prompt_id": "b", "draws": 9.0, "accepted": 3.0}]
    assert [one["unsolved"] for one in updated(old, *drawn([*wrong, ("b", "rejected")]))] == [13, 1]


def test_an_answer_cut_by_length_is_no_success() -> None:
    (sample,), verdicts = drawn([("a", "accepted")])
    assert updated([], [sample | {"finish_reason": "length"}], verdicts)[0]["accepted"] == 0
    assert updated([], [sample | {"finish_reason": "stop"}], verdicts)[0]["accepted"] == 1


def test_a_prompt_that_is_not_seen_any_more_is_forgotten() -> None:
    memory, nights = after([("a", "accepted")] * 8), 0
    rates = [pass_rate(memory[0])]
    while memory:
        memory, nights = updated(memory, [], []), nights + 1
        rates += [pass_rate(row) for row in memory]
    assert nights == 23
    assert 8 * 0.8**nights < FORGOTTEN <= 8 * 0.8 ** (nights - 1)
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == pytest.approx(0.5, abs=0.02)


@settings(max_examples=100, deadline=None)
@given(st.lists(NIGHTS, max_size=4), st.randoms(use_true_random=False))
def test_what_always_holds(nights: list[Night], random: Any) -> None:
    memory = after(*nights)
    assert [row["prompt_id"] for row in memory] == sorted({row["prompt_id"] for row in memory})
    for row in memory:
        assert 0 <= row["accepted"] <= row["draws"]
        assert row["draws"] >= FORGOTTEN
        assert 0 < pass_rate(row) < 1
    assert memory == after(*([draw for draw in night if draw[1] not in UNCOUNTED] for night in nights))
    if nights:
        samples, verdicts = drawn(nights[-1])
        before = after(*nights[:-1])
        for rows in (samples, verdicts, before):
            random.shuffle(rows)
        assert updated(before, samples, verdicts) == memory


@settings(max_examples=100, deadline=None)
@given(NIGHTS, st.integers(0, 19))
def test_one_more_accepted_answer_raises_its_prompts_rate_and_no_other(night: Night, place: int) -> None:
    counted = [draw for draw in night if draw[1] not in UNCOUNTED] + [("a", "rejected")]
    prompt = counted[place := place % len(counted)][0]
    better = [*counted[:place], (prompt, "accepted"), *counted[place + 1 :]]
    was, now = ({row["prompt_id"]: pass_rate(row) for row in after(rows)} for rows in (counted, better))
    assert (now[prompt] > was[prompt]) is (counted[place][1] != "accepted")
    assert {name: rate for name, rate in was.items() if name != prompt} == {
        name: rate for name, rate in now.items() if name != prompt
    }


@pytest.mark.parametrize(
    ("memory", "samples", "verdicts", "message"),
    [
        ([], [{"sample_id": "a", "prompt_id": "a"}], [], "no verdict"),
        ([], [{"sample_id": "a", "prompt_id": "a"}] * 2, [{"sample_id": "a", "state": "accepted"}], "two samples"),
        ([], [], [{"sample_id": "a", "state": "accepted"}] * 2, "two verdicts"),
        ([{"prompt_id": "a", "draws": 1.0, "accepted": 1.0}] * 2, [], [], "two pass rates"),
        ([{"prompt_id": "a", "draws": 1.0, "accepted": 2.0}], [], [], "2 accepted of 1"),
        ([{"prompt_id": "a", "draws": float("nan"), "accepted": 0.0}], [], [], "remove its pass rate"),
        ([{"prompt_id": "a", "draws": 1.0, "accepted": 0.0, "unsolved": -1.0}], [], [], "remove its pass rate"),
    ],
)
def test_what_does_not_belong_together_is_refused(
    memory: list[Row], samples: list[Row], verdicts: list[Row], message: str
) -> None:
    with pytest.raises(ContractError, match=message):
        updated(memory, samples, verdicts)


def test_folders_are_updated(tmp_path: Path) -> None:
    def folder(name: str, kind: str, rows: list[Row]) -> Path:
        path = tmp_path / name
        path.mkdir()
        write_rows(path, kind, rows)
        return path

    def night(name: str, draws: Night) -> tuple[list[Path], list[Path]]:
        samples, verdicts = drawn(draws)
        halves = [(samples[::2], verdicts[1::2]), (samples[1::2], verdicts[::2])]
        return (
            [folder(f"{name} samples {n}", "samples", part) for n, (part, _) in enumerate(halves)],
            [folder(f"{name} verdicts {n}", "verdicts", part) for n, (_, part) in enumerate(halves)],
        )

    nights: list[Night] = [[("a", "accepted"), ("b", "rejected"), ("c", "error")], [("a", "rejected"), ("d", "accepted")]]
    first, second = (folder(name, "pass_rates", []) for name in ("first", "second"))
    assert update_folder(None, *night("1", nights[0]), first) == {"rows": 2, "new": 2, "forgotten": 0}
    assert update_folder(first, *night("2", nights[1]), second, decay=0.04) == {"rows": 2, "new": 1, "forgotten": 1}
    assert list(read_rows(second)) == updated(after(nights[0]), *drawn(nights[1]), decay=0.04)


@pytest.mark.parametrize(("rate", "weight"), [(0.0, 2.0), (0.5, 1.0), (0.75, 0.5), (0.9, 0.25), (1.0, 0.25)])
def test_an_answer_to_a_hard_prompt_weighs_more(rate: float, weight: float) -> None:
    assert row_weight(rate) == pytest.approx(weight)
