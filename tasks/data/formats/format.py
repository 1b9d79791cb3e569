"""What makes a plain function a format, and what it can say about a record.

A format is ``def name(record: dict) -> Iterable[Row]``: the rows that one record of an upstream data set becomes. It may
leave out `id`, `source` and `family`, and returns `metadata` only for what is not a column of the record: `convert` adds
the rest. A record that is no row raises `Unconvertible`. Its columns, licence and citation stand in the `columns`
decorator, which detection and the documentation read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from tasks.data.records import Fault, Record
from tasks.runtime.rows import Row

Convert = Callable[[dict[str, Any]], Iterable[Row]]
Gather = Callable[[Iterable[Record | Fault]], Iterator[Record | Fault]]


class Unconvertible(Exception):  # noqa: N818 - a record's state, which never leaves this package
    """A record that becomes no row.

    Args:
        code: one of `tasks.validate.codes.CODES`.
        detail: what is wrong, in words, and without the record's own text.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code, detail)
        self.code, self.detail = code, detail


def _any(record: dict[str, Any]) -> bool:
    return True


@dataclass(frozen=True)
class Format:
    """The columns of a format.

    Attributes:
        kind: of the rows it makes: ``chat`` or ``prompts`` (our own rows: their kind).
        needs: sets of columns; a record must have all of one set, not null.
        uses: columns that the rows say already. All others go into `metadata`.
        knows: further columns of the upstream data set; they help detection only.
        ids: columns that may hold the row's id, the first one that does counts.
        family: the column that names the row's family.
        fits: whether a record with the needed columns has values of the right shape. Never raises.
        shape: what `fits` looks for, in words, for a refusal.
        gather: puts records together that one row is made of, as a stream.
        licence: of the upstream data, as its publisher states it.
        citation: paper or page of the upstream data.
    """

    kind: str
    needs: tuple[frozenset[str], ...]
    uses: frozenset[str] = frozenset()
    knows: frozenset[str] = frozenset()
    ids: tuple[str, ...] = ("id",)
    family: str = "family"
    fits: Callable[[dict[str, Any]], bool] = _any
    shape: str = ""
    gather: Gather | None = None
    licence: str = ""
    citation: str = ""

    @property
    def known(self) -> frozenset[str]:
        """Every column that belongs to the format."""
        return frozenset({*frozenset().union(*self.needs), *self.uses, *self.knows, *self.ids, self.family})

    def missing(self, record: dict[str, Any]) -> frozenset[str]:
        """The columns a record lacks; of several sets, the one it is nearest to."""
        best: frozenset[str] | None = None
        for need in self.needs:
            lacks = frozenset(column for column in need if record.get(column) is None)
            if not lacks:
                return lacks
            if best is None or len(lacks) < len(best):
                best = lacks
        return best or frozenset()

    def accepts(self, record: dict[str, Any]) -> bool:
        """Whether a record looks like one of this format."""
        return not self.missing(record) and self.fits(record)


def columns(
    *needs: str,
    uses: str = "",
    knows: str = "",
    ids: str = "id",
    kind: Literal["chat", "prompts"] = "chat",
    family: str = "family",
    fits: Callable[[dict[str, Any]], bool] = _any,
    shape: str = "",
    gather: Gather | None = None,
    licence: str,
    citation: str,
) -> Callable[[Convert], Convert]:
    """Give a format function its `about`: a `Format`. Columns are written as words in one text.

    Args:
        needs: one text a set of columns; a record has all columns of one set.
        (the others): see `Format`; needed columns count as used, except those that name the row, its family or its source.
    """
    sets = tuple(frozenset(need.split()) for need in needs)
    about = Format(
        kind=kind,
        needs=sets,
        uses=frozenset(uses.split()).union(*sets) - {*ids.split(), family, "source"},
        knows=frozenset(knows.split()),
        ids=tuple(ids.split()),
        family=family,
        fits=fits,
        shape=shape,
        gather=gather,
        licence=licence,
        citation=citation,
    )

    def mark(function: Convert) -> Convert:
        function.about = about  # type: ignore[attr-defined]
        return function

    return mark


def text(record: dict[str, Any], column: str) -> str:
    """A column that must be text. Raises `Unconvertible`."""
    value = record.get(column)
    if isinstance(value, str):
        return value
    if value is None:
        raise Unconvertible("field_missing", f"no {column}")
    raise Unconvertible("field_type", f"{column} is a {type(value).__name__}, not text")


def optional_text(record: dict[str, Any], column: str) -> str:
    """A column that may be text; without one, or with nothing visible in it, empty. Raises `Unconvertible`."""
    if record.get(column) is None:
        return ""
    value = text(record, column)
    return value if value.strip() else ""


def plain(value: Any) -> Any:
    """A value of a column as JSON data: NaN becomes None, a date or a decimal text. Raises `Unconvertible`: binary data."""
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return value
    if kind is float:
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, bytes):
        raise Unconvertible("content_unsupported", "binary data in it; only text is trained on")
    return str(value)
