"""Reading rows from a user's file: JSONL or Parquet, streamed, its kind told from its fields."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.runtime.errors import DataError
from tasks.runtime.rows import JSON_FIELDS, Row, read_rows
from tasks.validate.codes import ROW_CODES
from tasks.validate.structure import FIELDS, BrokenLine

_ROWS_TO_JUDGE_BY = 100
_BATCH = 2_000
# kind → the fields that tell it, first match wins
_SIGNS = {
    "samples": [{"sample_id"}],
    "labels": [{"input_ids"}],
    "prompts": [{"messages", "verifier"}, {"messages", "reference"}],
    "chat": [{"messages"}],
}


def read_file(path: Path, kind: str | None = None) -> tuple[str, Iterator[Row | BrokenLine]]:
    """The kind of a file's rows, and the rows as a stream.

    Args:
        path: a ``.jsonl`` or Parquet file (told by its first bytes), or a folder of ``rows-*.parquet``.
        kind: ``chat``, ``prompts``, ``labels`` or ``samples``; None: told from the fields of the first rows.

    Returns:
        The kind, and the rows in order. A line that is not JSON comes as a `BrokenLine`. `messages` and `metadata`
        kept as JSON text are decoded; a chat row without `source` gets the file's name.

    Raises:
        DataError: the file cannot be read, is empty, or its fields are those of no known kind. Reading on may raise
        it too.
    """
    if kind is not None and kind not in ROW_CODES:
        raise DataError(f"format {kind!r} is unknown; known: {', '.join(sorted(ROW_CODES))}")
    head = list(islice(_rows(path), _ROWS_TO_JUDGE_BY))
    if not head:
        raise DataError(f"{path} holds no rows; give a file with one JSON object a line, or Parquet")
    kind = kind or _kind_of(path, head)
    return kind, (_completed(row, kind, path.name) for row in _rows(path))


def _kind_of(path: Path, head: list[Any]) -> str:
    fields = {str(name) for row in head if isinstance(row, dict) for name in row}
    for kind, signs in _SIGNS.items():
        if any(sign <= fields for sign in signs):
            return kind
    known = "; ".join(f"{kind}: {', '.join(FIELDS[kind])}" for kind in ROW_CODES)
    if not fields:
        first = head[0].detail if isinstance(head[0], BrokenLine) else f"a {type(head[0]).__name__}"
        raise DataError(f"{path}: no JSON object in its first lines ({first}); write one JSON object a line, or Parquet")
    raise DataError(
        f"{path}: fields {', '.join(sorted(fields))} are those of no known kind of row. Known kinds: {known}. "
        "Rename the fields, or say which kind it is with --format"
    )


def _completed(row: Any, kind: str, source: str) -> Any:
    if kind == "chat" and isinstance(row, dict) and row.get("source") is None:
        return {**row, "source": source}
    return row


def _rows(path: Path) -> Iterator[Any]:
    try:
        if path.is_dir():
            if not any(path.glob("rows-*.parquet")):
                raise DataError(f"{path} is a folder without rows-*.parquet; give a JSONL or Parquet file")
            yield from read_rows(path)
            return
        with path.open("rb") as file:
            parquet = file.read(4) == b"PAR1"
        yield from _parquet_rows(path) if parquet else _json_rows(path)
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}; check the path, its rights, and that the file is whole") from error


def _json_rows(path: Path) -> Iterator[Any]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                yield json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
            except (ValueError, RecursionError) as error:
                yield BrokenLine(number, str(error) or type(error).__name__)


def _parquet_rows(path: Path) -> Iterator[Row]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=_BATCH):
            for row in batch.to_pylist():
                yield {name: _decoded(name, value) for name, value in row.items() if value is not None}


def _decoded(name: str, value: Any) -> Any:
    if name not in JSON_FIELDS or not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value  # the row's check says that the field has the wrong type
