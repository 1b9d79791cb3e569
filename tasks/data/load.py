"""Any source → rows of one kind: read, the format told, converted; all in one pass, as a stream."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from tasks.data.formats.convert import convert, kind_of
from tasks.data.formats.detect import detect
from tasks.data.records import Fault
from tasks.data.sources.hub import parse_address
from tasks.data.sources.places import source_name
from tasks.data.sources.read import read_records
from tasks.runtime.errors import DataError
from tasks.runtime.rows import JSON_FIELDS, SCHEMAS, Row
from tasks.verify.verdict import needs_reference

_RECORDS_TO_JUDGE_BY = 100
# kind → what a row may not be without, for a command that reads files whole and checks nothing else
_NEEDED = {
    "chat": ("id", "messages"),
    "prompts": ("id", "messages", "reference", "verifier"),
    "samples": ("sample_id", "prompt_id", "text", "finish_reason"),
    "verdicts": ("sample_id", "state"),
    "pass_rates": ("prompt_id", "draws", "accepted"),
}
# Nobody else's records become these: they need not look like whole rows of ours to be known.
_ONLY_OURS = ("samples", "verdicts", "pass_rates")
# kind → the field that the source's name stands in for when a row of ours lacks it
_NAMED = {"chat": "source", "prompts": "family"}


@dataclass(frozen=True)
class Loaded:
    """A source on its way in.

    Attributes:
        kind: of its rows: chat, prompts, labels, samples, verdicts …
        format: what it was converted from; an own kind's name when nothing was.
        rows: one pass over them; a `Fault` stands where a record became no row.
    """

    kind: str
    format: str
    rows: Iterator[Row | Fault]


def load(address: str | Path, format: str | None = None) -> Loaded:
    """The rows of a source. It is opened once; reading on may raise what `read_records` raises.

    Args:
        address: see `tasks.data.sources.read.read_records`.
        format: of its records; None: told from the first hundred.

    Raises:
        DataError: no records, or of no known format. ConfigurationError: an unknown format. See also `read_records`.
    """
    records = read_records(address)
    head = list(islice(records, _RECORDS_TO_JUDGE_BY))
    if not head:
        raise DataError(f"{address} holds no rows; give a source with at least one")
    format = format or detect(head, str(address))
    kind = kind_of(format)
    name = source_name(parse_address(str(address)).name)
    rows = convert(format, chain(head, records), name)
    return Loaded(kind, format, (_completed(row, kind, name) for row in rows))


def load_kind(address: str | Path, kind: str) -> Loaded:
    """Like `load`, for a place where rows of one kind are needed. Raises `DataError` when they are of another."""
    loaded = load(address, kind if kind in _ONLY_OURS else None)
    if loaded.kind != kind:
        raise DataError(f"{address} holds {loaded.kind} rows (format {loaded.format}), and {kind} rows are needed here")
    return loaded


def sound_rows(address: str | Path, kind: str) -> Iterator[Row]:
    """The rows of a source, streamed, each checked to be a row of `kind` at all: the first that is none raises.

    Raises:
        DataError: a record that cannot be read or converted, unknown or missing fields, or a field of another type; the
        message names the place. See also `load`.
    """
    for number, row in enumerate(load_kind(address, kind).rows, 1):
        if isinstance(row, Fault):
            raise DataError(f"{row.place}: {row.detail} ({row.code}); correct or remove it")
        _check(row, kind, f"{address}: row {number}")
        yield row


def _completed(row: Any, kind: str, name: str) -> Any:
    """A row without nulls in its own fields, named after its source where it has no name of its own, and with an empty
    reference where it has none and its verifier needs none."""
    if not isinstance(row, dict):
        return row
    named = {_NAMED[kind]: name} if kind in _NAMED else {}
    verifier = row.get("verifier")
    if kind == "prompts" and row.get("reference") is None and isinstance(verifier, str) and not needs_reference(verifier):
        named["reference"] = ""
    return named | {field: value for field, value in row.items() if value is not None}


def _check(row: Any, kind: str, place: str) -> None:
    if not isinstance(row, dict):
        raise DataError(f"{place}: a {type(row).__name__}, not an object with the fields of a {kind} row")
    schema = SCHEMAS[kind]
    if unknown := sorted(set(row) - set(schema.names)):
        raise DataError(f"{place}: unknown fields {', '.join(unknown)}; a {kind} row has {', '.join(schema.names)}")
    if missing := [name for name in _NEEDED[kind] if row.get(name) is None]:
        raise DataError(f"{place}: no {' and no '.join(missing)}; a {kind} row needs {', '.join(_NEEDED[kind])}")
    for name, value in row.items():
        _check_field(name, value, schema.field(name).type, place)


def _check_field(name: str, value: Any, kind: pa.DataType, place: str) -> None:
    if name == "messages":
        if not isinstance(value, list) or not all(isinstance(m, dict) and {"role", "content"} <= set(m) for m in value):
            raise DataError(f"{place}: messages must be a list of objects with role and content")
    elif name not in JSON_FIELDS and pa.types.is_string(kind) != isinstance(value, str):
        raise DataError(f"{place}: {name} is a {type(value).__name__}, expected {kind}")
