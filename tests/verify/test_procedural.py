"""The `reasoning_gym` verifier: answers found as people write them, whole points only, and no text ever run as code."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any

import pytest
import reasoning_gym as gym
from hypothesis import given, settings
from hypothesis import strategies as st
from reasoning_gym.factory import DATASETS

from tasks.verify.procedural import EVALUATING_FAMILIES, check_reference, reasoning_gym

SUM = json.dumps({"dataset": "chain_sum", "entry": {"question": "40 + 44 =", "answer": "84", "metadata": {}}})


def reference(family: str, **entry: Any) -> str:
    return json.dumps({"dataset": family, "entry": {"question": "?", "metadata": {}, **entry}})


@pytest.mark.parametrize(
    "response",
    [
        "84",
        "The final answer is 84.",
        "40 + 44 = 84",
        "<answer>84</answer>",
        "84.0",
        "#### 84",
        "**84**",
        "<think>8?</think> 84",
    ],
)
def test_a_right_sum_is_accepted(response: str) -> None:
    assert reasoning_gym(response, SUM).state == "accepted"


@pytest.mark.parametrize(
    ("response", "state"),
    [
        ("-84", "rejected"),
        ("184", "rejected"),  # the scorer gives part of a point to what contains the answer
        ("83 or 84", "rejected"),
        ("84, or maybe 85", "rejected"),
        ("<answer>83</answer><answer>84</answer>", "rejected"),
        ("<answer>It is 84</answer>", "rejected"),
        ("eighty-four", "answer_unparsable"),
        ("", "answer_unparsable"),
        ("<answer></answer>", "answer_unparsable"),
        ("40 + 44 =", "answer_unparsable"),  # the question itself
        ("The question is: 40 + 44 =", "answer_unparsable"),
    ],
)
def test_a_wrong_sum_is_not(response: str, state: str) -> None:
    assert reasoning_gym(response, SUM).state == state


def test_a_text_answer_is_scored_as_it_stands() -> None:
    entry = gym.create_dataset("spell_backward", seed=3, size=1)[0]
    told = json.dumps({"dataset": "spell_backward", "entry": entry})
    assert reasoning_gym(f" {entry['answer']}\n", told).state == "accepted"
    assert reasoning_gym(f"It is {entry['answer']}", told).state == "rejected"


def test_a_question_that_ends_in_the_answer_is_no_answer() -> None:
    told = reference("aiw", question="Bob has 3 sisters and 4 brothers, 4 in all?", answer="4")
    assert reasoning_gym("Bob has 3 sisters and 4 brothers, 4 in all?", told).state == "answer_unparsable"
    assert reasoning_gym("Bob has 3 sisters and 4 brothers, 4 in all? It is 4.", told).state == "accepted"


def test_a_right_beginning_is_no_right_answer() -> None:
    """spell_backward adds up a share for each right letter, and six times 1/6 is 0.9999999999999999."""
    told = reference("spell_backward", answer="sserts")
    assert reasoning_gym("sserts", told).state == "accepted"
    assert reasoning_gym("sserts or more", told).state == "rejected"


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "84",
        "[]",
        "null",
        '{"dataset": "chain_sum"}',
        '{"dataset": "chain_sum", "entry": []}',
        '{"dataset": 3, "entry": {"answer": "84"}}',
        reference("chain_sum", answer=""),
        reference("chain_sum", answer=84),
        reference("no_such_family", answer="84"),
        reference("countdown", answer="84"),
        "[" * 100_000,
    ],
)
def test_a_reference_that_cannot_be_read_never_accepts(broken: str) -> None:
    assert check_reference(broken)
    for response in ("84", "", broken[:100]):
        assert reasoning_gym(response, broken).state == "reference_unparsable"


def test_an_entry_the_scorer_cannot_use_is_the_references_fault() -> None:
    told = json.dumps({"dataset": "rubiks_cube", "entry": {"question": "?", "answer": "F", "metadata": {}}})
    assert reasoning_gym("F", told).state in ("reference_unparsable", "rejected")


def test_every_family_whose_scorer_evaluates_text_is_refused() -> None:
    """Reads the installed library: a release that adds such a family fails here."""
    evaluates = re.compile(r"(?<![\w.])(?:eval|exec)\(|parse_expr\(|sympify\(|sp\.S\(")
    sources = {name: inspect.getsource(cls.score_answer) for name, (cls, _) in DATASETS.items()}
    found = {name for name, source in sources.items() if evaluates.search(source)}
    # Scores through a function of its module that evaluates the question.
    assert found | {"bitwise_arithmetic"} == set(EVALUATING_FAMILIES)


def test_code_in_an_answer_is_not_run(tmp_path: Any) -> None:
    trace = tmp_path / "was-run"
    code = f"__import__('pathlib').Path({str(trace)!r}).touch()"
    for family in sorted(EVALUATING_FAMILIES):
        told = reference(family, answer="1", metadata={"target": 1, "numbers": [1], "problem": code, "integrand": "x"})
        assert reasoning_gym(code, told).state == "reference_unparsable"
        assert reasoning_gym(f"<answer>{code}</answer>", told).state == "reference_unparsable"
    assert not trace.exists()


@settings(deadline=None)
@given(st.text(), st.sampled_from(["chain_sum", "spell_backward", "basic_arithmetic", "leg_counting", "word_sorting"]))
def test_no_text_makes_it_raise(response: str, family: str) -> None:
    entry = gym.create_dataset(family, seed=1, size=1)[0]
    told = json.dumps({"dataset": family, "entry": entry})
    for text in (response, f"<answer>{response}</answer>"):
        verdict = reasoning_gym(text, told)
        assert verdict.state in ("accepted", "rejected", "answer_unparsable")


@given(st.text())
def test_no_reference_makes_it_raise(text: str) -> None:
    assert reasoning_gym("84", text).state == "reference_unparsable"
