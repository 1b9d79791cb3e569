"""Score rows for the gate's tests."""

from __future__ import annotations

from typing import Any

Rows = list[dict[str, Any]]


def score_rows(outcomes: list[bool]) -> Rows:
    """One score row an outcome, items ``i0``, ``i1`` …"""
    return [
        {
            "item_id": f"i{number}",
            "family": "sums",
            "score": float(right),
            "state": "accepted" if right else "rejected",
            "sample_id": f"i{number}/0/0",
        }
        for number, right in enumerate(outcomes)
    ]


def sides(wins: int, losses: int, both: int = 0, neither: int = 0) -> tuple[Rows, Rows]:
    """(candidate, other) score rows with that many items of each outcome."""
    candidate = [True] * wins + [False] * losses + [True] * both + [False] * neither
    other = [False] * wins + [True] * losses + [True] * both + [False] * neither
    return score_rows(candidate), score_rows(other)
