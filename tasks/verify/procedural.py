"""The `reasoning_gym` verifier: the scorer of the family that made the question.

The reference is JSON: ``{"dataset": family, "entry": {"question", "answer", "metadata"}}``.

Convention: the answer is the content of ``<answer>`` tags; else, where the family's own answer is a plain number, the
number that the response offers by the `number` verifier's rules ("The final answer is 84." offers 84); else the
stripped response. The question, where the response repeats it, is no part of the answer. Accepted is a score of 1 only:
many scorers give part of a point to an answer that merely contains the right one.

Families whose scorer evaluates text as Python are refused: what a model wrote is never run here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import cache
from importlib.metadata import version
from typing import Any

from tasks.verify.answers import after_thinking, tagged_answers
from tasks.verify.number import extract
from tasks.verify.plants import Plant
from tasks.verify.verdict import Verdict, verifier

FULL_SCORE = 1.0  # exactly: spell_backward gives a right beginning with any ending a sum of shares, 0.9999999999999999
# Their `score_answer` calls eval or sympy's parse_expr (which is eval) on the response or on the reference.
EVALUATING_FAMILIES = frozenset(
    {
        "binary_matrix",
        "bitwise_arithmetic",
        "countdown",
        "intermediate_integration",
        "n_queens",
        "number_sorting",
        "polynomial_multiplication",
        "puzzle24",
        "simple_integration",
        "spiral_matrix",
        "string_insertion",
    }
)
_PLAIN_NUMBER = re.compile(r"[-+]?[0-9][0-9,]*(?:\.[0-9]+)?")

Scorer = Callable[[str, dict[str, Any]], float]


@cache
def scorer_of(family: str) -> Scorer:
    """reasoning-gym's scorer of a family. Raises `ValueError` for an unknown family, or one that evaluates text."""
    if family in EVALUATING_FAMILIES:
        raise ValueError(f"the scorer of {family!r} evaluates text as Python, which Winnow never does; use another family")
    import reasoning_gym

    try:
        return reasoning_gym.get_score_answer_fn(family)  # type: ignore[no-any-return]
    except Exception as error:
        raise ValueError(f"reasoning-gym has no scorer for {family!r} ({error})") from error


def _parse(reference: str) -> tuple[Scorer, dict[str, Any]]:
    """The scorer and the entry a reference names. Raises `ValueError`."""
    try:
        data = json.loads(reference)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the reference is not JSON ({error})") from error
    entry = data.get("entry") if isinstance(data, dict) else None
    if not isinstance(entry, dict) or not isinstance(data.get("dataset"), str):
        raise ValueError('the reference is not {"dataset": name, "entry": {…}}')
    answer = entry.get("answer")
    if not isinstance(answer, str) or not answer.strip():
        raise ValueError("the reference's entry has no answer text")
    return scorer_of(data["dataset"]), entry


def check_reference(reference: str) -> str:
    """Why `reference` cannot be scored against; empty when it can."""
    try:
        _parse(reference)
    except ValueError as error:
        return str(error)
    return ""


def plain_number(answer: str) -> bool:
    """Whether an answer is one number and nothing else."""
    return bool(_PLAIN_NUMBER.fullmatch(answer.strip()))


def plants(reference: str) -> Iterator[Plant]:
    """The family's own answer in the notations that count, and answers beside it where it is a number."""
    _, entry = _parse(reference)
    answer = entry["answer"]
    if not plain_number(answer):
        yield Plant(answer, True, "plain")
        yield Plant(f"<answer>{answer}</answer>", True, "answer tag")
        yield Plant(f"Let me think.\n<answer>\n{answer}\n</answer>", True, "answer tag on lines")
        yield Plant(f"<think>Is it <answer>none</answer>?</think><answer>{answer}</answer>", True, "after thinking")
        yield Plant(f"<answer>{answer}</answer> or <answer>not {answer}</answer>", False, "two tags")
        return
    for text, kind in (
        (answer, "plain"),
        (f"The final answer is {answer}.", "sentence"),
        (f"<answer>{answer}</answer>", "answer tag"),
        (f"Step by step:\n\\boxed{{{answer}}}", "boxed"),
        (f"#### {answer}", "GSM8K mark"),
        (f"<think>Perhaps 7, or 8.</think>{answer}", "after thinking"),
    ):
        yield Plant(text, True, kind)
    other = _beside(answer)
    for text, kind in (
        (other, "another number"),
        (f"The final answer is {other}, not {answer}.", "another number"),
        (f"<answer>{answer}</answer> or <answer>{other}</answer>", "two tags"),
        (f"\\boxed{{{answer}}} or \\boxed{{{other}}}", "two boxes"),
        (re.sub(r"[0-9]", r"1\g<0>", answer.replace(",", ""), count=1), "one digit more"),
        (f"{answer} = {other}", "false equation"),
    ):
        yield Plant(text, False, kind)


def _beside(answer: str) -> str:
    """Another number, too far off for any tolerance."""
    value = Decimal(answer.strip().replace(",", ""))
    return f"{value + abs(value) + 1:f}"


@verifier(version=f"3+reasoning-gym-{version('reasoning-gym')}", check_reference=check_reference, plants=plants)
def reasoning_gym(response: str, reference: str) -> Verdict:
    """Accept a response that the family's scorer gives the whole point (module docstring: convention). Never raises."""
    try:
        scorer, entry = _parse(reference)
    except ValueError as error:
        return Verdict("reference_unparsable", reason=str(error))
    answer = _answer(response, entry)
    if isinstance(answer, Verdict):
        return answer
    try:
        score = float(scorer(answer, entry))
    except Exception as error:
        return _scorer_failed(error, scorer, entry)
    if not 0 <= score <= 1:
        return Verdict("error", reason=f"the scorer returned {score}, which is not in 0–1")
    if score >= FULL_SCORE:
        return Verdict("accepted", score)
    return Verdict("rejected", score, "the family's scorer says no")


def _answer(response: str, entry: dict[str, Any]) -> str | Verdict:
    """The answer text a response offers, or the verdict that there is none."""
    text = after_thinking(response)
    if isinstance(question := entry.get("question"), str) and question.strip():
        text = text.replace(question.strip(), "")  # repeated, it offers nothing, though its last number may be the answer
    if tagged := tagged_answers(text):
        if len(set(tagged)) > 1:
            return Verdict("rejected", reason="offers several different answers")
        return tagged[0] or Verdict("answer_unparsable", reason="the answer is empty")
    if plain_number(entry["answer"]):
        offered = extract(text)
        return offered.found.spelling if offered.found else Verdict(offered.state, reason=offered.reason)
    return text.strip() or Verdict("answer_unparsable", reason="the answer is empty")


def _scorer_failed(error: Exception, scorer: Scorer, entry: dict[str, Any]) -> Verdict:
    """Whose fault it is: a scorer that fails on the entry's own answer cannot use the entry."""
    try:
        scorer(entry["answer"], entry)
    except Exception as own:
        return Verdict("reference_unparsable", reason=f"the scorer fails on the entry's own answer: {own!r}")
    return Verdict("answer_unparsable", reason=f"the scorer cannot read the answer: {error!r}")
