"""Scoring as a cached task."""

from __future__ import annotations

from itertools import chain

from tasks.evaluate.scores import score_rows
from tasks.runtime.references import DatasetRef
from tasks.runtime.rows import read_rows, write_rows
from tasks.runtime.run import current_run
from tasks.runtime.task import winnow_task


@winnow_task(version="1", label="score {of}", unkeyed=("of",))
def score_items(items: DatasetRef, samples: list[DatasetRef], verdicts: list[DatasetRef], of: str) -> DatasetRef:
    """Greedy answers and their verdicts → one score row an item; counts have `right`."""
    store = current_run().store
    answers = chain.from_iterable(read_rows(store.open(ref)) for ref in samples)
    judged = chain.from_iterable(read_rows(store.open(ref)) for ref in verdicts)
    rows = list(score_rows(read_rows(store.open(items)), answers, judged))
    with store.draft() as draft:
        counts = {"rows": write_rows(draft, "scores", rows), "right": sum(row["score"] == 1.0 for row in rows)}
        ref: DatasetRef = store.publish(
            draft, "scores", inputs={"items": items, "samples": [r.digest for r in samples]}, counts=counts
        )
        return ref
