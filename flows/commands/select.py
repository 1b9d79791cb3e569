"""``winnow select``: sample rows and their verdicts → the chat rows to train on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.terminal import emit


def select(
    samples: Annotated[str, typer.Option(help="Sample rows: a file, folder, pattern or s3://.")],
    verdicts: Annotated[str, typer.Option(help="Their verdict rows, one for each sample.")],
    prompts: Annotated[str, typer.Option(help="The prompt rows they answer, in any known format.")],
    out: Annotated[Path, typer.Option(help="Chat rows to write: .jsonl or .parquet.")],
    rule: Annotated[str, typer.Option(help="A registered rule or 'package.module:function'.")] = "distinct_correct",
    cap: Annotated[int, typer.Option(min=1, max=1000, help="Most answers of one prompt.")] = 4,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Keep the accepted answers that the rule chooses; every other one is counted with its reason."""
    from tasks.data.load import sound_rows
    from tasks.runtime.row_files import write_row_file
    from tasks.select.outcomes import Selection, checked_counts, kept_rows
    from tasks.select.settings import SelectionSettings

    settings = SelectionSettings(rule=rule, cap=cap)
    selection = Selection(sound_rows(verdicts, "verdicts"), sound_rows(prompts, "prompts"), settings)
    outcomes = selection.outcomes(sound_rows(samples, "samples"))
    write_row_file(out, "chat", kept_rows(selection, outcomes))
    emit({**checked_counts(selection.counts), "out": str(out)}, json)
