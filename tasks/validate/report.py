"""One validation from rows to its report: reject list, summary, Data Docs; and the refusal when too much is wrong."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from tasks.runtime.errors import ContractError, DataError
from tasks.runtime.plugins import plugin_names
from tasks.runtime.rows import Row
from tasks.validate.check import CheckedChunk, check_chunks, json_line
from tasks.validate.codes import CODES, ROW_CODES, WHOLE_CODES
from tasks.validate.facts import Facts
from tasks.validate.sample_rows import SampleWhole
from tasks.validate.settings import ValidationSettings

SUMMARY, REJECTS, DOCS = "summary.json", "rejects.jsonl", "docs"
Summary = dict[str, Any]
log = logging.getLogger("winnow.validate")


@dataclass
class Inspection:
    """One pass over a dataset. Use `accepted` once, to its end, then `finish`.

    Attributes:
        kind, facts: see `check_chunks`.
        folder: receives ``rejects.jsonl`` while rows pass, then ``docs/`` and ``summary.json``.
    """

    kind: str
    facts: Facts
    folder: Path
    read: int = 0
    passed: int = 0
    rejected: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    _columns: list[dict[str, np.ndarray]] = field(default_factory=list)

    def accepted(self, rows: Iterable[Any]) -> Iterator[Row]:
        """The rows that pass, as a stream; the others go to the reject list."""
        whole = SampleWhole(self.facts)
        with (self.folder / REJECTS).open("w", encoding="ascii") as rejects:
            for chunk in check_chunks(self.kind, self._counted(rows), self.facts):
                self._put_aside(chunk, rejects)
                good = chunk.accepted()
                if self.kind == "samples":
                    whole.add(good)
                self.passed += len(good)
                yield from good
        for code, (count, example) in whole.findings().items() if self.kind == "samples" else ():
            self.codes[code], self.examples[code] = count, example

    def finish(self, settings: ValidationSettings) -> Summary:
        """Run the suite and write the summary.

        Returns:
            `suite`, `read`, `accepted`, `rejected`, `max_rejected_share`, `codes` {code: rows}, `examples` {code: id},
            `success`, `statistics` (of the suite; empty without rows).

        Raises:
            ContractError: a row was neither accepted nor rejected, or both.
        """
        if self.passed + self.rejected != self.read:
            raise ContractError(
                f"validation read {self.read} {self.kind} rows but accepted {self.passed} and rejected "
                f"{self.rejected}: this is a bug in tasks/validate"
            )
        suite = self._suite(settings) if self.read else {"success": False, "statistics": {}}
        summary = {
            "suite": self.kind,
            "read": self.read,
            "accepted": self.passed,
            "rejected": self.rejected,
            "max_rejected_share": settings.max_rejected_share,
            "codes": dict(sorted(self.codes.items())),
            "examples": dict(sorted(self.examples.items())),
            **suite,
        }
        (self.folder / SUMMARY).write_text(json.dumps(summary, indent=1, sort_keys=True) + "\n")
        log.info("%s: %d rows read, %d accepted, %d rejected", self.kind, self.read, self.passed, self.rejected)
        return summary

    def _counted(self, rows: Iterable[Any]) -> Iterator[Any]:
        for row in rows:
            self.read += 1
            yield row

    def _put_aside(self, chunk: CheckedChunk, rejects: TextIO) -> None:
        self._columns.append({**chunk.passes, "accepted": chunk.good})
        for reject in chunk.rejects():
            self.rejected += 1
            for code in reject["codes"]:
                self.codes[code] += 1
                self.examples.setdefault(code, reject["id"])
            rejects.write(json_line(reject) + "\n")

    def _suite(self, settings: ValidationSettings) -> Summary:
        import pandas as pd

        from tasks.validate.suite import run_suite

        names = [*ROW_CODES[self.kind], "accepted"]
        frame = pd.DataFrame({name: np.concatenate([part[name] for part in self._columns]) for name in names})
        whole = WHOLE_CODES[self.kind]
        for code in whole:  # no row is to blame alone: the column says the same everywhere
            frame[code] = code not in self.codes
        return run_suite(self.kind, frame, settings.max_rejected_share, self.folder / DOCS, strict=whole)


def refuse_bad(summary: Summary, where: str) -> None:
    """Raise `DataError` unless the validation succeeded; the message has codes, counts, examples and what to change.

    Args:
        where: the reject list, for the message.
    """
    if not summary["read"]:
        raise DataError(f"there are no {summary['suite']} rows to validate: the source is empty; check its path and filters")
    if not summary["accepted"]:
        raise DataError("no row is left. " + _refusal(summary, where))
    if not summary["success"]:
        raise DataError(_refusal(summary, where))


def _refusal(summary: Summary, where: str) -> str:
    allowed, share = summary["max_rejected_share"], summary["rejected"] / summary["read"]
    counted = f"{summary['read']} {summary['suite']} rows read, {summary['rejected']} rejected"
    lines = [f"{counted} ({share:.1%}; {allowed:.1%} allowed):"]
    for code, count in sorted(summary["codes"].items(), key=lambda item: (-item[1], item[0])):
        wrong, change = CODES[code]
        lines.append(f"  {code:<22} {count:>7}  e.g. {summary['examples'][code]!r}: {wrong}; {change}")
    if "verifier_unknown" in summary["codes"]:
        lines.append(f"Registered verifiers: {', '.join(plugin_names('verifiers'))}.")
    lines.append(f"The rejected rows: {where}. Correct them, or raise max_rejected_share.")
    return "\n".join(lines)
