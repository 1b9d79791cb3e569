"""A selection rule of the tests: unlike the built-in one, it keeps the last draw."""

from __future__ import annotations

from typing import Any


def last_one(answers: list[dict[str, Any]], settings: Any) -> list[tuple[dict[str, Any], str]]:
    """Keep the last accepted answer of a prompt."""
    return [*((answer, "not_last") for answer in answers[:-1]), (answers[-1], "")]
