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

from tasks.chat.labels import Rendering, renderings
from tasks.chat.packing import pack_rows
from tasks.chat.settings import RenderSettings
from tasks.chat.tokenizer import load_tokenizer
from tasks.runtime.errors import ContractError, DataError
from tasks.runtime.progress import tracked
from tasks.runtime.rows import IGNORED, Row, read_rows, write_rows

DROPPED = "dropped.jsonl"
log = logging.getLogger("winnow.chat")


@dataclass
class Tally:
    """Counts of one rendering.

    Attributes:
        rendered: chat rows with label rows.
        rows, tokens, label_tokens: the label rows, their tokens, and the trained ones among these.
        shortened: chat rows whose first messages were left out.
        split: chat rows that became a label row a turn.
        packs: sequences of several label rows; 0 when there are none.
        reasons: dropped chat rows by reason.
    """

    rendered: int = 0
    rows: int = 0
    tokens: int = 0
    label_tokens: int = 0
    shortened: int = 0
    split: int = 0
    packs: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def counts(self) -> dict[str, int]:
        """`rows` are those of the file: packs when there are any, and then `members` the label rows in them."""
        members = {"rows": self.packs, "members": self.rows} if self.packs else {"rows": self.rows}
        return {
            **members,
            "tokens": self.tokens,
            "label_tokens": self.label_tokens,
            "dropped": self.reasons.total(),
            "shortened": self.shortened,
            "split": self.split,
        }

    def drop(self, row_id: str, reason: str, detail: str, out: TextIO | None = None) -> None:
        """Count a dropped row, and write why as a JSON line when there is a file for it."""
        self.reasons[reason] += 1
        _note(row_id, reason, detail, out)

    def kept(self, items: Iterable[Rendering], dropped: TextIO | None = None) -> Iterator[Row]:
        """The label rows of `items`, counted as they pass; what is left out is noted in `dropped`."""
        for item in items:
            if item.reject is not None:
                self.drop(item.id, item.reject.reason, item.reject.detail, dropped)
                continue
            self.rendered += bool(item.rows)
            self.split += any(row["id"] != item.id for row in item.rows)
            if item.left_out:
                self.shortened += 1
                _note(item.id, "shortened", f"{item.left_out} messages at its start were left out", dropped)
            for row in item.rows:
                self.rows += 1
                self.tokens += len(row["input_ids"])
                self.label_tokens += len(row["labels"]) - row["labels"].count(IGNORED)
                yield row

    def packed(self, rows: Iterable[Row], tokens: int) -> Iterator[Row]:
        """The rows in packs of at most `tokens` tokens, counted; the rows themselves when `tokens` is 0."""
        if not tokens:
            yield from rows
            return
        for pack in pack_rows(rows, tokens):
            self.packs += 1
            yield pack

    def refuse_nothing(self) -> None:
        """Raise `DataError` when no row was kept: training on nothing would "succeed" with a loss of zero."""
        if self.rows:
            return
        if not self.reasons:
            raise DataError("there are no chat rows to render: check the data source, or what the selection kept")
        most = ", ".join(f"{reason} ({count})" for reason, count in self.reasons.most_common())
        raise DataError(
            f"none of {self.reasons.total()} rows could be rendered: {most}. too_long: raise max_tokens, or leave turns out "
            "with too_long left_context; no_label: check the mask and the rows' train marks; prefix_text: the template writes "
            "other answers than its prompts ask for, take the one the model is served with; for other codes run `winnow "
            "validate` on the rows"
        )


def render_files(folders: list[Path], total: int, model: Path, settings: RenderSettings, out: Path) -> Mapping[str, Any]:
    """Folders of chat rows → a folder of label rows, with ``dropped.jsonl`` beside them. Memory does not grow with the rows.

    Args:
        total: how many rows the folders hold.
        model: a folder with the tokenizer.

    Returns:
        `counts` (see `Tally.counts`) and `reasons` (reason → rows).

    Raises:
        DataError: not one row could be rendered, or one is too long where that is an error.
        ContractError: the rows rendered and those dropped are not `total`.
    """
    tally = Tally()
    tokenizer = load_tokenizer(model)
    rows = tracked(chain.from_iterable(read_rows(folder) for folder in folders), total, "rows")
    with (out / DROPPED).open("w", encoding="utf-8") as dropped:
        labels = tally.kept(renderings(tokenizer, rows, settings), dropped)
        write_rows(out, "labels", tally.packed(labels, settings.pack_tokens))
    tally.refuse_nothing()
    if (came := tally.rendered + tally.reasons.total()) != total:
        raise ContractError(
            f"{total} chat rows were to be rendered, and {came} were rendered or dropped: the rows are not whole"
        )
    log.info("%s", ", ".join(f"{count} {name}" for name, count in tally.counts().items()))
    return {"counts": tally.counts(), "reasons": dict(tally.reasons)}


def _note(row_id: str, reason: str, detail: str, out: TextIO | None) -> None:
    if out is not None:
        out.write(json.dumps({"id": row_id, "reason": reason, "detail": detail}, sort_keys=True) + "\n")
