"""Rows in the user's own files: JSONL or Parquet, by the file's ending.

One rule decides what happens to a faulty row. What cannot be a row of its kind (not JSON, not an object, unknown or
missing fields, a field of another type) refuses the file, naming it and the line. What can be a row and is wrong (an
empty turn, roles out of order) passes; validation quarantines it with its reasons.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.data.procedural import Draw
from tasks.data.questions import question_keys
from tasks.data.settings import DataSettings
from tasks.runtime import files
from tasks.runtime.errors import ConfigurationError, DataError, UnknownPluginError
from tasks.runtime.plugins import plugin_names
from tasks.runtime.rows import JSON_FIELDS, SCHEMAS, Row, read_rows

_NEEDED = {
    "chat": ("id", "messages"),
    "prompts": ("id", "messages", "reference", "verifier"),
    "samples": ("sample_id", "prompt_id", "text", "finish_reason"),
    "verdicts": ("sample_id", "state"),
}
_JSON_LINES, _PARQUET = (".jsonl", ".ndjson"), (".parquet",)
_BATCH = 2_000


def file_sha256(path: str) -> str:
    """sha256 (hex) of a user's file; "" for no file. Raises `DataError` when it cannot be read."""
    if not path:
        return ""
    try:
        return files.file_digest(Path(path))
    except OSError as error:
        raise _unreadable(Path(path), error) from error


def read_file(path: str | Path, kind: str) -> Iterator[Row]:
    """The rows of a file, streamed, each checked to be a row of `kind` (module docstring).

    Args:
        path: ``.jsonl``, ``.ndjson`` or ``.parquet``, or an artifact's folder.
        kind: ``chat``, ``prompts``, ``samples`` or ``verdicts``.

    Raises:
        ConfigurationError: another ending.
        DataError: missing, unreadable or empty file; a row that is none, with file and line.
    """
    path = Path(path)
    rows = _rows(path)
    empty = True
    try:
        for place, row in rows:
            empty = False
            yield _row(row, kind, place)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error
    if empty:
        raise DataError(f"{path} holds no rows; give a file with at least one {kind} row")


def file_prompts(settings: DataSettings, draw: Draw, count: int, exclude: AbstractSet[str]) -> Iterator[Row]:
    """Up to `count` prompt rows of `train_file` (or, for the role evaluation, of `evaluation_file`).

    The pool is put into an order of the run's seed and the night. Each round takes the next `count` rows of it, so
    that a prompt comes again only when the pool is used up. Prompts whose question is in `exclude` do not count.

    Raises:
        DataError: besides `read_file`: two rows of one id, a row without a reference, nothing left to draw.
        UnknownPluginError: a row's verifier does not resolve.
    """
    path = settings.evaluation_file if draw.role == "evaluation" else settings.train_file
    pool = [row for row in _prompt_pool(path) if question_keys(row["messages"])[-1] not in exclude]
    if not pool:
        raise DataError(f"{path}: every prompt is asked elsewhere already (evaluation or training); add other prompts")
    pool.sort(key=lambda row: hashlib.sha256(f"{draw.seed}/{draw.night}/{row['id']}".encode()).digest())
    count = min(count, len(pool))
    first = draw.round * count
    yield from (pool[index % len(pool)] for index in range(first, first + count))


def file_chat_rows(path: str, count: int, exclude: AbstractSet[str]) -> Iterator[Row]:
    """The first `count` chat rows of a file whose questions are not in `exclude`.

    Raises:
        DataError: besides `read_file`: two rows of one id, nothing left.
    """
    found = 0
    for row in _unique(path, read_file(path, "chat")):
        if found == count:
            return
        if exclude.isdisjoint(question_keys(row["messages"])):
            found += 1
            yield {"source": Path(path).stem, **row}
    if found == 0 and count > 0:
        raise DataError(f"{path}: every row asks an evaluation item's question; add other rows")


