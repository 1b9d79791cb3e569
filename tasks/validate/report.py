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
from tasks.validate.codes import CODES, WHOLE_CODES
from tasks.validate.expectations import ACCEPTED, wanted_measures
from tasks.validate.facts import Facts, idle_codes
from tasks.validate.sample_rows import SampleWhole
from tasks.validate.settings import ValidationSettings

SUMMARY, REJECTS, DOCS = "summary.json", "rejects.jsonl", "docs"
EXAMPLES = 3
Summary = dict[str, Any]
log = logging.getLogger("winnow.validate")


@dataclass
class Inspection:
    """One pass over a dataset. Use `accepted` once, to its end, then `finish`.

    Attributes:
        kind, facts, settings: see `check_chunks`.
        folder: receives ``rejects.jsonl`` while rows pass, then ``docs/`` and ``summary.json``.
    """

    kind: str
    facts: Facts
    folder: Path
    settings: ValidationSettings = field(default_factory=ValidationSettings)
    read: int = 0
    passed: int = 0
    rejected: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    _columns: list[dict[str, np.ndarray]] = field(default_factory=list)

    def accepted(self, rows: Iterable[Any]) -> Iterator[Row]:
        """The rows that pass, as a stream; the others go to the reject list."""
        whole = SampleWhole(self.facts)
        measures = wanted_measures(self.settings, self.kind) if self.settings.expectations else []
        with (self.folder / REJECTS).open("w", encoding="ascii") as rejects:
            for chunk in check_chunks(self.kind, self._counted(rows), self.facts, self.settings, measures):
                self._note(chunk, rejects)
                good = chunk.accepted()
                if self.kind == "samples":
                    whole.add(good)
                self.passed += len(good)
                yield from good
        for code, (count, example) in whole.findings().items() if self.kind == "samples" else ():
            self.codes[code], self.examples[code] = count, [example]

    def finish(self) -> Summary:
        """Run the suite and write the summary.

        Returns:
            `suite`, `read`, `accepted`, `rejected`, `max_rejected_share`, `codes` {code: rows}, `severities` {code: refuse
            or warn}, `examples` {code: [id, …]}, `success`, `statistics` of the suite and its own `expectations` (see
            `run_suite`; empty without rows).

        Raises:
            ContractError: a row was neither accepted nor rejected, or both.
        """
        if self.passed + self.rejected != self.read:
            raise ContractError(
                f"validation read {self.read} {self.kind} rows but accepted {self.passed} and rejected "
                f"{self.rejected}: this is a bug in tasks/validate"
            )
        suite = self._suite() if self.read else {"success": False, "statistics": {}, "expectations": []}
        summary = {
            "suite": self.kind,
            "read": self.read,
            "accepted": self.passed,
            "rejected": self.rejected,
            "max_rejected_share": self.settings.max_rejected_share,
            "codes": dict(sorted(self.codes.items())),
            "severities": {code: self.settings.severity_of(code) for code in sorted(self.codes)},
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

    def _note(self, chunk: CheckedChunk, rejects: TextIO) -> None:
        """Count the codes of a chunk, warnings too, and put its rejects aside."""
        self._columns.append({**chunk.passes, ACCEPTED: chunk.good, **chunk.measures})
        for code, column in chunk.passes.items():
            if failing := np.flatnonzero(~column).tolist():
                self.codes[code] += len(failing)
                examples = self.examples.setdefault(code, [])
                examples += [chunk.ids[index] for index in failing[: EXAMPLES - len(examples)]]
        for reject in chunk.rejects():
            self.rejected += 1
            rejects.write(json_line(reject) + "\n")

    def _suite(self) -> Summary:
        import pandas as pd

        from tasks.validate.suite import run_suite

        frame = pd.DataFrame({name: np.concatenate([part[name] for part in self._columns]) for name in self._columns[0]})
        self._columns.clear()
        for code in WHOLE_CODES[self.kind]:  # no row is to blame alone: the column says the same everywhere
            frame[code] = code not in self.codes
        return run_suite(self.kind, frame, self.settings, self.folder / DOCS, idle_codes(self.facts, self.settings))


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
    for code, count in by_count(summary["codes"]):
        wrong, change = CODES[code]
        shown = f"{code} (warning)" if summary["severities"][code] == "warn" else code
        lines.append(f"  {shown:<22} {count:>7}  e.g. {summary['examples'][code][0]!r}: {wrong}; {change}")
    for own in summary["expectations"]:
        if not own["success"] and own["severity"] == "refuse":
            lines.append(f"  {own['expectation']} of {own['column'] or 'the table'} is not met: {own['observed']}")
    if "verifier_unknown" in summary["codes"]:
        lines.append(f"Registered verifiers: {', '.join(plugin_names('verifiers'))}.")
    lines.append(f"The rejected rows: {where}. Correct them, or raise max_rejected_share.")
    return "\n".join(lines)


def by_count(codes: dict[str, int]) -> list[tuple[str, int]]:
    """Codes and their rows, the commonest first."""
    return sorted(codes.items(), key=lambda item: (-item[1], item[0]))
