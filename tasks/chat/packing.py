"""Label rows → packs: several whole rows in one sequence, so that a batch holds almost no padding.

A pack is itself a label row. Its position ids restart at 0 where a member begins, which is what keeps attention block-diagonal
(transformers reads the borders from them), and a member's first token has no label, so no loss crosses a border.

TRL's `pack_dataset` packs as well as this, but drops ids and weights, cuts what is too long, and imports torch.
"""

from __future__ import annotations

import logging
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence

from tasks.runtime.errors import DataError
from tasks.runtime.rows import IGNORED, Row

WINDOW = 8_192
WINDOW_TOKENS = 1 << 21
log = logging.getLogger("winnow.chat")


def pack_rows(rows: Iterable[Row], tokens: int, window: int = WINDOW) -> Iterator[Row]:
    """Label rows → packs of at most `tokens` tokens; each row lies whole in exactly one pack.

    Best-fit-decreasing (arXiv 2404.10830) inside windows of the stream, so memory holds one window, however many rows there
    are. The same rows give the same packs. How full the packs are is logged at the end.

    Args:
        rows: label rows, each of 1 … `tokens` tokens.
        tokens: the size of a pack.
        window: rows that are looked at together; fewer where they come to `WINDOW_TOKENS` tokens before.

    Yields:
        label rows, in a window by their first members: `id` (``pack:`` and the first member's id), what `join_rows` gives,
        and `members`, the ids of the rows in order.

    Raises:
        DataError: a row without tokens, or with more than a pack holds.
    """
    packs = members = held = 0
    for batch in _windows(rows, tokens, window):
        for places in sorted(best_fit([len(row["input_ids"]) for row in batch], tokens)):
            chosen = [batch[place] for place in places]
            packs, members = packs + 1, members + len(chosen)
            held += sum(len(row["input_ids"]) for row in chosen)
            yield {"id": f"pack:{chosen[0]['id']}", **join_rows(chosen), "members": [row["id"] for row in chosen]}
    if packs:
        log.info("%d rows in %d packs of %d tokens, %.1f %% filled", members, packs, tokens, 100 * held / (packs * tokens))


def best_fit(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Best-fit-decreasing: the longest first, each into the fullest bin that still has room for it. O(n log n) comparisons.

    Args:
        lengths: each 1 … `capacity`.

    Returns:
        the bins: places in `lengths`, rising within a bin. Of equal lengths, and of equal bins, the earlier comes first.
    """
    bins: list[list[int]] = []
    rooms: list[tuple[int, int]] = []  # (room left, bin) of every bin with room, the fullest first
    for place in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        best = bisect_left(rooms, (lengths[place], 0))
        room, chosen = rooms.pop(best) if best < len(rooms) else (capacity, len(bins))
        if chosen == len(bins):
            bins.append([])
        bins[chosen].append(place)
        if room > lengths[place]:
            insort(rooms, (room - lengths[place], chosen))
    return [sorted(places) for places in bins]


def join_rows(rows: Sequence[Row]) -> Row:
    """Label rows (or packs) one after the other as one sequence of their tokens.

    Returns:
        `input_ids`, `labels` (none on a member's first token, which nothing before it predicts), `position_ids` (restart at
        each member), and `loss_weights` where a row has `loss_weights` or a `weight`: their product, 1 in the rows without.
    """
    joined: Row = {"input_ids": [], "labels": [], "position_ids": []}
    for row in rows:
        positions = row.get("position_ids") or range(len(row["input_ids"]))
        joined["input_ids"] += row["input_ids"]
        joined["labels"] += [label if position else IGNORED for label, position in zip(row["labels"], positions, strict=True)]
        joined["position_ids"] += positions
    if any(row.get("loss_weights") is not None or row.get("weight") is not None for row in rows):
        joined["loss_weights"] = [weight for row in rows for weight in _weights(row)]
    return joined


def _weights(row: Row) -> list[float]:
    weight = 1.0 if row.get("weight") is None else row["weight"]
    return [weight * each for each in row.get("loss_weights") or [1.0] * len(row["input_ids"])]


def _windows(rows: Iterable[Row], tokens: int, window: int) -> Iterator[list[Row]]:
    """The rows in runs of at most `window` rows and about `WINDOW_TOKENS` tokens."""
    batch: list[Row] = []
    held = 0
    for row in rows:
        length = len(row["input_ids"])
        if not 0 < length <= tokens:
            raise DataError(
                f"label row {row['id']!r} has {length} tokens, and a pack holds 1 to {tokens}: rows are never cut, so make "
                "pack_tokens at least max_tokens"
            )
        batch.append(row)
        held += length
        if len(batch) >= window or held >= WINDOW_TOKENS:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch
