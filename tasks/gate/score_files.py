"""Score rows from a file or folder a person names: JSONL, Parquet, or a folder of Parquet shards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tasks.runtime.errors import DataError


def read_scores(path: Path) -> list[dict[str, Any]]:
    """The score rows at `path` (``.parquet``, or JSON lines under any other ending, or an artifact's folder).

    Raises:
        DataError: nothing there, or not readable as such; the message names the file and, for JSON lines, the line.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.exists():
        raise DataError(f"no score file at {path}; `winnow evaluate --out FILE` writes one")
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not files:
        raise DataError(f"the folder {path} holds no .parquet file; give a score file or a folder of Parquet shards")
    try:
        if files[0].suffix == ".parquet":
            return [row for file in files for row in pq.read_table(file).to_pylist()]
        return _lines(path)
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read as score rows: {error}; give JSON lines or Parquet") from error


def _lines(path: Path) -> list[dict[str, Any]]:
    rows = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise DataError(f"{path}:{number} is not JSON ({error}); write one score row a line") from error
            if not isinstance(row, dict):
                raise DataError(f"{path}:{number} is a {type(row).__name__}, not a score row (a JSON object)")
            rows.append(row)
    return rows
