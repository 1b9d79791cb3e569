"""Chat rows by id, from their shards on disk: 20 bytes a row in memory, and the row groups that are needed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from tasks.runtime.rows import Row

# Packs take their members from some 8,192 rows in a row, and a row group holds 2,000.
_GROUPS_IN_MEMORY = 8
_COLUMNS = ["id", "messages", "tools"]


class ChatIndex:
    """Finds chat rows by id, in whatever order they are asked for; asked for in their own order, each shard is read once.

    Args:
        folders: of ``rows-*.parquet`` with chat rows; of rows with the same id the first counts.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._groups = [
            (shard, group)
            for folder in folders
            for shard in sorted(folder.glob("rows-*.parquet"))
            for group in range(pq.ParquetFile(shard).num_row_groups)
        ]
        marks, places = [np.empty(0, "S16")], [np.empty((0, 2), np.int32)]
        for number, (shard, group) in enumerate(self._groups):
            ids = pq.ParquetFile(shard).read_row_group(group, columns=["id"])["id"].to_pylist()
            marks.append(_marks(ids))
            places.append(np.column_stack([np.full(len(ids), number, np.int32), np.arange(len(ids), dtype=np.int32)]))
        all_marks = np.concatenate(marks)
        order = np.argsort(all_marks, kind="stable")
        self._marks, self._places = all_marks[order], np.concatenate(places)[order]
        self._read = lru_cache(maxsize=_GROUPS_IN_MEMORY)(self._columns)

    def rows(self, ids: Iterable[str]) -> dict[str, Row]:
        """Id → ``{"id", "messages", "tools"?}`` of those ids that there are."""
        wanted = sorted(set(ids))
        if not wanted or not len(self._marks):
            return {}
        marks = _marks(wanted)
        at = np.minimum(np.searchsorted(self._marks, marks), len(self._marks) - 1)
        found = self._places[at[self._marks[at] == marks]]
        found = found[np.lexsort((found[:, 1], found[:, 0]))]
        return {row["id"]: row for row in self._rows(found.tolist())}

    def _rows(self, places: list[list[int]]) -> Iterator[Row]:
        for group, members in groupby(places, key=lambda place: place[0]):
            table = self._read(group)
            for row in table.take([place for _, place in members]).to_pylist():
                yield {"id": row["id"]} | {
                    name: json.loads(row[name]) for name in ("messages", "tools") if row.get(name) is not None
                }

    def _columns(self, group: int) -> Any:
        shard, number = self._groups[group]
        return pq.ParquetFile(shard).read_row_group(number, columns=_COLUMNS)


def _marks(ids: Sequence[str]) -> np.ndarray:
    """[ids] 16-byte hashes."""
    digests = (blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest() for text in ids)
    return np.array(list(digests), "S16")
