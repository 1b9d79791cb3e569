"""Label rows as the trainer reads them: refused where nothing would be learnt, and counted."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from tasks.chat.packing import join_rows
from tasks.runtime.errors import DataError
from tasks.runtime.rows import IGNORED, Row, read_rows

TRAINED = ("input_ids", "labels", "position_ids", "loss_weights", "weight")


def read_label_rows(folder: Path) -> list[Row]:
    """The label rows and packs of a folder, with the fields that training needs.

    Raises:
        DataError: no rows, a row that trains no token, or a weight that is negative or no number.
    """
    rows = list(read_rows(folder, columns=list(TRAINED)))
    if not rows:
        raise DataError("no label rows to train on; see the rendering's rejects for why rows were left out")
    for index, row in enumerate(rows):
        joined = join_rows([row])
        weights = joined.get("loss_weights") or [1.0] * len(row["labels"])
        if wrong := [weight for weight in weights if not 0 <= weight < math.inf]:
            raise DataError(f"label row {index} has the loss weight {wrong[0]}; weights are finite and not negative")
        if not any(label != IGNORED and weight for label, weight in zip(joined["labels"], weights, strict=True)):
            raise DataError(f"label row {index} trains no token; render it with another mask, or leave it out")
    return rows


def members(row: Row) -> int:
    """How many rows a label row holds: 1, or those of a pack, whose position ids restart at each."""
    positions: list[int] = row.get("position_ids") or [0]
    return positions.count(0)


def count_rows(rows: Iterable[Row]) -> dict[str, int]:
    """`rows` (a pack counts as its members), `tokens`, and `label_tokens`: those in the loss, so no row's first token."""
    counts = {"rows": 0, "tokens": 0, "label_tokens": 0}
    for row in rows:
        counts["rows"] += members(row)
        counts["tokens"] += len(row["input_ids"])
        counts["label_tokens"] += sum(label != IGNORED for label in join_rows([row])["labels"])
    return counts
