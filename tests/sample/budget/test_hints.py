"""The hint arm: who is drawn with a hint, at most a tenth of the tokens, and no hint in what is trained on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.runtime.errors import ContractError, DataError
from tasks.runtime.rows import Row
from tasks.sample.budget.hints import eligible, hinted_prompt, planned_hints, strip_hint
from tasks.sample.budget.settings import BudgetSettings
from tasks.sample.budget.waves import remembered
from tasks.select.outcomes import Selection
from tasks.select.pass_rates import tried_in_vain, updated
from tasks.select.settings import SelectionSettings
from tests.sample.budget.rounds import play

HINT = "Add the tens first."


def prompt(name: str = "a", hint: object = HINT) -> Row:
    turns = [
        {"role": "user", "content": "1 + 1 ="},
        {"role": "assistant", "content": "2"},
        {"role": "user", "content": "23 + 45 ="},
    ]
    about = {"metadata": {"hint": hint, "level": 2}} if hint else {}
    return {"id": name, "messages": turns, "reference": "68", "verifier": "number", "family": "sums", **about}


def chosen(row: Row, text: str) -> list[Row]:
    """The chat rows that a selection makes of one accepted answer to `row`."""
    sample = {
        "sample_id": f"{row['id']}/1/0",
        "prompt_id": row["id"],
        "draw": 0,
        "round": 1,
        "policy": "p" * 64,
        "text": text,
        "finish_reason": "stop",
    }
    selection = Selection([{"sample_id": sample["sample_id"], "state": "accepted", "score": 1.0}], [row], SelectionSettings())
    return [selection.chat_row(kept) for kept, reason in selection.outcomes([sample]) if not reason]


def test_a_hinted_prompt_is_a_prompt_of_its_own() -> None:
    row, hinted = prompt(), hinted_prompt(prompt())
    assert hinted["id"] == "a+hint"
    assert hinted["messages"][-1]["content"] == f"23 + 45 =\n\nHint: {HINT}"
    assert hinted["messages"][:-1] == row["messages"][:-1]
    assert hinted["metadata"]["hint"] == HINT
    assert row == prompt()
    assert "one\ntwo" in hinted_prompt(prompt(hint=["one", "two"]))["messages"][-1]["content"]
    with pytest.raises(DataError, match=r"metadata\.hint"):
        hinted_prompt(prompt(hint=""))


def test_the_hint_is_not_trained_on_and_the_row_is_marked() -> None:
    (bare,) = chosen(prompt(), "20 + 40 = 60, 3 + 5 = 8, 68")
    (row,) = chosen(hinted_prompt(prompt()), "20 + 40 = 60, 3 + 5 = 8, 68")
    assert HINT in row["messages"][-2]["content"]
    stripped = strip_hint(row, prompt())
    assert stripped["weight"] == 2.0  # without its hint the prompt was never solved
    assert stripped["messages"] == bare["messages"]
    assert stripped["metadata"] == {**bare["metadata"], "sample_id": "a+hint/1/0", "hinted": True}
    assert stripped["id"] != bare["id"]
    with pytest.raises(ContractError, match="own prompt"):
        strip_hint(row, prompt("b"))
    with pytest.raises(ContractError, match="own prompt"):
        strip_hint(bare, prompt())
    with pytest.raises(ContractError, match="own prompt"):
        strip_hint(row, prompt(hint="another"))


def test_an_answer_that_shows_its_hint_is_dropped() -> None:
    assert chosen(hinted_prompt(prompt()), "The hint says to add the tens first: 20 + 40 = 60, and 68.") == []


@given(st.text(max_size=40), st.text(min_size=1, max_size=40).filter(str.strip))
def test_whatever_question_and_hint_say_the_question_comes_back(question: str, hint: str) -> None:
    row = prompt(hint=hint) | {"messages": [{"role": "user", "content": question}]}
    answered = {
        "id": "x",
        "messages": [*hinted_prompt(row)["messages"], {"role": "assistant", "content": "68", "train": True}],
        "metadata": {"prompt_id": "a+hint"},
    }
    assert strip_hint(answered, row)["messages"][:-1] == row["messages"]


@pytest.mark.parametrize(
    ("known", "hint", "expected"),
    [
        ({"draws": 24.0, "accepted": 0.0, "unsolved": 24.0}, HINT, True),
        ({"draws": 7.0, "accepted": 0.0, "unsolved": 30.0}, HINT, True),
        ({"draws": 30.0, "accepted": 0.001, "unsolved": 24.0}, HINT, True),
        ({"draws": 24.0, "accepted": 0.0, "unsolved": 23.0}, HINT, False),
        ({"draws": 40.0, "accepted": 0.4, "unsolved": 24.0}, HINT, False),
        ({"draws": 24.0, "accepted": 0.0, "unsolved": 24.0}, "", False),
        ({"draws": 24.0, "accepted": 0.0}, HINT, True),  # of an earlier version
        ({"draws": 24.0, "accepted": 1.0}, HINT, False),
        (None, HINT, False),
    ],
)
def test_only_prompts_that_many_draws_never_solved_get_one(known: Row | None, hint: str, expected: bool) -> None:
    tried = tried_in_vain([{"prompt_id": "a", **known}] if known else [])
    assert eligible(prompt(hint=hint), tried, BudgetSettings()) is expected


@pytest.mark.parametrize("untold", [0, 3])
def test_a_hopeless_prompt_comes_to_its_hint_and_keeps_it_until_it_is_solved(untold: int) -> None:
    """Night after night with the defaults, where its faded draws settle at 20; on the first the verifier may have failed."""
    last, settled = 40, 0.0
    memory: list[Row] = []
    hinted: list[int] = []
    for night in range(last + 12):
        if eligible(prompt(), tried_in_vain(memory), BudgetSettings()):
            hinted.append(night)
        known = remembered(memory)
        settled = known["a"][0] if night == last else settled
        made = play({"a": 1.0 if night == last else 0.0}, BudgetSettings(), known, seed=night).numbers.get("a", [])
        samples = [{"sample_id": f"{night}/{draw}", "prompt_id": "a", "finish_reason": "stop"} for draw in made]
        states = ["error" if not night and draw < untold else "accepted" if night == last else "rejected" for draw in made]
        verdicts = [{**sample, "state": state} for sample, state in zip(samples, states, strict=True)]
        memory = updated(memory, samples, verdicts)
    assert hinted == list(range(2 if untold else 1, last + 1))
    assert settled == pytest.approx(20, abs=0.1)


@given(
    st.integers(0, 30),
    st.tuples(st.integers(0, 20_000), st.integers(0, 2_000)),
    st.integers(1, 200),
    st.floats(0, 0.1),
    st.sampled_from([0, 500, 10_000]),
)
def test_hints_stay_within_their_share(hopeless: int, tokens: tuple[int, int], longest: int, share: float, budget: int) -> None:
    prompts = [prompt(f"p{number}") for number in range(hopeless)]
    tried = dict.fromkeys((row["id"] for row in prompts), 24.0)
    settings = BudgetSettings(hint_share=share, token_budget=budget)
    spent, hinted = sum(tokens), tokens[1]
    plan = planned_hints(prompts, tried, settings, tokens_spent=spent, longest=longest, seed=1, tokens_hinted=hinted)
    most = longest * sum(count for _, _, count in plan)
    assert not plan or hinted + most <= share * (spent + most) + 1e-6
    assert not budget or not plan or spent + most <= budget
    assert all(first == 0 and 1 <= count <= 4 for _, first, count in plan)
    assert len({name for name, _, _ in plan}) == len(plan) <= hopeless


def test_a_tenth_is_the_most() -> None:
    with pytest.raises(ValidationError, match="hint_share"):
        BudgetSettings(hint_share=0.2)
