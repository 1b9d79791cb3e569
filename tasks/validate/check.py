"""The row checks as one stream: rows in, chunks of rows with their verdict columns out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from typing import Any

import numpy as np

from tasks.runtime.errors import ConfigurationError
from tasks.runtime.rows import Row
from tasks.validate.codes import ROW_CODES
from tasks.validate.facts import Facts
from tasks.validate.label_rows import check_labels
from tasks.validate.messages import Columns, check_messages, same_text
from tasks.validate.sample_rows import check_samples
from tasks.validate.structure import problems, row_id

ROWS_PER_CHUNK = 4096
_HASH_BYTES = 16


@dataclass(frozen=True)
class CheckedChunk:
    """Consecutive rows and their verdicts.

    Attributes:
        rows: as they came in; anything at all.
        ids: a name for each row.
        passes: code → bool [rows]; the same codes in the same order in every chunk of a kind.
        details: row index → where its shape is wrong, in words.
    """

    kind: str
    rows: Sequence[Any]
    ids: list[str]
    passes: Columns
    details: dict[int, str]

    @property
    def good(self) -> np.ndarray:
        """Bool [rows]: rows that pass every check."""
        return np.logical_and.reduce(list(self.passes.values()))  # type: ignore[no-any-return]

    def accepted(self) -> list[Row]:
        return [self.rows[index] for index in np.flatnonzero(self.good).tolist()]

    def rejects(self) -> Iterator[dict[str, Any]]:
        """The other rows as ``{"id", "codes", "detail"?, "row"}``, in order."""
        for index in np.flatnonzero(~self.good).tolist():
            codes = [code for code, column in self.passes.items() if not column[index]]
            detail = {"detail": self.details[index]} if index in self.details else {}
            row = self.rows[index]
            yield {"id": self.ids[index], "codes": codes, **detail, "row": row if isinstance(row, dict) else repr(row)}


@dataclass
class _Seen:
    """Hashes (16 bytes each) of what came before, over all chunks: the only memory that grows with the rows."""

    hashes: set[bytes] = field(default_factory=set)

    def first(self, text: str) -> bool:
        mark = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_HASH_BYTES).digest()
        if mark in self.hashes:
            return False
        self.hashes.add(mark)
        return True


def check_chunks(kind: str, rows: Iterable[Any], facts: Facts | None = None) -> Iterator[CheckedChunk]:
    """Check rows of a kind in chunks of `ROWS_PER_CHUNK`. No row raises, whatever it is.

    Of rows with the same id, or the same text, the first counts and the others are rejected. A row whose shape is
    wrong gets the codes of its shape and no others.

    Args:
        kind: ``chat``, ``prompts``, ``labels`` or ``samples``.
        rows: rows, or `BrokenLine` where a file had no row.
        facts: what the checks know besides the rows.

    Raises:
        ConfigurationError: a kind without checks.
    """
    if kind not in ROW_CODES:
        raise ConfigurationError(f"there are no checks for {kind!r} rows; there are for {', '.join(ROW_CODES)}")
    stream, ids, texts = iter(rows), _Seen(), _Seen()
    while chunk := list(islice(stream, ROWS_PER_CHUNK)):
        yield _check_chunk(kind, chunk, facts or Facts(), ids, texts)


def check_rows(kind: str, rows: Iterable[Any], facts: Facts | None = None) -> tuple[list[Row], list[dict[str, Any]]]:
    """Accepted rows and rejects (``{"id", "codes", "detail"?, "row"}``) of rows that fit into memory."""
    accepted: list[Row] = []
    rejects: list[dict[str, Any]] = []
    for chunk in check_chunks(kind, rows, facts):
        accepted += chunk.accepted()
        rejects += chunk.rejects()
    return accepted, rejects


def _check_chunk(kind: str, rows: list[Any], facts: Facts, seen_ids: _Seen, seen_texts: _Seen) -> CheckedChunk:
    passes = {code: np.ones(len(rows), bool) for code in ROW_CODES[kind]}
    details = {}
    for index, row in enumerate(rows):
        if found := problems(kind, row):
            details[index] = "; ".join(f"{code}: {place}" for code, place in found.items())
            for code in found:
                passes[code][index] = False
    names = [row_id(kind, row) for row in rows]
    sound = [index for index in range(len(rows)) if index not in details]
    if sound:
        shaped = [rows[index] for index in sound]
        passes["duplicate_id"][sound] = [seen_ids.first(names[index]) for index in sound]
        for code, column in _content(kind, shaped, facts).items():
            passes[code][sound] = column
        if "duplicate_row" in passes:
            passes["duplicate_row"][sound] = [seen_texts.first(same_text(kind, row)) for row in shaped]
    return CheckedChunk(kind, rows, names, passes, details)


def _content(kind: str, rows: list[Row], facts: Facts) -> Columns:
    if kind == "labels":
        return check_labels(rows, facts)
    if kind == "samples":
        return check_samples(rows, facts)
    return check_messages(kind, rows, facts)


def json_line(reject: dict[str, Any]) -> str:
    """A reject as one line of ASCII JSON, whatever its row holds (lone surrogates are kept as escapes)."""
    try:
        return json.dumps(reject, default=repr)
    except (TypeError, ValueError, RecursionError):  # keys that are no strings, rows that contain themselves
        return json.dumps({**reject, "row": repr(reject["row"])})
