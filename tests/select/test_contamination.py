"""Contamination: a prompt that says an evaluation question is found; a family's wording gives nothing away."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.runtime.rows import Row
from tasks.select.contamination import contaminated_prompts

QUESTION = (
    "A farmer has 17 sheep and buys twice as many goats; on Monday he sells 4 of each. "
    "How many animals are left on the farm by the end of that day?"
)
SUM = "State the final answer to the following arithmetic problem: {} + {} ="


def prompt(name: str, *user: str, system: str = "") -> Row:
    turns = [{"role": "system", "content": system}] if system else []
    for text in user:
        turns += [{"role": "user", "content": text}, {"role": "assistant", "content": "Well."}]
    return {"id": name, "messages": turns[:-1], "reference": "43", "verifier": "number", "family": "x"}


def found(prompts: list[Row], items: list[Row]) -> set[str]:
    return contaminated_prompts({row["id"]: row for row in prompts}, iter(items))


@pytest.mark.parametrize(
    ("asked", "contaminated"),
    [
        (prompt("p", QUESTION), True),
        (prompt("p", f"  {QUESTION.upper()} "), True),
        (prompt("p", f"Please solve this: {QUESTION} Thanks."), True),
        (prompt("p", "Hello", QUESTION), True),
        (prompt("p", "Go on.", system=f"An example: {QUESTION}"), True),
        (prompt("p", QUESTION.split(";")[1] + " Before, he had 17."), True),
        (prompt("p", QUESTION.replace("17", "23").replace("4", "5")), False),
        (prompt("p", "How many animals are left on the farm?"), False),
        (prompt("p", "A farmer has 17 sheep and buys twice as many, then sells 4. How many are left?"), False),
        (prompt("p", ""), False),
    ],
)
def test_who_gives_the_question_away(asked: Row, contaminated: bool) -> None:
    assert found([asked, prompt("q", "What is 2 + 2?")], [prompt("i", "Something else"), prompt("i", QUESTION)]) == (
        {"p"} if contaminated else set()
    )


def test_another_sign_is_another_question() -> None:
    asked = [prompt("same", SUM.format(12, 34)), prompt("other", SUM.replace("+", "-").format(12, 34))]
    assert found(asked, [prompt("i", SUM.format(12, 34))]) == {"same"}


def test_short_questions_count_when_they_are_the_same() -> None:
    assert found([prompt("a", "3 + 5 ="), prompt("b", "3 - 5 ="), prompt("c", " 3  + 5 =")], [prompt("i", "3 + 5 =")]) == {
        "a",
        "c",
    }
    assert found([prompt("a", "3 + 5 =")], []) == set()
    assert found([], [prompt("i", QUESTION)]) == set()


@pytest.mark.parametrize("size", [1, 4, 40])
def test_a_procedural_night_loses_only_the_same_questions(size: int) -> None:
    rng = random.Random(size)
    items = [prompt(f"i{n}", SUM.format(rng.randrange(100, 200), rng.randrange(100, 200))) for n in range(size)]
    night = [prompt(f"p{n}", SUM.format(rng.randrange(200, 300), rng.randrange(200, 300))) for n in range(size)]
    assert found(night, items) == set()
    assert found([*night, prompt("leak", items[0]["messages"][0]["content"])], items) == {"leak"}


def test_the_wording_of_a_family_is_nobodys_question() -> None:
    """Without numbers to tell them apart, eleven questions of one wording, on both sides together, show that it is one."""
    wording = "Spell the following word backward, letter by letter, and give only the result: {}"
    words = "apple bread candle dog egg flour garden house iron jug kettle lamp".split()  # noqa: SIM905
    items, night = (
        [prompt(f"i{w}", wording.format(w)) for w in words[:5]],
        [prompt(f"p{w}", wording.format(w)) for w in words[5:]],
    )
    assert len(items) + len(night) > 10
    assert found(night, items) == set()
    assert found([*night, prompt("leak", items[0]["messages"][0]["content"])], items) == {"leak"}
    assert found(night, items[:1] * 30) == {row["id"] for row in night}, "one item many times over is one question"


def test_a_small_night_of_a_generated_family_keeps_all_but_the_same_questions() -> None:
    """Five prompts and four items with long examples in their wording: too few to show that it is a wording."""
    wording = (
        "You have balls of different types. Replacing two of the same type gives the next: [1, 1] becomes [2], [2, 2] becomes "
        "[3]. Write each step on a line of its own and end with the list that cannot be replaced any more. Now you have {}"
    )
    made = [prompt(f"q{n}", wording.format([1] * (n + 2))) | {"verifier": "reasoning_gym"} for n in range(9)]
    assert found(made[:5], made[5:]) == set()
    assert found([*made[:5], made[8] | {"id": "leak"}], made[5:]) == {"leak"}
    by_hand = [row | {"verifier": "exact"} for row in made[5:]]
    assert found(made[:5], by_hand), "nothing is known of what somebody else wrote"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=40), max_size=6), st.lists(st.text(max_size=40), max_size=6))
def test_what_always_holds(asked: list[str], items: list[str]) -> None:
    night = [prompt(f"p{n}", text) for n, text in enumerate(asked)]
    contaminated = found(night, [prompt(f"i{n}", text) for n, text in enumerate(items)])
    assert contaminated == {row["id"] for row, text in zip(night, asked, strict=True) if text in items} | contaminated
    if not items:
        assert not contaminated
