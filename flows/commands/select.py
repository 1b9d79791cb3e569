"""``winnow select``: sample rows and their verdicts → the chat rows to train on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.terminal import emit


def select(
    samples: Annotated[Path, typer.Option(help="Sample rows: .jsonl, .parquet or an artifact's folder.")],
    verdicts: Annotated[Path, typer.Option(help="Their verdict rows, one for each sample.")],
    prompts: Annotated[Path, typer.Option(help="The prompt rows they answer.")],
    out: Annotated[Path, typer.Option(help="Chat rows to write: .jsonl or .parquet.")],
    rule: Annotated[str, typer.Option(help="A registered rule or 'package.module:function'.")] = "distinct_correct",
    cap: Annotated[int, typer.Option(min=1, max=1000, help="Most answers of one prompt.")] = 4,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Keep the accepted answers that the rule chooses; every other one is counted with its reason."""
    from tasks.data.files import read_file
    from tasks.runtime.row_files import write_row_file
    from tasks.select.outcomes import Selection, checked_counts, kept_rows
    from tasks.select.settings import SelectionSettings

    settings = SelectionSettings(rule=rule, cap=cap)
    selection = Selection(read_file(verdicts, "verdicts"), read_file(prompts, "prompts"), settings)
    outcomes = selection.outcomes(read_file(samples, "samples"))
    write_row_file(out, "chat", kept_rows(selection, outcomes))
    emit({**checked_counts(selection.counts), "out": str(out)}, json)
