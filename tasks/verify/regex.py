"""The `regex` verifier: the answer matches a pattern.

The reference is a Python regular expression. Convention: the **whole** answer must match it (write ``(?s).*blue.*`` to
find it anywhere); the answer is the content of ``<answer>`` tags, else the response after its thinking, without the white
space around it. Flags are written in the pattern (``(?i)``). Of several tags each must match. An empty answer is
none, whatever the pattern. One that takes for ever costs its row the verdict `timed_out`: it runs where it can be killed.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from functools import lru_cache

from tasks.verify.answers import after_thinking, tagged_answers
from tasks.verify.plants import Plant
from tasks.verify.verdict import Verdict, verifier

LONGEST_PATTERN = 2_000
_SPECIAL = re.compile(r"(?<!\\)(?:\\\\)*[.^$*+?{}\[\]|()]|\\[A-Za-z0-9]")


@lru_cache(maxsize=1024)
def _pattern(reference: str) -> re.Pattern[str] | str:
    """The compiled reference, or why it is none."""
    if not reference.strip():
        return "the reference is empty"
    if len(reference) > LONGEST_PATTERN:
        return f"the reference is a pattern of over {LONGEST_PATTERN} characters"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return re.compile(reference)
    except (re.error, OverflowError, RecursionError, ValueError) as error:
        return f"the reference is no regular expression: {error}"


def check_reference(reference: str) -> str:
    """Why `reference` is no pattern to match with; empty when it is one."""
    pattern = _pattern(reference)
    return pattern if isinstance(pattern, str) else ""


def _is_text(reference: str) -> bool:
    """Whether a pattern is plain text, which nothing but itself matches."""
    return not _SPECIAL.search(reference)


def plants(reference: str) -> Iterator[Plant]:
    """For a pattern that is plain text, that text and others; of other patterns nothing is known to be right or wrong."""
    if check_reference(reference) or not _is_text(reference):
        return
    text = re.sub(r"\\(.)", r"\1", reference)
    if text != text.strip():
        return
    for form in ("{}", " {}\n", "<answer>{}</answer>", "<think>no</think>{}"):
        yield Plant(form.format(text), True, "plain text")
    for form in ("{}{}", "x{}", "{}x", "It is {}", "<think>{}</think>", "<answer>{}</answer><answer>x</answer>"):
        yield Plant(form.format(text, text), False, "more than the text")


@verifier(version="2", check_reference=check_reference, plants=plants, judges_form=lambda reference: not _is_text(reference))
def regex(response: str, reference: str) -> Verdict:
    """Accept a response whose answer matches the reference (module docstring: convention). Never raises."""
    pattern = _pattern(reference)
    if isinstance(pattern, str):
        return Verdict("reference_unparsable", reason=pattern)
    text = after_thinking(response)
    answers = tagged_answers(text) or [text.strip()]
    if not all(answers):
        return Verdict("answer_unparsable", reason="the answer is empty")
    if all(pattern.fullmatch(answer) for answer in answers):
        return Verdict("accepted", 1.0)
    return Verdict("rejected", reason="the answer does not match the pattern as a whole")
