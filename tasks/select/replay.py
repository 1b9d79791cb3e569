"""Replay: past nights' rows are trained on again, fewer of them the older they are.

A row's place in the queue is a hash of its id, and a night's share shrinks from its front: a row that was left out once
stays out as it ages, and nothing has to be remembered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from tasks.runtime.errors import ConfigurationError
from tasks.runtime.rows import Row, read_rows, write_rows


def replay_share(age: int, decay: float) -> float:
    """The share of a night's rows that is trained on `age` nights later: ``decay ** age``; all of them at age 0.

    Raises:
        ConfigurationError: a negative age, or a decay that is not in 0–1 (above 0).
    """
    if age < 0 or not 0 < decay <= 1:
        raise ConfigurationError(f"age {age} and decay {decay}: the age must be 0 or more, the decay above 0 and at most 1")
    return float(decay**age)


def replayed(rows: Iterable[Row], age: int, decay: float) -> Iterator[Row]:
    """The rows that stay, in order: about `replay_share` of them, a subset of those that stayed at any smaller age.

    Args:
        rows: need ``id``; the choice depends on it alone, so rows in any order or shard fare alike.

    Raises:
        ConfigurationError: see `replay_share`; before the first row is read.
    """
    share = replay_share(age, decay)
    return (row for row in rows if _place(row["id"]) < share)


def replay_folder(source: Path, out: Path, age: int, decay: float) -> dict[str, int]:
    """Write the chat rows of `source` that stay into `out`, streamed.

    Returns:
        Counts: ``rows`` (kept) and ``read``.

    Raises:
        ConfigurationError: see `replay_share`.
    """
    read = 0

    def counted() -> Iterator[Row]:
        nonlocal read
        for row in read_rows(source):
            read += 1
            yield row

    rows = write_rows(out, "chat", replayed(counted(), age, decay))
    return {"rows": rows, "read": read}


def _place(row_id: str) -> float:
    """A number in 0–1 (below 1), the same for an id everywhere. 53 bits: what a float holds without rounding up to 1."""
    digest = hashlib.sha256(b"replay\x00" + row_id.encode("utf-8", "surrogatepass")).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53
