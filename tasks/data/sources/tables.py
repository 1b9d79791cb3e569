"""Rows of tables: CSV, Parquet and Arrow.

A null is kept as None in a row's own columns, where it tells that the column exists, and left out of nested values,
where a columnar file needs it as a filler. Nested values written as JSON text, as in CSV and in our own Parquet files,
are decoded.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.data.records import Fault, Record
from tasks.data.sources.json_lines import LONGEST, parse_json
from tasks.runtime.errors import DataError
from tasks.runtime.rows import JSON_FIELDS

# Columns of the formats that hold lists or objects; a CSV file has them as JSON text.
_JSON_COLUMNS = JSON_FIELDS | {"conversations", "chosen", "data", "functions", "instances", "items", "prompt", "rejected"}
BATCH = 1_000
_BUFFER = 1 << 20
_DELIMITERS = ",;\t|"


def csv_records(stream: io.BufferedReader, name: str) -> Iterator[Record | Fault]:
    """One record a row, its values text; the first row names the columns. An empty cell is None.

    The delimiter is the one of comma, semicolon, tab and bar that the first line has most of. A column without a name
    (an index that was written along) is left out. A row with too many or too few cells is a fault.

    Raises:
        DataError: no column names, or two that are the same.
    """
    csv.field_size_limit(LONGEST)  # the library's own, 128 KB, is less than a long conversation
    first = stream.peek(_BUFFER).partition(b"\n")[0].decode(errors="replace")
    delimiter = max(_DELIMITERS, key=first.count)
    # A byte that is no UTF-8 becomes a surrogate, which shows where it stood: the other rows are fine.
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    header = _header(reader, name)
    while True:
        place = f"{name}:{reader.line_num + 1}"
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield Fault("broken_row", place, str(error))
            continue
        if cells is None:
            return
        if cells:
            yield _csv_row(place, header, cells)


def _header(reader: Any, name: str) -> list[str]:
    try:
        header = [cell.strip() for cell in next(reader, [])]
    except csv.Error as error:
        raise DataError(f"{name}: its first line names no columns ({error}); correct it") from error
    if not any(header):
        raise DataError(f"{name} holds no rows; its first line must name the columns")
    if twice := sorted({column for column in header if column and header.count(column) > 1}):
        raise DataError(f"{name}: two columns are called {', '.join(twice)}; rename one")
    return header


def _csv_row(place: str, header: list[str], cells: list[str]) -> Record | Fault:
    if len(cells) != len(header):
        detail = f"{len(cells)} cells, and the header names {len(header)} columns"
        return Fault("broken_row", place, detail, cells)
    row = {column: decoded(column, cell or None) for column, cell in zip(header, cells, strict=True) if column}
    try:
        "".join(cells).encode()
    except UnicodeEncodeError:
        return Fault("broken_row", place, "not UTF-8", row)
    return Record(place, row)


def parquet_records(stream: io.BufferedReader, name: str) -> Iterator[Record | Fault]:
    """One record a row. Pages are read as they are needed, so that memory does not grow with a row group."""
    with pq.ParquetFile(stream, buffer_size=_BUFFER, pre_buffer=False) as file:
        yield from batch_records(file.iter_batches(batch_size=BATCH), name)


def arrow_records(stream: io.BufferedReader, name: str) -> Iterator[Record | Fault]:
    """One record a row of an Arrow IPC file or stream; its first bytes say which."""
    if stream.peek(6)[:6] == b"ARROW1":
        file = pa.ipc.open_file(stream)
        batches: Iterable[pa.RecordBatch] = (file.get_batch(index) for index in range(file.num_record_batches))
    else:
        batches = pa.ipc.open_stream(stream)
    parts = (batch.slice(first, BATCH) for batch in batches for first in range(0, batch.num_rows, BATCH))
    yield from batch_records(parts, name)


def batch_records(batches: Iterable[pa.RecordBatch], name: str) -> Iterator[Record | Fault]:
    """One record a row of Arrow batches; a row that cannot be decoded is a fault."""
    number = 0
    for batch in batches:
        shapes = [(field.name, _shape(field.type)) for field in batch.schema]
        for row in _rows(batch):
            number += 1
            place = f"{name}: row {number}"
            if isinstance(row, str):
                yield Fault("broken_row", place, row)
            else:
                yield Record(place, {column: decoded(column, shape(row[column])) for column, shape in shapes})


def _rows(batch: pa.RecordBatch) -> Iterator[dict[str, Any] | str]:
    """The batch's rows; where one cannot be had, what is wrong with it."""
    try:
        batch.validate(full=True)  # Arrow trusts the offsets in a file otherwise
        yield from batch.to_pylist()
    except (pa.ArrowException, ValueError, OverflowError) as error:
        if batch.num_rows == 1:
            yield f"it cannot be decoded ({type(error).__name__})"
        else:
            for index in range(batch.num_rows):
                yield from _rows(batch.slice(index, 1))


def _shape(kind: pa.DataType) -> Callable[[Any], Any]:
    """What turns a value of an Arrow type into data: fillers out, JSON values decoded, at any depth."""
    if isinstance(kind, pa.JsonType):
        return _json
    if pa.types.is_struct(kind):
        members = {field.name: _shape(field.type) for field in kind}
        return lambda value: value and {name: members[name](v) for name, v in value.items() if v is not None}
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        return _same
    inner = _shape(kind.value_type)
    return _same if inner is _same else lambda value: value and [inner(v) for v in value]


def _same(value: Any) -> Any:
    return value


def _json(value: Any) -> Any:
    try:
        return parse_json(value.encode()) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return value


def decoded(column: str, value: Any) -> Any:
    """JSON text in a column that holds nested data as that data; anything else, and what is no JSON, as it is."""
    if column in _JSON_COLUMNS and isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        return _json(value)
    return value
