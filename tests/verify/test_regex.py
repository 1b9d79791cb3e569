"""The `regex` verifier."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.verify.dispatch import verify_answers
from tasks.verify.regex import LONGEST_PATTERN, check_reference, plants, regex
from tasks.verify.settings import VerifySettings
from tasks.verify.verdict import Answer


@pytest.mark.parametrize(
    ("response", "reference", "state"),
    [
        ("blue", "blue|red", "accepted"),
        ("  blue\n", "blue", "accepted"),
        ("BLUE", "(?i)blue", "accepted"),
        ("<think>red</think>blue", "blue", "accepted"),
        ("It is <answer>2024-05-01</answer>.", r"\d{4}-\d\d-\d\d", "accepted"),
        ("a\nblue\nsky", "(?s).*blue.*", "accepted"),
        ("<answer>blue</answer><answer>red</answer>", "blue|red", "accepted"),  # each of them matches
        ("It is blue", "blue", "rejected"),
        ("blue sky", "blue", "rejected"),
        ("blues", "blue|red", "rejected"),
        ("<answer>blue</answer><answer>green</answer>", "blue|red", "rejected"),
        ("", ".*", "answer_unparsable"),
        ("<think>blue</think>", "blue|", "answer_unparsable"),
        ("<think>blue", "blue", "answer_unparsable"),
    ],
)
def test_convention(response: str, reference: str, state: str) -> None:
    assert check_reference(reference) == ""
    assert regex(response, reference).state == state


@pytest.mark.parametrize(
    "reference", ["", "  ", "(", "[a", "a{2,1}", "(?P<x", "*", "a" * (LONGEST_PATTERN + 1), r"\8", "(?z)a"]
)
def test_a_pattern_that_is_none_never_accepts(reference: str) -> None:
    assert check_reference(reference)
    assert not list(plants(reference))
    assert regex(reference, reference).state == "reference_unparsable"


def test_a_pattern_that_takes_for_ever_costs_its_row_only() -> None:
    tasks = [Answer(text, "regex", "(a+)+b") for text in ("aab", "a" * 60, "c")]
    assert [verdict.state for verdict in verify_answers(tasks, VerifySettings(time_limit=0.5))] == [
        "accepted",
        "timed_out",
        "rejected",
    ]


@pytest.mark.parametrize("reference", ["blue", r"3\.5", r"Mr\. X", "a b"])
def test_its_plants_get_the_verdicts_they_should(reference: str) -> None:
    planted = list(plants(reference))
    assert len({plant.right for plant in planted}) == 2
    assert [plant for plant in planted if (regex(plant.text, reference).state == "accepted") != plant.right] == []


def test_nothing_is_planted_where_nothing_is_known() -> None:
    assert not [plant for reference in ("a.c", r"\d", "a|b", "(a)", "x+", "[ab]") for plant in plants(reference)]


@settings(deadline=None)
@given(st.text(), st.sampled_from(["blue", r"\d+", "(?i)x|y"]) | st.text(max_size=20))
def test_no_text_makes_it_raise(response: str, reference: str) -> None:
    assert regex(response, reference).state != "accepted" or not check_reference(reference)
