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
from tasks.select.outcomes import Selection
from tasks.select.settings import SelectionSettings

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
        ((24.0, 0.0), HINT, True),
        ((30.0, 0.001), HINT, True),
        ((23.2, 0.0), HINT, False),
        ((24.0, 1.0), HINT, False),
        ((24.0, 0.0), "", False),
        (None, HINT, False),
    ],
)
def test_only_prompts_that_many_draws_never_solved_get_one(
    known: tuple[float, float] | None, hint: str, expected: bool
) -> None:
    assert eligible(prompt(hint=hint), {"a": known} if known else {}, BudgetSettings()) is expected


@given(
    st.integers(0, 30),
    st.tuples(st.integers(0, 20_000), st.integers(0, 2_000)),
    st.integers(1, 200),
    st.floats(0, 0.1),
    st.sampled_from([0, 500, 10_000]),
)
def test_hints_stay_within_their_share(hopeless: int, tokens: tuple[int, int], longest: int, share: float, budget: int) -> None:
    prompts = [prompt(f"p{number}") for number in range(hopeless)]
    memory = dict.fromkeys((row["id"] for row in prompts), (24.0, 0.0))
    settings = BudgetSettings(hint_share=share, token_budget=budget)
    spent, hinted = sum(tokens), tokens[1]
    plan = planned_hints(prompts, memory, settings, tokens_spent=spent, longest=longest, seed=1, tokens_hinted=hinted)
    most = longest * sum(count for _, _, count in plan)
    assert not plan or hinted + most <= share * (spent + most) + 1e-6
    assert not budget or not plan or spent + most <= budget
    assert all(first == 0 and 1 <= count <= 4 for _, first, count in plan)
    assert len({name for name, _, _ in plan}) == len(plan) <= hopeless


def test_a_tenth_is_the_most() -> None:
    with pytest.raises(ValidationError, match="hint_share"):
        BudgetSettings(hint_share=0.2)
