"""Which format records are of, told from their columns, and from their values where columns are the same."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from tasks.data.formats.convert import about, format_names
from tasks.data.formats.format import Format
from tasks.data.formats.own import needs_conversion
from tasks.data.records import Fault, Record
from tasks.runtime.errors import DataError

_SHOWN = 40
_Rank = tuple[bool, int, int, int, int]


def detect(head: list[Record | Fault], address: str) -> str:
    """The name of the format of the first records of a source.

    A format fits a record that has its needed columns, with values of its shape. Of the formats that fit half of the
    records or more (or, when none does, of those that fit any), the one counts that leaves the fewest columns unknown;
    of equals the one that needs more columns, then the one with fewer columns that are not there.

    Args:
        head: the first records of the source; a hundred are enough.
        address: of the source, for the message.

    Raises:
        DataError: no format fits. The message shows the columns that were found and the nearest formats.
    """
    records = [record.value for record in head if isinstance(record, Record) and isinstance(record.value, dict)]
    if not records:
        raise DataError(_nothing_to_judge(head, address))
    found = {column for record in records for column, value in record.items() if value is not None}
    ranked = sorted((_rank(about(name), records, found), name) for name in format_names())
    (_, misses, *_), best = ranked[0]
    if misses == len(records):
        raise DataError(_refusal(records, found, address))
    # Chat rows of ours and OpenAI's have the same columns: one message that only the latter can have decides.
    return "messages" if best == "chat" and any(map(needs_conversion, records)) else best


def _rank(described: Format, records: list[dict[str, Any]], found: set[str]) -> _Rank:
    """How good a format is for records; the smaller the better."""
    fitting = sum(map(described.accepts, records))
    often = 2 * fitting >= len(records)
    misses = 0 if often else len(records) - fitting
    known = described.known
    needed = max(len(need & found) for need in described.needs)
    return not often, misses, len(found - known), -needed, len(known - found)


def _nothing_to_judge(head: list[Record | Fault], address: str) -> str:
    first = head[0] if head else None
    if isinstance(first, Fault):
        return f"none of the first {len(head)} records of {address} can be read; {first.place}: {first.detail}"
    kind = type(first.value).__name__ if first else "nothing"
    return f"{address} holds no objects with named columns, but {kind}; write one JSON object a record"


def _refusal(records: list[dict[str, Any]], found: set[str], address: str) -> str:
    near = sorted((_distance(about(name), found), name) for name in format_names())
    nearest = [f"{name} ({_lacking(about(name), found, records)})" for (far, _), name in near if far < 1][:3]
    return (
        f"{address}: no known format has the columns {_listed(found)}. "
        + (f"Nearest: {'; '.join(nearest)}. " if nearest else "")
        + f"Rename the columns, or name the format: {', '.join(format_names())}, or your own 'package.module:function'"
    )


def _distance(described: Format, found: set[str]) -> tuple[float, int]:
    """The share of the needed columns that are missing (a column of a similar name is half there), and how many."""
    lowered = {column.lower() for column in found}

    def share(need: frozenset[str]) -> float:
        there = sum(1.0 if column in found else 0.5 * bool(_similar(column, lowered)) for column in need)
        return 1 - there / len(need)

    best = min(described.needs, key=share)
    return share(best), len(best)


def _lacking(described: Format, found: set[str], records: list[dict[str, Any]]) -> str:
    best = min(described.needs, key=lambda need: len(need - found))
    if not best - found:
        return f"wants {described.shape}" if described.shape else "the columns are there, but not in the same record"
    lacks = []
    for column in sorted(best - found):
        similar = _similar(column, found)
        empty = any(column in record for record in records)
        lacks.append(column + (" (always null)" if empty else f" (is it {similar!r}?)" if similar else ""))
    return f"lacks {', '.join(lacks)}"


def _similar(column: str, found: Iterable[str]) -> str:
    lowered = {other.lower(): other for other in sorted(found)}
    near = get_close_matches(column, lowered, n=1, cutoff=0.75)
    return lowered[near[0]] if near else ""


def _listed(found: set[str]) -> str:
    names = sorted(name if len(name) <= _SHOWN else name[:_SHOWN] + "…" for name in map(str, found))
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more or "(none that is not null)"
