"""What a source yields: records as they were read, and faults where there was none to read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple


class Record(NamedTuple):
    """One record of a source, not yet a row: where it stood (``rows.jsonl:17``) and what it holds, anything at all."""

    place: str
    value: Any


@dataclass(frozen=True)
class Fault:
    """Stands where a row should: what could not be read, or not be converted into a row.

    Attributes:
        code: one of `tasks.validate.codes.CODES`.
        place: where it stood, for people.
        detail: what is wrong, in words, and without the record's own text.
        record: as far as it could be read; goes to the reject list.
    """

    code: str
    place: str
    detail: str
    record: Any = None
