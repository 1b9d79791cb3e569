"""What commands print: a table or lines for people, one JSON object for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

out = Console(soft_wrap=False)
err = Console(stderr=True)


def emit(data: dict[str, Any], as_json: bool, table: Table | str | None = None) -> None:
    """Print `data` as one JSON object, or `table` (else the data as lines) for a person."""
    if as_json:
        sys.stdout.write(json.dumps(data, ensure_ascii=False) + "\n")
        sys.stdout.flush()
    elif table is not None:
        out.print(table)
    else:
        for name, value in data.items():
            out.print(f"[bold]{name}[/bold]: {value}", highlight=False)


def refuse(message: str) -> None:
    """Print an error for a person on standard error."""
    err.print("[bold red]✗[/bold red]", escape(message), highlight=False, soft_wrap=True)  # paths stay whole


@contextmanager
def progress_bar(title: str) -> Iterator[None]:
    """Draw a bar on standard error from what plain functions report inside the block."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    from tasks.runtime.progress import Progress, listening

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"))
    with Bars(*columns, TimeRemainingColumn(), console=err) as bars:
        bar = bars.add_task(title, total=None, note="")

        def draw(progress: Progress) -> None:
            bars.update(bar, completed=progress.done, total=progress.total or None, note=f"{progress.unit} {progress.note}")

        with listening(draw):
            yield
