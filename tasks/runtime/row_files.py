"""Rows in one file that a person names: JSON lines or Parquet, by its ending. Written whole or not at all."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tasks.runtime.errors import ConfigurationError, DiskFullError, is_disk_full
from tasks.runtime.rows import write_rows


def write_row_file(path: Path, kind: str, rows: Iterable[Mapping[str, Any]], check: Callable[[], None] = lambda: None) -> int:
    """Write rows of a kind to `path` (``.jsonl`` or ``.parquet``) and return their number.

    Args:
        check: called when all rows have passed, before the file appears; what it raises leaves no file.

    Raises:
        ConfigurationError: another ending, or a place that cannot be written. DiskFullError.
    """
    if path.suffix not in (".jsonl", ".parquet"):
        raise ConfigurationError(f"--out {path}: the ending decides the format; use .jsonl or .parquet")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".part-") as scratch:
            if path.suffix == ".parquet":
                count = write_rows(Path(scratch), kind, rows, rows_per_shard=sys.maxsize)
                made = Path(scratch, "rows-00000.parquet")
            else:
                count, made = 0, Path(scratch, path.name)
                with made.open("w", encoding="utf-8") as file:
                    for row in rows:
                        file.write(json.dumps(row, ensure_ascii=False) + "\n")
                        count += 1
            check()
            os.replace(made, path)
    except OSError as error:
        if is_disk_full(error):
            raise DiskFullError(f"disk full while writing {path}: free space and run again") from error
        raise ConfigurationError(f"{path} cannot be written ({error}); give another place") from error
    return count
