"""The row checks as one stream: rows in, chunks of rows with their verdict columns out."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np

from tasks.data.records import Fault
from tasks.runtime.errors import ConfigurationError
from tasks.runtime.rows import Row
from tasks.validate.codes import ROW_CODES
from tasks.validate.facts import Facts
from tasks.validate.label_rows import SHAPE as LABEL_SHAPE
from tasks.validate.label_rows import check_labels
from tasks.validate.label_texts import LabelProof
from tasks.validate.languages import row_languages
from tasks.validate.lengths import TokenCounter
from tasks.validate.measures import as_column, blank_column, measure
from tasks.validate.messages import Columns, check_messages, said_bytes
from tasks.validate.sample_rows import check_samples
from tasks.validate.seen import Seen
from tasks.validate.settings import ValidationSettings
from tasks.validate.structure import problems, row_id

ROWS_PER_CHUNK = 4096


@dataclass(frozen=True)
class CheckedChunk:
    """Consecutive rows and their verdicts.

    Attributes:
        rows: as they came in; anything at all.
        ids: a name for each row.
        passes: code → bool [rows]; the same codes in the same order in every chunk of a kind.
        details: row index → where its shape is wrong, in words.
        warnings: codes that reject no row.
        measures: the measured columns that were asked for, [rows] each.
    """

    kind: str
    rows: Sequence[Any]
    ids: list[str]
    passes: Columns
    details: dict[int, str]
    warnings: Collection[str]
    measures: Columns

    @property
    def good(self) -> np.ndarray:
        """Bool [rows]: rows that are not rejected."""
        counted = [column for code, column in self.passes.items() if code not in self.warnings]
        return np.logical_and.reduce(counted)  # type: ignore[no-any-return]

    def accepted(self) -> list[Row]:
        return [self.rows[index] for index in np.flatnonzero(self.good).tolist()]

    def rejects(self) -> Iterator[dict[str, Any]]:
        """The other rows as ``{"id", "codes", "detail"?, "row"}``, in order."""
        for index in np.flatnonzero(~self.good).tolist():
            codes = [code for code, column in self.passes.items() if not column[index]]
            detail = {"detail": self.details[index]} if index in self.details else {}
            row = self.rows[index]
            shown = row.record if isinstance(row, Fault) else row
            kept = shown if isinstance(shown, dict | str | None) else _in_words(shown)
            yield {"id": self.ids[index], "codes": codes, **detail, "row": kept}


def check_chunks(
    kind: str,
    rows: Iterable[Any],
    facts: Facts | None = None,
    settings: ValidationSettings | None = None,
    measures: Sequence[str] = (),
) -> Iterator[CheckedChunk]:
    """Check rows of a kind in chunks of `ROWS_PER_CHUNK`. No row raises, whatever it is.

    Of rows with the same id, or the same text, the first counts and the others are rejected. A row whose shape is
    wrong gets the codes of its shape and no others.

    Args:
        kind: ``chat``, ``prompts``, ``labels`` or ``samples``.
        rows: rows, or a `Fault` where a source had none; it is a reject with its one code.
        facts: what the checks know besides the rows.
        settings: limits, and which codes are warnings.
        measures: columns of `tasks.validate.measures.MEASURES` to measure.

    Raises:
        ConfigurationError: a kind without checks, or limits in tokens without a tokenizer.
    """
    if kind not in ROW_CODES:
        raise ConfigurationError(f"there are no checks for {kind!r} rows; there are for {', '.join(ROW_CODES)}")
    checker = _Checker(kind, facts or Facts(), settings or ValidationSettings(), measures)
    stream = iter(rows)
    while chunk := list(islice(stream, ROWS_PER_CHUNK)):
        yield checker.chunk(chunk)


def check_rows(
    kind: str, rows: Iterable[Any], facts: Facts | None = None, settings: ValidationSettings | None = None
) -> tuple[list[Row], list[dict[str, Any]]]:
    """Accepted rows and rejects (``{"id", "codes", "detail"?, "row"}``) of rows that fit into memory."""
    accepted: list[Row] = []
    rejects: list[dict[str, Any]] = []
    for chunk in check_chunks(kind, rows, facts, settings):
        accepted += chunk.accepted()
        rejects += chunk.rejects()
    return accepted, rejects


@dataclass
class _Checker:
    kind: str
    facts: Facts
    settings: ValidationSettings
    wanted: Sequence[str]
    ids: Seen = field(default_factory=Seen)
    texts: Seen = field(default_factory=Seen)
    counter: TokenCounter | None = None
    proof: LabelProof | None = None

    def __post_init__(self) -> None:
        if self.kind == "labels" and self.facts.tokenizer is not None and self.facts.chat is not None:
            self.proof = LabelProof(self.facts)
        limited = bool(self.settings.max_tokens or self.settings.min_tokens)
        if self.kind in ("chat", "prompts") and (limited or "tokens" in self.wanted):
            if self.facts.tokenizer is None:
                raise ConfigurationError(f"the tokens of {self.kind} rows need a tokenizer: give one, or set no token limits")
            self.counter = TokenCounter(self.facts.tokenizer, self.kind)

    def chunk(self, rows: list[Any]) -> CheckedChunk:
        passes = {code: np.ones(len(rows), bool) for code in ROW_CODES[self.kind]}
        measures = {name: blank_column(name, len(rows)) for name in self.wanted}
        details = {}
        for index, row in enumerate(rows):
            if found := problems(self.kind, row):
                details[index] = "; ".join(f"{code}: {place}" for code, place in found.items())
                for code in found:
                    passes[code][index] = False
        names = [row_id(self.kind, row) for row in rows]
        sound = [index for index in range(len(rows)) if index not in details]
        if sound:
            shaped = [rows[index] for index in sound]
            columns = {"duplicate_id": self.ids.first([names[index].encode() for index in sound])}
            content, measured = self._content(shaped)
            for code, column in (columns | content).items():
                passes[code][sound] = column
            for name, column in (measure(self.kind, self.wanted, shaped) | measured).items():
                measures[name][sound] = column
        warnings = {code for code in passes if self.settings.severity_of(code) == "warn"}
        return CheckedChunk(self.kind, rows, names, passes, details, warnings, measures)

    def _content(self, rows: list[Row]) -> tuple[Columns, Columns]:
        if self.kind == "labels":
            columns = check_labels(rows, self.facts, self.settings)
            usable = np.logical_and.reduce([columns[code] for code in LABEL_SHAPE if code in columns])
            return columns | (self.proof.check(rows, usable) if self.proof else {}), {}
        if self.kind == "samples":
            return check_samples(rows, self.facts), {}
        said = [said_bytes(self.kind, row) for row in rows]
        columns = check_messages(self.kind, rows, said, self.facts) | {"duplicate_row": self.texts.first(said)}
        lengths, counts = self._lengths(rows, said)
        languages, spoken = self._languages(rows)
        return columns | lengths | languages, counts | spoken

    def _lengths(self, rows: list[Row], said: list[bytes]) -> tuple[Columns, Columns]:
        low, high = self.settings.min_tokens, self.settings.max_tokens
        if self.counter is None:
            return {}, {}
        if "tokens" not in self.wanted:
            short, long = self.counter.outside(rows, said, low, high)
            return {"too_short": ~short, "too_long": ~long}, {}
        counts = self.counter.counts(rows)
        limits = {"too_short": (counts >= low) | (counts == 0), "too_long": (counts <= high) | (high == 0)}
        return limits, {"tokens": as_column("tokens", counts)}

    def _languages(self, rows: list[Row]) -> tuple[Columns, Columns]:
        asked = set(self.settings.languages)
        if not asked and "language" not in self.wanted:
            return {}, {}
        found = row_languages(self.kind, rows)
        allowed = np.array([not asked or language is None or language in asked for language in found])
        return {"language_other": allowed}, {"language": as_column("language", found)} if "language" in self.wanted else {}


def json_line(reject: dict[str, Any]) -> str:
    """A reject as one line of ASCII JSON, whatever its row holds (lone surrogates are kept as escapes)."""
    try:
        return json.dumps(reject, default=repr)
    except (TypeError, ValueError, RecursionError):  # keys that are no strings, rows that contain themselves
        return json.dumps({**reject, "row": _in_words(reject["row"])})


def _in_words(value: Any) -> str:
    try:
        return repr(value)
    except RecursionError:
        return f"a {type(value).__name__}, nested too deeply to be written"
