"""Checks of sample rows: each one by itself, and what only all of them together show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tasks.runtime.rows import Row
from tasks.validate.facts import Facts
from tasks.validate.messages import Columns

FINISH_REASONS = {"stop", "length"}
# Fewer samples than this may well agree by chance.
_ENOUGH_TO_DIFFER = 8


def check_samples(rows: Sequence[Row], facts: Facts) -> Columns:
    """Verdict columns (true: passes) of rows that have the right fields; at least one row."""
    numbers = np.array([(row["token_count"], row["draw"], row["round"], row["temperature"]) for row in rows], float)
    # What an endpoint does not tell cannot be out of range.
    logprob = np.array([row.get("logprob") or 0.0 for row in rows], float)
    known = facts.prompt_ids
    return {
        "finish_reason_unknown": np.array([row["finish_reason"] in FINISH_REASONS for row in rows]),
        "sample_id_wrong": np.array([row["sample_id"] == f"{row['prompt_id']}/{row['round']}/{row['draw']}" for row in rows]),
        "prompt_unknown": np.array([known is None or row["prompt_id"] in known for row in rows]),
        # Sums of rounded log-probabilities may end a hair above zero.
        "number_out_of_range": (numbers >= 0).all(axis=1) & (logprob <= 1e-3),
    }


@dataclass
class SampleWhole:
    """Gathers, row by row, what the whole-dataset codes need; holds three numbers a prompt."""

    facts: Facts
    draws: Counter[str] = field(default_factory=Counter)
    highest: dict[str, int] = field(default_factory=dict)  # prompt → its largest draw number
    # prompt → the hash of what all its draws say so far; None once two differ
    said: dict[str, int | None] = field(default_factory=dict)

    def add(self, rows: Sequence[Row]) -> None:
        """Count accepted rows."""
        for row in rows:
            prompt, text = row["prompt_id"], hash(row["text"])
            self.draws[prompt] += 1
            self.highest[prompt] = max(row["draw"], self.highest.get(prompt, 0))
            if self.said.setdefault(prompt, text) != text:
                self.said[prompt] = None

    def findings(self) -> dict[str, tuple[int, str]]:
        """Code → (how many prompts or samples it concerns, one of them)."""
        found: dict[str, tuple[int, str]] = {}
        if short := self._short():
            found["draws_missing"] = (len(short), short[0])
        alike = [prompt for prompt, text in self.said.items() if text is not None and self.draws[prompt] >= _ENOUGH_TO_DIFFER]
        if alike:
            found["draws_all_equal"] = (len(alike), alike[0])
        everything = set(self.said.values())
        alone = len(self.draws) < 2 or self.draws.total() < _ENOUGH_TO_DIFFER
        if len(everything) == 1 and None not in everything and not alone:
            found["texts_all_equal"] = (self.draws.total(), next(iter(self.draws)))
        return found

    def _short(self) -> list[str]:
        """Prompts of a round that lack a draw below their last; a file of somebody's samples may be a part of them."""
        if self.facts.prompt_ids is None:
            return []
        return [prompt for prompt in sorted(self.draws) if self.draws[prompt] != self.highest[prompt] + 1]
