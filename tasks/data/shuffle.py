"""A seeded order for more rows than memory holds: sorted on disk by the hash of each row's id.

A row's place depends on (seed, id) alone: not on the shards, the sources or the rows beside it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from tasks.runtime.rows import Row

_DIGITS = 16


def order_key(seed: int, row_id: str) -> int:
    """Where a row stands in the order of a seed: 64 bits of a hash of both."""
    digest = hashlib.blake2b(row_id.encode("utf-8", "replace"), digest_size=8, key=seed.to_bytes(8, "little")).digest()
    return int.from_bytes(digest, "big")


class ShuffledRows:
    """Rows put in in any order, and read back in the order of their keys.

    Memory: one bucket of rows. Disk: all of them, as JSON. Use within ``with``; `rows` once, after the last `add`.
    """

    def __init__(self, folder: Path, buckets: int) -> None:
        """`folder`: does not exist yet. `buckets`: how many parts to sort apart; a part must fit into memory."""
        folder.mkdir()
        self.paths = [folder / f"{number:04d}" for number in range(buckets)]
        self._files: list[BinaryIO] = []
        self._open = ExitStack()

    def __enter__(self) -> ShuffledRows:
        self._files = [self._open.enter_context(path.open("wb")) for path in self.paths]
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def add(self, key: int, row: Row) -> None:
        """Put a row at its place (`order_key`)."""
        line = f"{key:0{_DIGITS}x}{json.dumps(row, ensure_ascii=False)}\n"
        self._files[key * len(self.paths) >> 64].write(line.encode("utf-8"))

    def rows(self) -> Iterator[Row]:
        """All rows in order; each bucket's file goes when it has been read."""
        self._open.close()
        for path in self.paths:
            lines = path.read_bytes().split(b"\n")[:-1]
            path.unlink()
            lines.sort()
            yield from (json.loads(line[_DIGITS:]) for line in lines)
