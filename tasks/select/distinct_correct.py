"""The `distinct_correct` rule: several different correct answers of a prompt, up to a cap.

Answers are the same when their texts are, white space and case aside. Of the same ones the first draw stays, and of
the different ones the first `cap` draws: draws are independent, so the first ones are a random set. Preferring short,
or likely, answers would shift the policy's length and narrow it night after night (RFT, arXiv 2308.01825, keeps all
distinct ones; ReST-EM, 2312.06585, caps at ten).
"""

from __future__ import annotations

from collections.abc import Sequence

from tasks.runtime.rows import Row
from tasks.select.settings import SelectionSettings


def normal_text(text: str) -> str:
    """The text as answers are compared: without case, runs of white space as one space."""
    return " ".join(text.casefold().split())


def distinct_correct(answers: Sequence[Row], settings: SelectionSettings) -> list[tuple[Row, str]]:
    """Which of one prompt's accepted answers to keep.

    Args:
        answers: sample rows of one prompt, all accepted and whole, in the order of their draws.
        settings: `cap` is used.

    Returns:
        Every answer once, with the reason it is dropped for: ``duplicate``, ``over_cap``, or "" for kept.
    """
    outcome: list[tuple[Row, str]] = []
    seen: set[str] = set()
    for answer in answers:
        text = normal_text(answer["text"])
        reason = "duplicate" if text in seen else "over_cap" if len(seen) >= settings.cap else ""
        seen.add(text)
        outcome.append((answer, reason))
    return outcome
