"""Validating chat rows against tokenising the same rows with the tokenizer's own batch call."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flows.benches.conversations import conversations
from flows.benches.tokenising import BATCH, seconds_to_tokenise
from flows.benches.workload import Workload, workload
from tasks.runtime.errors import WinnowError
from tasks.runtime.rows import Row


def bench_validation(count: int) -> Workload:
    """All row checks, lengths in tokens included, and the suite with its Data Docs; `ratio`: seconds ours ÷ peer, at most 1.

    Both work on what is in memory already, in this process: the peer on rendered text, Winnow on rows.
    """
    from tasks.chat.render import render_text
    from tasks.chat.tokenizer import load_tokenizer
    from tasks.runtime.memory import PeakMemory

    tokenizer = load_tokenizer("embedded")
    rows = list(conversations(count))
    texts = [render_text(tokenizer, row["messages"]) for row in rows]
    seconds_to_tokenise(tokenizer, texts[:BATCH])  # the first call starts threads and fills the cache of words
    peak = PeakMemory()
    peak.start()
    peer = seconds_to_tokenise(tokenizer, texts)
    ours = _validate(tokenizer, rows)
    peak.stop()
    return workload(
        f"validate {count:,} rows",
        ratio=ours / peer,
        ours=ours,
        peer=peer,
        unit="seconds",
        limit_share=ours / peer,
        peak_bytes=peak.peak_bytes,
    )


def _validate(tokenizer: Any, rows: Sequence[Row]) -> float:
    """Seconds until the report stands; Great Expectations' import is not counted, as the tokenizer's is not."""
    import great_expectations  # noqa: F401

    from tasks.validate.facts import tokenizer_facts
    from tasks.validate.report import Inspection
    from tasks.validate.settings import ValidationSettings

    settings = ValidationSettings(min_tokens=2, max_tokens=4096)
    with tempfile.TemporaryDirectory(prefix="winnow-bench-") as folder:
        started = time.monotonic()
        inspection = Inspection("chat", tokenizer_facts(tokenizer), Path(folder), settings)
        accepted = sum(1 for _ in inspection.accepted(rows))
        summary = inspection.finish()
        seconds = time.monotonic() - started
    if accepted != len(rows) or not summary["success"]:
        raise WinnowError(f"only {accepted} of {len(rows)} sound rows were accepted: the bench does not measure what it says")
    return seconds
