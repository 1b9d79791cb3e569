"""A selection rule of the tests: unlike the built-in ones, it keeps the last draw."""

from __future__ import annotations

from typing import Any


def last_one(candidates: dict[str, list[dict[str, Any]]], settings: Any) -> dict[str, str]:
    """Keep the last accepted answer of each prompt."""
    reasons: dict[str, str] = {}
    for answers in candidates.values():
        reasons |= {answer["sample_id"]: "not_last" for answer in answers[:-1]}
        reasons[answers[-1]["sample_id"]] = ""
    return reasons
