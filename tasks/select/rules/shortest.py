"""The `shortest_correct` rule: for a model that says too much."""

from __future__ import annotations

from tasks.select.rules.lots import Candidates
from tasks.select.settings import SelectionSettings


def shortest_correct(candidates: Candidates, settings: SelectionSettings) -> dict[str, str]:
    """The answer of each prompt with the fewest characters; of equals, the one with the smallest sample id.

    Trained on night after night it shortens what the policy says, and narrows it: a tool for a purpose, not a default.

    Returns:
        Sample id → ``not_shortest``, or "" for the one of each prompt that is kept.
    """
    reasons: dict[str, str] = {}
    for answers in candidates.values():
        shortest = min(answers, key=lambda row: (len(row["text"]), row["sample_id"]))
        reasons |= {row["sample_id"]: "" if row is shortest else "not_shortest" for row in answers}
    return reasons
