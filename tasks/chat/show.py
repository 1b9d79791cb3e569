"""A label row as text again: runs of tokens that are trained, and runs that are not."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from tasks.runtime.rows import IGNORED, Row


def label_runs(tokenizer: Any, row: Row) -> list[tuple[str, float]]:
    """The row's text in pieces, each with the weight of its tokens in the loss: 0 not trained, 1 trained, between: prompt.

    Special tokens are written out. A piece is decoded as a whole, so that characters of several tokens stay whole.
    """
    weights = row.get("loss_weights") or [1.0] * len(row["labels"])
    marks = [0.0 if label == IGNORED else round(float(weight), 6) for label, weight in zip(row["labels"], weights, strict=True)]
    runs = []
    for weight, run in groupby(zip(marks, row["input_ids"], strict=True), key=lambda pair: pair[0]):
        ids = [token for _, token in run]
        runs.append((str(tokenizer.decode(ids, clean_up_tokenization_spaces=False)), weight))
    return runs
