"""Label rows on their way to a file: what is kept, what is dropped and why, and the counts of both."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

from tasks.chat.labels import IGNORED, Reject, label_rows
from tasks.chat.settings import RenderSettings
from tasks.chat.tokenizer import load_tokenizer
from tasks.runtime.errors import DataError
from tasks.runtime.progress import tracked
from tasks.runtime.rows import Row, read_rows, write_rows

DROPPED = "dropped.jsonl"
log = logging.getLogger("winnow.chat")


@dataclass
class Tally:
    """Counts of one rendering: kept rows, their tokens, the trained ones among them, and dropped rows by reason."""

    rows: int = 0
    tokens: int = 0
    label_tokens: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def counts(self) -> dict[str, int]:
        return {
            "rows": self.rows,
            "tokens": self.tokens,
            "label_tokens": self.label_tokens,
            "dropped": self.reasons.total(),
        }

    def drop(self, row_id: str, reason: str, detail: str, out: TextIO | None = None) -> None:
        """Count a dropped row, and write why as a JSON line when there is a file for it."""
        self.reasons[reason] += 1
        if out is not None:
            out.write(json.dumps({"id": row_id, "reason": reason, "detail": detail}, sort_keys=True) + "\n")

    def kept(self, items: Iterable[Row | Reject], dropped: TextIO | None = None) -> Iterator[Row]:
        """The label rows of `items` (from `label_rows`), counted as they pass."""
        for item in items:
            if isinstance(item, Reject):
                self.drop(item.id, item.reason, item.detail, dropped)
                continue
            self.rows += 1
            self.tokens += len(item["input_ids"])
            self.label_tokens += sum(label != IGNORED for label in item["labels"])
            yield item

    def refuse_nothing(self) -> None:
        """Raise `DataError` when no row was kept: training on nothing would "succeed" with a loss of zero."""
        if self.rows:
            return
        if not self.reasons:
            raise DataError("there are no chat rows to render: check the data source, or what the selection kept")
        most = ", ".join(f"{reason} ({count})" for reason, count in self.reasons.most_common())
        raise DataError(
            f"none of {self.reasons.total()} rows could be rendered: {most}. too_long: raise max_tokens; no_label: "
            "check the mask and the rows' train marks; prefix_text: the template rewrites earlier turns, use mask "
            "'last'; for other codes run `winnow validate` on the rows"
        )


def render_files(folders: list[Path], total: int, model: Path, settings: RenderSettings, out: Path) -> Mapping[str, Any]:
    """Folders of chat rows → a folder of label rows, with ``dropped.jsonl`` beside them.

    Args:
        total: how many rows the folders hold, for the progress line.
        model: a folder with the tokenizer.

    Returns:
        `counts` (rows, tokens, label_tokens, dropped) and `reasons` (reason → rows).

    Raises:
        DataError: not one row could be rendered.
    """
    tally = Tally()
    tokenizer = load_tokenizer(model)
    rows = tracked(chain.from_iterable(read_rows(folder) for folder in folders), total, "rows")
    with (out / DROPPED).open("w", encoding="utf-8") as dropped:
        labels = label_rows(tokenizer, rows, settings.mask, settings.max_tokens)
        write_rows(out, "labels", tally.kept(labels, dropped))
    tally.refuse_nothing()
    log.info("%s", ", ".join(f"{count} {name}" for name, count in tally.counts().items()))
    return {"counts": tally.counts(), "reasons": dict(tally.reasons)}
