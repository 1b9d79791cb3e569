"""Random choices that do not depend on the order, the batch or the machine: lots drawn by digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from tasks.data.questions import normal_text
from tasks.runtime.rows import Row

Candidates = Mapping[str, Sequence[Row]]


def lot(purpose: str, name: str) -> str:
    """The lot (sha256, hex) that `name` draws; sorted by it, names are in a random order that is each purpose's own."""
    return hashlib.sha256(f"{purpose}\0{name}".encode("utf-8", "replace")).hexdigest()


def distinct_up_to(cap: int, answers: Iterable[Row]) -> dict[str, str]:
    """Of answers in order of preference, one of each text (as `normal_text`), and of those the first `cap`.

    Returns:
        Sample id → ``duplicate``, ``over_cap`` or "".
    """
    reasons: dict[str, str] = {}
    seen: set[str] = set()
    for answer in answers:
        text = normal_text(answer["text"])
        reasons[answer["sample_id"]] = "duplicate" if text in seen else "over_cap" if len(seen) >= cap else ""
        seen.add(text)
    return reasons
