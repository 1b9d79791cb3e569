"""Prompt rows for the tests of this room."""

from __future__ import annotations

from typing import Any


def prompt(number: int, text: str = "") -> dict[str, Any]:
    return {
        "id": f"p{number}",
        "messages": [{"role": "user", "content": text or f"What is {number} + {number + 3}?"}],
        "reference": str(2 * number + 3),
        "verifier": "number",
        "family": "sums",
    }
