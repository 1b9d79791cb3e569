"""`winnow render`: chat rows → label rows (token ids and the labels that are trained).

Run: ``winnow render chat.jsonl --tokenizer embedded --mask assistant --out labels.parquet``
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer


def render(
    path: Annotated[Path, typer.Argument(help="JSONL or Parquet of chat rows.")],
    tokenizer: Annotated[str, typer.Option("--tokenizer", help="Model folder, GGUF file, hub id or 'embedded'.")],
    out: Annotated[Path, typer.Option("--out", help="Where the label rows go: .jsonl or .parquet.")],
    mask: Annotated[str, typer.Option("--mask", help="assistant (every answer), last (the last one) or full.")] = "assistant",
    max_tokens: Annotated[int, typer.Option("--max-tokens", min=8, help="Longer rows are dropped, never cut.")] = 2048,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Render chat rows with a model's own chat template; rows that cannot be rendered are dropped and counted."""
    from flows.terminal import emit
    from tasks.chat.files import Tally
    from tasks.chat.labels import label_rows
    from tasks.chat.tokenizer import load_tokenizer
    from tasks.runtime.row_files import write_row_file
    from tasks.validate.files import read_file

    _, rows = read_file(path, "chat")
    tally = Tally()
    labels = label_rows(load_tokenizer(tokenizer), _shaped(rows, tally), mask, max_tokens)  # type: ignore[arg-type]
    write_row_file(out, "labels", tally.kept(labels), tally.refuse_nothing)
    data = {**tally.counts(), "reasons": dict(tally.reasons), "out": str(out)}
    emit(data, json, _table(data))


def _shaped(rows: Iterator[Any], tally: Any) -> Iterator[Any]:
    """Rows that are chat rows at all; the others are dropped under the code of their shape."""
    from tasks.validate.structure import problems, row_id

    for row in rows:
        if found := problems("chat", row):
            code, detail = next(iter(found.items()))
            tally.drop(row_id("chat", row), code, detail)
        else:
            yield row


def _table(data: dict[str, Any]) -> Any:
    from rich.table import Table

    table = Table("", "number", title=data["out"])
    for name in ("rows", "tokens", "label_tokens", "dropped"):
        table.add_row(name.replace("_", " "), f"{data[name]:,}")
    for reason, count in sorted(data["reasons"].items()):
        table.add_row(f"dropped: {reason}", f"{count:,}")
    return table
