"""Pools: the sound rows of a user's source, kept as an artifact, which each draw of a night takes its rows from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path

from tasks.data.load import load_kind
from tasks.data.procedural import Draw
from tasks.data.questions import question_keys
from tasks.data.sources.digest import Pinned, pinned
from tasks.runtime.errors import DataError
from tasks.runtime.progress import tracked
from tasks.runtime.rows import Row, read_rows, write_rows
from tasks.validate.facts import Facts, tokenizer_facts
from tasks.validate.report import Inspection, Summary
from tasks.validate.settings import ValidationSettings


def write_pinned_pool(
    source: Pinned, kind: str, settings: ValidationSettings, model: Path | None, accepted: Path, report: Path
) -> Summary:
    """As `write_pool`, of a source that must be what it was when it was pinned: else `DataError`."""
    if pinned(source.address).digest != source.digest:
        raise DataError(f"{source.address} has changed since the run began; run again")
    return write_pool(source.address, kind, settings, model, accepted, report)


def write_pool(
    address: str, kind: str, settings: ValidationSettings, model: Path | None, accepted: Path, report: Path
) -> Summary:
    """Load a source and check its rows by their suite: accepted ones to `accepted`, the report with all others to `report`.

    Args:
        kind: ``chat`` or ``prompts``: what the source must hold or become.
        model: a folder whose tokenizer says which texts are control tokens.

    Returns:
        The summary of the validation, and ``format``: what the rows were converted from. Nothing is refused here, so
        that the report is kept whatever it says.

    Raises:
        DataError: the source holds rows of another kind or cannot be read.
    """
    facts = Facts()
    if model is not None:
        from tasks.chat.tokenizer import load_tokenizer

        facts = tokenizer_facts(load_tokenizer(model))
    loaded = load_kind(address, kind)
    inspection = Inspection(kind, facts, report, settings)
    write_rows(accepted, kind, inspection.accepted(tracked(loaded.rows, 0, "rows")))
    return {**inspection.finish(), "format": loaded.format}


def pool_prompts(pool: Path, draw: Draw, count: int, exclude: AbstractSet[str]) -> Iterator[Row]:
    """Up to `count` prompt rows of a pool.

    The pool is put into an order of the run's seed and the night. Each round takes the next `count` rows of it, so
    that a prompt comes again only when the pool is used up. Prompts whose question is in `exclude` do not count.

    Args:
        pool: a folder of prompt rows with different ids; only their order is held in memory, and the rows drawn.

    Raises:
        DataError: nothing left to draw.
    """
    order = sorted(
        (hashlib.sha256(f"{draw.seed}/{draw.night}/{row['id']}".encode()).digest(), index)
        for index, row in enumerate(read_rows(pool, ["id", "messages"]))
        if question_keys(row["messages"])[-1] not in exclude
    )
    if not order:
        raise DataError(f"every prompt of {draw.role}_file is asked elsewhere already (evaluation or training); add others")
    count = min(count, len(order))
    first = draw.round * count
    wanted = [order[place % len(order)][1] for place in range(first, first + count)]
    chosen = set(wanted)
    rows = {index: row for index, row in enumerate(read_rows(pool)) if index in chosen}
    yield from (rows[index] for index in wanted)


def pool_chat_rows(pool: Path, count: int, exclude: AbstractSet[str]) -> Iterator[Row]:
    """The first `count` chat rows of a pool whose questions are not in `exclude`. Raises `DataError`: nothing left."""
    found = 0
    for row in read_rows(pool):
        if found == count:
            return
        if exclude.isdisjoint(question_keys(row["messages"])):
            found += 1
            yield row
    if found == 0 and count > 0:
        raise DataError("every warm-start row asks an evaluation item's question; add other rows to warm_file")
