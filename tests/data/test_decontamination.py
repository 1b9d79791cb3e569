"""Evaluation items in training rows: found wherever they are said, and nothing else is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.data.decontamination import EvaluationQuestions, Overlap
from tasks.data.mix_settings import DecontaminationSettings
from tests.validate.rows import prompt, talk

QUESTION = (
    "A farmer has seventeen sheep and buys twice as many goats; on Monday he sells four of each. "
    "How many animals are left on the farm by the end of that day?"
)
WORDS = QUESTION.split()


def item(text: str, id: str = "item") -> dict[str, Any]:
    return prompt(id, messages=[{"role": "user", "content": text}])


def overlaps(items: list[dict[str, Any]], *rows: dict[str, Any], **changes: Any) -> list[list[Overlap]]:
    return EvaluationQuestions(items, DecontaminationSettings(**changes)).overlaps(rows)


def words(first: int, last: int) -> str:
    return " ".join(WORDS[first:last])


@pytest.mark.parametrize(
    "row",
    [
        talk(("user", QUESTION), ("assistant", "47")),
        talk(("user", f"Please solve this:\n\n{QUESTION.upper()} Thanks."), ("assistant", "47")),
        talk(("user", "Make up a puzzle."), ("assistant", f"Here it is: {QUESTION}")),
        talk(
            ("user", "Hi"), ("assistant", "Hello"), ("user", QUESTION.replace(",", "").replace(" ", "  ")), ("assistant", "47")
        ),
        talk(("system", f"Example: {QUESTION} 47"), ("user", "Go"), ("assistant", "Ok")),
        talk(("user", "Go"), ("assistant", "47"), reasoning_content=QUESTION),
    ],
)
def test_a_planted_question_is_found_wherever_it_is_said(row: dict[str, Any]) -> None:
    ((found,),) = overlaps([item("Something else entirely"), item(QUESTION)], row)
    assert (found.item, found.covered) == ("item", 1.0)


def test_thirteen_words_give_a_question_away_and_twelve_do_not() -> None:
    found = overlaps([item(QUESTION)], talk(("user", f"So {words(2, 15)} what?")), talk(("user", f"So {words(2, 14)} what?")))
    assert found == [[Overlap("item", 13 / len(WORDS), False)], []]
    assert overlaps([item(QUESTION)], talk(("user", words(0, 10)), ("assistant", words(10, 20)))) == [[]]


def test_the_rule_of_tulu_counts_the_share_of_words() -> None:
    tulu = {"ngram": 8, "covered": 0.5}
    more, less = talk(("user", f"{words(0, 9)} or {words(15, 24)}")), talk(("user", f"{words(0, 9)} or {words(15, 20)}"))
    assert overlaps([item(QUESTION)], more, less, **tulu) == [[Overlap("item", 18 / len(WORDS), False)], []]


def test_short_questions_count_as_a_whole() -> None:
    items = [item("What is 3 + 5?", "short")]
    same, other, longer = (
        talk(("user", text), ("assistant", "8")) for text in ("what is  3 + 5?", "What is 3 - 5?", "So what is 3 + 5?")
    )
    later = talk(("user", "Hi"), ("assistant", "Yes?"), ("user", "WHAT IS 3 + 5?"), ("assistant", "8"))
    assert overlaps(items, same, other, longer, later) == [[Overlap("short", 1.0, True)], [], [], [Overlap("short", 1.0, True)]]


def test_the_wording_of_a_suite_is_nobodys_question() -> None:
    """Eleven items share their instructions: these alone give none of them away, an item's own words do."""
    frame = "Read the following question with care, think step by step, and write the final answer on the last line:"
    items = [item(f"{frame} {' '.join(f'q{number}w{n}' for n in range(15))}?", f"i{number}") for number in range(11)]
    rows = [talk(("user", f"{frame} what is new?")), talk(("user", " ".join(f"q3w{n}" for n in range(15))))]
    assert [[one.item for one in found] for found in overlaps(items, *rows)] == [[], ["i3"]]
    assert len(overlaps(items, rows[0], common=11)[0]) == 11
    assert len(overlaps(items[:10], rows[0])[0]) == 10


def test_several_turns_of_an_item_count_and_the_most_covered_item_comes_first() -> None:
    both = prompt(
        "both",
        messages=[{"role": "user", "content": words(0, 14)}, *talk(("assistant", "Yes?"), ("user", words(14, 28)))["messages"]],
    )
    (found,) = overlaps([item(f"{QUESTION} {QUESTION}", "twice"), both], talk(("user", words(0, 14))))
    assert found == [Overlap("both", 1.0, True), Overlap("twice", 28 / (2 * len(WORDS)), False)]


LETTERS = st.lists(st.sampled_from("abc"), min_size=1, max_size=14)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(LETTERS, max_size=4), st.lists(st.lists(LETTERS, min_size=1, max_size=3), max_size=4), st.sampled_from([0, 0.5])
)
def test_overlaps_are_those_of_a_slow_reference(items: list[list[str]], rows: list[list[list[str]]], share: float) -> None:
    n = 5

    def runs(text: list[str]) -> set[tuple[str, ...]]:
        return {tuple(text[start : start + n]) for start in range(len(text) - n + 1)}

    def covered(question: list[str], turns: list[list[str]]) -> float:
        if question in turns:
            return 1.0
        said = set().union(*map(runs, turns))
        hits = {
            p
            for start in range(len(question) - n + 1)
            if tuple(question[start : start + n]) in said
            for p in range(start, start + n)
        }
        return len(hits) / len(question)

    asked = [item(" ".join(text), f"i{number}") for number, text in enumerate(items)]
    spoken = [talk(*(("assistant", " ".join(turn)) for turn in turns)) for turns in rows]
    found = EvaluationQuestions(asked, DecontaminationSettings(ngram=n, covered=share)).overlaps(spoken)
    for turns, overlaps in zip(rows, found, strict=True):
        expected = {f"i{k}": covered(text, turns) for k, text in enumerate(items) if items.index(text) == k}
        got = {
            overlap.item: overlap.covered
            for overlap in overlaps
            if items.index(items[int(overlap.item[1:])]) == int(overlap.item[1:])
        }
        assert got == pytest.approx({name: value for name, value in expected.items() if value > share})


def test_rows_beside_the_items_show_what_is_their_common_wording() -> None:
    asked = [item(QUESTION)]
    beside = [item(f"{words(0, 20)} number {n}", f"b{n}") for n in range(3)]
    leak, wording = talk(("user", QUESTION)), talk(("user", f"{words(0, 20)} number 4"))
    for common, found in ((4, [["item"], ["item"]]), (3, [["item"], []])):
        questions = EvaluationQuestions(asked, DecontaminationSettings(common=common), beside)
        assert [[overlap.item for overlap in row] for row in questions.overlaps([leak, wording])] == found
    assert EvaluationQuestions([], DecontaminationSettings(), beside).overlaps([leak]) == [[]]
