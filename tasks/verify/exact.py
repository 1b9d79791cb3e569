"""The `exact` verifier: the same text, white space aside.

Convention: both sides are brought to Unicode NFC and runs of white space count as one space; case counts. When the
response holds ``<answer>`` tags, their content is the answer, and tags that differ are not accepted.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from tasks.verify.answers import after_thinking, tagged_answers
from tasks.verify.plants import Plant
from tasks.verify.verdict import Verdict, verifier


def _normal(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def check_reference(reference: str) -> str:
    """Why `reference` cannot be compared with; empty when it can."""
    return "" if _normal(reference) else "the reference is empty"


def plants(reference: str) -> Iterator[Plant]:
    """Answers that are the reference, and answers that are another text."""
    words = reference.split()
    yield Plant(reference, True, "plain")
    yield Plant(f" {reference}\n", True, "white space around")
    yield Plant("\n ".join(words), True, "other white space")
    yield Plant(unicodedata.normalize("NFD", reference), True, "decomposed letters")
    yield Plant(f"I think it is this: <answer>{reference}</answer>", True, "answer tag")
    yield Plant(f"<think>Not {reference}x?</think>\n{reference}", True, "after thinking")
    for text, kind in (
        (f"{reference} {reference}", "said twice"),
        (f"{reference}x", "one letter more"),
        (reference.strip()[:-1], "one letter less"),
        (f"It is {reference}", "inside a sentence"),
        (f"<answer>{reference}</answer><answer>{reference}x</answer>", "two answers"),
    ):
        yield Plant(text, False, kind)


@verifier(version="3", check_reference=check_reference, plants=plants)
def exact(response: str, reference: str) -> Verdict:
    """Accept a response that is the reference (module docstring: convention). Never raises."""
    if problem := check_reference(reference):
        return Verdict("reference_unparsable", reason=problem)
    text = after_thinking(response)
    answers = {_normal(answer) for answer in tagged_answers(text) or [text]}
    if len(answers) > 1:
        return Verdict("rejected", reason="offers several different answers")
    answer = answers.pop()
    if not answer:
        return Verdict("answer_unparsable", reason="the answer is empty")
    same = answer == _normal(reference)
    return Verdict("accepted", 1.0) if same else Verdict("rejected", reason="the answer is another text")
