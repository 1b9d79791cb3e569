"""Near duplicates across prompts and nights: found among long answers, never among short ones or one prompt's own."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.runtime.rows import Row
from tasks.select.filters.settings import NearDuplicateSettings
from tasks.select.near_duplicates import PAST, WITHIN, comparable_text, near_duplicate_reasons
from tests.select.filters.ordinary import ORDINARY

WORDS = [
    f"{start}{end}" for start in ("ba", "de", "fi", "go", "hu", "ka", "le", "mo") for end in ("nd", "rk", "st", "ll", "mp")
]
ANSWER = " ".join(WORDS)
CHANGED = " ".join([*WORDS[:-1], "other"])


def candidates(answers: Mapping[str, Sequence[str]]) -> dict[str, list[Row]]:
    return {
        name: [{"sample_id": f"{name}/0/{draw}", "prompt_id": name, "text": text} for draw, text in enumerate(texts)]
        for name, texts in answers.items()
    }


def reasons(answers: Mapping[str, Sequence[str]], past: Sequence[str] = (), **changes: float) -> dict[str, str]:
    return near_duplicate_reasons(candidates(answers), iter(past), NearDuplicateSettings(**changes))  # type: ignore[arg-type]


def test_an_answer_that_another_prompt_or_a_past_night_has_is_dropped() -> None:
    assert reasons({"a": [ANSWER], "b": [CHANGED], "c": ["else " + ANSWER.upper()]}) == {
        "a/0/0": "",
        "b/0/0": WITHIN,
        "c/0/0": WITHIN,
    }
    assert reasons({"a": [ANSWER, "84"], "b": ["84"]}, past=["84", CHANGED]) == {"a/0/0": PAST, "a/0/1": "", "b/0/0": ""}
    assert set(reasons({"a": [ANSWER], "b": [ANSWER]}, past=[ANSWER], enabled=False).values()) == {""}


def test_answers_to_one_prompt_are_the_rules_business() -> None:
    assert set(reasons({"a": [ANSWER, ANSWER, CHANGED]}).values()) == {""}
    assert reasons({"a": [ANSWER, CHANGED], "b": [CHANGED, ANSWER]}) == {
        "a/0/0": "",
        "a/0/1": "",
        "b/0/0": WITHIN,
        "b/0/1": WITHIN,
    }


def test_past_texts_are_all_compared_with_though_they_repeat_each_other() -> None:
    longer, longest = f"{ANSWER} once", f"{ANSWER} once more"  # similarities .973, .974, and .947 of the first and the last
    assert reasons({"a": [longest]}, past=[ANSWER], threshold=0.96)["a/0/0"] == ""
    assert reasons({"a": [longest]}, past=[ANSWER, longer], threshold=0.96)["a/0/0"] == PAST


def test_an_arithmetic_night_loses_nothing() -> None:
    rng = random.Random(0)
    sums = {f"{a}+{b}": (a, b) for a, b in (rng.sample(range(100, 999), 2) for _ in range(200))}
    assert len(sums) == 200
    styles = [
        lambda a, b: str(a + b),
        lambda a, b: f"The answer is {a + b}.",
        lambda a, b: f"<think>I add {a} and {b}.</think>\n<answer>{a + b}</answer>",
        lambda a, b: (
            f"To find the total, we add the first number, {a}, and the second number, {b}. First the hundreds: {a // 100} and "
            f"{b // 100} make {a // 100 + b // 100}. Then the rest, {a % 100} and {b % 100}, makes {a % 100 + b % 100}. "
            f"Putting both together gives {a + b}, so the final answer to this problem is {a + b}."
        ),
    ]
    for style in styles:
        night = {name: [style(a, b)] * 2 for name, (a, b) in sums.items()}
        assert set(reasons(night, past=[style(b, a + 1) for a, b in sums.values()]).values()) == {""}


def test_ordinary_answers_are_no_duplicates_of_each_other() -> None:
    code = {
        name: texts for name, texts in ((str(n), [row[2]]) for n, row in enumerate(ORDINARY)) if "fibonacci" not in texts[0]
    }
    assert set(reasons(code, past=[" ".join(text.split()[::-1]) for texts in code.values() for text in texts]).values()) == {""}


def test_boards_and_tables_of_numbers_are_too_short_to_be_near_duplicates() -> None:
    board = "[" + ", ".join(["[0, 1, 0, 0, 1, 0]"] * 30) + "]"
    assert set(reasons({"a": [board], "b": [board]}, past=[board]).values()) == {""}


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"sample_id": "a", "text": "84"}, "84"),
        ({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "84"}]}, "84"),
        (
            {
                "messages": [
                    {"role": "user", "content": "q"},
                    {"role": "assistant", "content": "no", "train": False},
                    {"role": "user", "content": "q"},
                    {"role": "assistant", "content": "84", "reasoning_content": "sum", "train": True},
                ]
            },
            "sum\n84",
        ),
    ],
)
def test_what_the_model_said_is_compared(row: Row, text: str) -> None:
    assert comparable_text(row) == text


TEXTS = st.lists(st.sampled_from(WORDS[:12]), max_size=14).map(" ".join)


@settings(max_examples=60, deadline=None)
@given(
    answers=st.dictionaries(st.sampled_from("abcd"), st.lists(TEXTS | st.text(max_size=20), min_size=1, max_size=4)),
    past=st.lists(TEXTS, max_size=5),
)
def test_what_always_holds(answers: dict[str, list[str]], past: list[str]) -> None:
    asked = {"threshold": 0.5, "ngram": 1, "least_words": 3}
    found = reasons(answers, past, **asked)
    rows = candidates(answers)
    assert list(found) == [row["sample_id"] for texts in rows.values() for row in texts]
    assert set(found.values()) <= {"", WITHIN, PAST}
    if not past:
        assert PAST not in found.values()
    kept = {name: [row["text"] for row in texts if not found[row["sample_id"]]] for name, texts in rows.items()}
    again = reasons({name: texts for name, texts in kept.items() if texts}, past, **asked)
    assert set(again.values()) <= {""}, "what is kept is near nothing else that is kept"