def _prompt_pool(path: str) -> Iterator[Row]:
    for row in _unique(path, read_file(path, "prompts")):
        if not row["reference"].strip():
            raise DataError(f"{path}: prompt {row['id']!r} has no reference; give its right answer, or remove it")
        if not question_keys(row["messages"]):
            raise DataError(f"{path}: prompt {row['id']!r} has no user turn; a prompt ends with one")
        _refuse_unregistered(row["verifier"], path, row["id"])
        yield {"family": Path(path).stem, **row}


def _refuse_unregistered(verifier: str, path: str, row_id: str) -> None:
    """Data may name registered verifiers only: ``module:function`` would let a file choose what code is imported."""
    if verifier not in plugin_names("verifiers"):
        raise UnknownPluginError(
            f"{path}: prompt {row_id!r} names the verifier {verifier!r}, which is not registered; "
            f"known: {', '.join(plugin_names('verifiers'))}; register yours under the entry-point group winnow.verifiers"
        )


def _unique(path: str, rows: Iterable[Row]) -> Iterator[Row]:
    seen: set[str] = set()
    for row in rows:
        if row["id"] in seen:
            raise DataError(f"{path}: two rows are called {row['id']!r}; give each its own id")
        seen.add(row["id"])
        yield row


def _json_rows(path: Path) -> Iterator[tuple[str, Any]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                yield f"{path}:{number}", json.loads(line.decode("utf-8-sig"))
            except (ValueError, RecursionError) as error:
                raise DataError(f"{path}:{number} is not a JSON line ({error}); correct or remove it") from error


def _parquet_rows(path: Path) -> Iterator[tuple[str, Any]]:
    number = 0
    for batch in pq.ParquetFile(path).iter_batches(batch_size=_BATCH):
        for row in batch.to_pylist():
            number += 1
            yield f"{path}: row {number}", {name: value for name, value in row.items() if value is not None}


def _row(row: Any, kind: str, place: str) -> Row:
    """`row` as a row of `kind`; nested fields may be JSON text, as in our own Parquet files."""
    if not isinstance(row, dict):
        raise DataError(f"{place}: a {type(row).__name__}, not an object with the fields of a {kind} row")
    schema = SCHEMAS[kind]
    if unknown := sorted(set(row) - set(schema.names)):
        raise DataError(f"{place}: unknown fields {', '.join(unknown)}; a {kind} row has {', '.join(schema.names)}")
    if missing := [name for name in _NEEDED[kind] if row.get(name) is None]:
        raise DataError(f"{place}: no {' and no '.join(missing)}; a {kind} row needs {', '.join(_NEEDED[kind])}")
    return {name: _field(name, value, schema, place) for name, value in row.items() if value is not None}


def _field(name: str, value: Any, schema: pa.Schema, place: str) -> Any:
    if name in JSON_FIELDS:
        try:
            value = json.loads(value) if isinstance(value, str) else value
        except (ValueError, RecursionError) as error:
            raise DataError(f"{place}: {name} is text and not JSON ({error})") from error
        if name == "messages" and not _is_messages(value):
            raise DataError(f"{place}: messages must be a list of objects with role and content")
        return value
    if pa.types.is_string(schema.field(name).type) != isinstance(value, str):
        raise DataError(f"{place}: {name} is a {type(value).__name__}, expected {schema.field(name).type}")
    return value


def _is_messages(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(m, dict) and {"role", "content"} <= set(m) for m in value)


def _rows(path: Path) -> Iterator[tuple[str, Any]]:
    if path.is_dir():
        return ((str(path), row) for row in read_rows(path))
    if path.suffix in _JSON_LINES:
        return _json_rows(path)
    if path.suffix in _PARQUET:
        return _parquet_rows(path)
    raise ConfigurationError(f"{path}: ending {path.suffix!r} is not known; use .jsonl or .parquet")


def _unreadable(path: Path, error: Exception) -> DataError:
    if isinstance(error, FileNotFoundError):
        return DataError(f"{path} does not exist; correct the path")
    return DataError(f"{path} cannot be read ({error}); correct the file or its rights")
