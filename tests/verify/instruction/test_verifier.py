"""The `instruction` verifier as a whole: scores, the loose mode, references, and its planted answers."""

from __future__ import annotations

import json
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.verify.instruction.plants import plants
from tasks.verify.instruction.verifier import check_reference, instruction
from tests.verify.instruction.references import EXAMPLES, reference

COMMA = ("punctuation:no_comma", dict[str, Any]())
TITLE = ("detectable_format:title", dict[str, Any]())
WORDS = ("length_constraints:number_words", {"num_words": 3, "relation": "at least"})


def test_the_score_is_the_share_followed_and_the_reason_names_the_first_that_is_not() -> None:
    verdict = instruction("only, two", reference(TITLE, COMMA, WORDS, ("startend:end_checker", {"end_phrase": "two"})))
    assert (verdict.state, verdict.score) == ("rejected", 0.25)
    assert verdict.reason == "detectable_format:title: no title in <<double angular brackets>>"
    assert instruction("a, b", reference(WORDS)).reason == "length_constraints:number_words: 2 words, at least 3 wanted"
    assert instruction("<<a>> b c", reference(TITLE, COMMA, WORDS)).score == 1.0


@pytest.mark.parametrize("text", ["", " \r\n", "\u200b", "<think>no comma</think>\n"])
@pytest.mark.parametrize("mode", ["strict", "loose"])
def test_an_empty_answer_follows_nothing(text: str, mode: str) -> None:
    verdict = instruction(text, reference(COMMA, mode=mode))
    assert (verdict.state, verdict.score) == ("answer_unparsable", 0.0)


def test_thinking_does_not_count() -> None:
    assert instruction("<think>well, then</think>no comma", reference(COMMA)).state == "accepted"
    assert instruction("<think><<A title>></think>no title", reference(TITLE)).state == "rejected"


@pytest.mark.parametrize(
    ("text", "constraint"),
    [
        ("Sure, here it is:\nno comma", COMMA),
        ("no comma\nHope that helps, bye", COMMA),
        ("Sure, yes:\nno comma\nHope so, bye", COMMA),
        ('Here you are:\n{"a": 1}', ("detectable_format:json_format", {})),
        ("**lower case**\nSigned: Me", ("change_case:english_lowercase", {})),
        ('*"quoted"*', ("startend:quotation", {})),
        ("Yes:\n**\"quoted\"**\nDone.", ("startend:quotation", {})),
    ],
)  # fmt: skip
def test_loose_forgives_a_first_line_a_last_line_and_asterisks(text: str, constraint: tuple[str, dict[str, Any]]) -> None:
    assert instruction(text, reference(constraint)).state == "rejected"
    assert instruction(text, reference(constraint, mode="loose")).state == "accepted"


def test_loose_does_not_take_an_empty_reading_for_an_answer() -> None:
    assert instruction("well, yes", reference(COMMA, mode="loose")).state == "rejected"
    assert instruction("well, yes\nso, no", reference(COMMA, mode="loose")).state == "rejected"


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet='ab ,.*\n"<>[]A1', max_size=40), st.sampled_from(EXAMPLES))
def test_loose_follows_whatever_strict_does(text: str, example: tuple[str, dict[str, Any]]) -> None:
    strict, loose = instruction(text, reference(example)), instruction(text, reference(example, mode="loose"))
    assert loose.score >= strict.score


@pytest.mark.parametrize(
    "bad",
    [
        *("", "null", "[]", "{}", "18", "[" * 5000, '{"instruction_id_list": []}'),
        '{"instruction_id_list": ["punctuation:no_comma"]}',
        '{"instruction_id_list": ["punctuation:no_comma"], "kwargs": []}',
        '{"instruction_id_list": ["punctuation:no_comma"], "kwargs": [[]]}',
        '{"instruction_id_list": [3], "kwargs": [{}]}',
        '{"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}], "mode": "lax"}',
        '{"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}], "mode": ["loose"]}',
    ],
)
def test_a_reference_that_cannot_be_read_is_said_so_and_accepts_nothing(bad: str) -> None:
    assert check_reference(bad)
    assert instruction("no comma", bad).state == "reference_unparsable"
    assert list(plants(bad)) == []


@settings(max_examples=50, deadline=None)
@given(st.text(), st.text())
def test_it_never_raises(response: str, odd: str) -> None:
    assert instruction(response, odd).state == "reference_unparsable"
    assert check_reference(json.dumps({"instruction_id_list": [odd], "kwargs": [{odd: odd}]}))


def test_every_kind_has_a_planted_answer_of_each_sort() -> None:
    for example in EXAMPLES:
        assert {plant.right for plant in plants(reference(example))} == {True, False}, example


@pytest.mark.parametrize("mode", ["strict", "loose"])
def test_the_verdict_on_every_planted_answer_is_the_planted_one(mode: str) -> None:
    composed = 0
    for size in (1, 2):
        for constraints in combinations(EXAMPLES, size):
            asked = reference(*constraints, mode=mode)
            for plant in plants(asked):
                composed += plant.right and size > 1
                verdict = instruction(plant.text, asked)
                assert (verdict.state == "accepted") == plant.right, (constraints, plant, verdict)
    assert composed > 100  # pairs that can stand together


def test_constraints_that_exclude_each_other_have_no_right_answer() -> None:
    upper, lower = ("change_case:english_capital", {}), ("change_case:english_lowercase", {})
    few = ("length_constraints:number_words", {"num_words": 4, "relation": "less than"})
    request = ("combination:repeat_prompt", {"prompt_to_repeat": "Write, please."})
    for constraints in [(upper, lower), (few, WORDS), (request, COMMA), (request, ("startend:quotation", {}))]:
        assert not any(plant.right for plant in plants(reference(*constraints)))
