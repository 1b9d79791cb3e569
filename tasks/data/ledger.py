"""What a mix knows of each row: some numbers, never its text; and the account of those that are left out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.data.decontamination import Overlap
from tasks.data.duplicates import conversation_key
from tasks.data.shuffle import order_key
from tasks.data.splits import named_group, prompt_key
from tasks.runtime.errors import ContractError, DataError
from tasks.runtime.rows import Row

LEFT_OUT, OVERLAPS = "left_out.jsonl", "overlaps.jsonl"
KEPT, EVALUATION_ITEM, DUPLICATE, NEAR_DUPLICATE, OVER_CAP, OVER_SHARE = range(6)
REASONS = ("kept", "evaluation_item", "duplicate", "near_duplicate", "over_cap", "over_share")


class Ledger:
    """One entry a row, in the order of the sources. About 80 bytes a row, and its id.

    Attributes:
        starts: [sources + 1] the place of each source's first row, and the number of all.
        reason: [rows] index into `REASONS`.
        other, similarity: [rows] the row that it is a duplicate of (−1: none), and how similar they are (0–1).
        conversation, prompt, group: [rows, 2] keys, see `conversation_key`, `prompt_key`, `named_group`.
        order: [rows] `order_key`.
    """

    def __init__(self, counts: Sequence[int], seed: int) -> None:
        """`counts`: the rows of each source."""
        self.seed, self.starts = seed, np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        total = int(self.starts[-1])
        self.reason, self.other = np.zeros(total, np.uint8), np.full(total, -1, np.int64)
        self.similarity, self.order = np.zeros(total, np.float32), np.zeros(total, np.uint64)
        self.conversation, self.prompt, self.group = (np.zeros((total, 2), np.uint64) for _ in range(3))
        self.items: dict[int, str] = {}  # row → the evaluation item it gives away
        self._ids: list[pa.Array] = []
        self._first: list[int] = []  # the place of each chunk's first row

    def __len__(self) -> int:
        return len(self.reason)

    def note(self, first: int, rows: Sequence[Row], overlaps: Sequence[list[Overlap]]) -> None:
        """Enter the next rows, the first of which stands at `first`, with the items that each gives away."""
        if first + len(rows) > len(self):
            raise ContractError("a part holds more rows than its files say; write it again")
        self._ids.append(pa.array([row["id"] for row in rows], pa.string()))
        self._first.append(first)
        for index, (row, found) in enumerate(zip(rows, overlaps, strict=True), first):
            self.order[index] = order_key(self.seed, row["id"])
            self.conversation[index] = np.frombuffer(conversation_key(row), np.uint64)
            self.prompt[index] = np.frombuffer(prompt_key(row), np.uint64)
            self.group[index] = np.frombuffer(named_group(row), np.uint64)
            if found:
                self.reason[index], self.items[index], self.similarity[index] = EVALUATION_ITEM, found[0].item, found[0].covered

    def id_of(self, index: int) -> str:
        chunk = int(np.searchsorted(self._first, index, "right")) - 1
        return str(self._ids[chunk][index - self._first[chunk]].as_py())

    @property
    def kept(self) -> np.ndarray:
        """[rows] bool."""
        return np.asarray(self.reason == KEPT)

    def drop(self, rows: np.ndarray, reason: int, other: np.ndarray | int = -1, similarity: np.ndarray | float = 0.0) -> None:
        """Leave out the rows at these places."""
        self.reason[rows], self.other[rows], self.similarity[rows] = reason, other, similarity

    def refuse_shared_ids(self) -> None:
        """Raise `DataError` when two of the kept rows have the same id."""
        places = np.flatnonzero(self.kept)
        ordered = places[np.argsort(self.order[places], kind="stable")]
        for index in np.flatnonzero(np.diff(self.order[ordered]) == 0).tolist():
            one, other = int(ordered[index]), int(ordered[index + 1])
            if self.id_of(one) == self.id_of(other):
                a, b = (int(np.searchsorted(self.starts, place, "right")) for place in (one, other))
                raise DataError(
                    f"two different rows are called {self.id_of(one)!r}, in source {a} and in source {b} of the mix; "
                    "give one of these sources a name, which its ids then begin with"
                    if a != b
                    else f"two different rows of source {a} of the mix are called {self.id_of(one)!r}; ids must be unique"
                )

    def line(self, index: int, row: Row) -> str:
        """The entry of a row that is left out, as JSON: id, source, reason, and what it collides with and how much."""
        entry: dict[str, Any] = {"id": row["id"], "source": row.get("source"), "reason": REASONS[self.reason[index]]}
        if index in self.items:
            entry["with"] = self.items[index]
        elif self.other[index] >= 0:
            entry["with"] = self.id_of(int(self.other[index]))
        if "with" in entry:
            entry["similarity"] = round(float(self.similarity[index]), 4)
        return json.dumps(entry)

    def counts(self, source: int | None = None) -> dict[str, int]:
        """How many rows of a source (None: of all) are kept, and left out for each reason."""
        part = self.reason if source is None else self.reason[self.starts[source] : self.starts[source + 1]]
        return dict(zip(REASONS, np.bincount(part, minlength=len(REASONS)).tolist(), strict=True))


def write_overlaps(folder: Path, rows: Sequence[Row], overlaps: Sequence[list[Overlap]]) -> int:
    """Append every pair of row and evaluation item to ``overlaps.jsonl``; returns how many."""
    pairs = [(row["id"], overlap) for row, found in zip(rows, overlaps, strict=True) for overlap in found]
    with (folder / OVERLAPS).open("a", encoding="ascii") as file:
        for row_id, overlap in pairs:
            file.write(json.dumps({"id": row_id, "item": overlap.item, "covered": round(overlap.covered, 4)}) + "\n")
    return len(pairs)
