"""`winnow render`: chat rows → label rows (token ids and the labels that are trained).

Run: ``winnow render chat.jsonl --tokenizer embedded --mask assistant --out labels.parquet``
Look first: ``winnow render chat.jsonl --tokenizer embedded --show 2``
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from tasks.chat.files import Tally
    from tasks.chat.settings import RenderSettings


def render(
    path: Annotated[str, typer.Argument(help="Chat rows in any known format: file, folder, glob, s3:// or hf:.")],
    tokenizer: Annotated[str, typer.Option("--tokenizer", help="Model folder, GGUF file, hub id or 'embedded'.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Where label rows go: .jsonl or .parquet. With --show: a picture, .svg.")
    ] = None,
    format: Annotated[
        str | None, typer.Option("--format", help="alpaca, sharegpt, messages …; told from the columns when left out.")
    ] = None,
    mask: Annotated[str, typer.Option("--mask", help="assistant (every answer), last (the last one) or full.")] = "assistant",
    max_tokens: Annotated[int, typer.Option("--max-tokens", min=8, help="The longest row.")] = 2048,
    too_long: Annotated[
        str, typer.Option("--too-long", help="Longer rows: drop, left_context (drop their first turns) or error.")
    ] = "drop",
    prompt_loss_weight: Annotated[
        float, typer.Option("--prompt-loss-weight", min=0.0, max=1.0, help="Weight of prompt tokens in the loss.")
    ] = 0.0,
    pack_tokens: Annotated[int, typer.Option("--pack-tokens", min=0, help="Pack rows up to this many tokens; 0: do not.")] = 0,
    show: Annotated[
        int, typer.Option("--show", min=0, help="Print the first rows in all three masks, trained text green.")
    ] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Render chat rows with a model's own chat template; rows that cannot be rendered are dropped and counted."""
    from flows.options import from_options
    from flows.terminal import emit
    from tasks.chat.files import Tally
    from tasks.chat.settings import RenderSettings
    from tasks.chat.tokenizer import load_tokenizer
    from tasks.data.load import load
    from tasks.runtime.errors import ConfigurationError, DataError

    given = {"mask": mask, "max_tokens": max_tokens, "too_long": too_long}
    settings = from_options(RenderSettings, **given, prompt_loss_weight=prompt_loss_weight, pack_tokens=pack_tokens)
    if out is None and not show:
        raise ConfigurationError("say where the label rows go with --out FILE, or look at the first ones with --show 2")
    loaded = load(path, format)
    if loaded.kind != "chat":
        raise DataError(f"{path} holds {loaded.kind} rows, and only chat rows can be rendered; give conversations")
    speaker, tally = load_tokenizer(tokenizer), Tally()
    rows = _sound(loaded.rows, tally)
    if show:
        _show(speaker, list(islice(rows, show)), settings, out)
        return
    assert out is not None, "refused above"
    _write(speaker, rows, settings, tally, out)
    data = {**tally.counts(), "reasons": dict(tally.reasons), "out": str(out)}
    emit(data, json, _table(data))


def _write(tokenizer: Any, rows: Iterator[Any], settings: RenderSettings, tally: Tally, out: Path) -> None:
    from flows.terminal import progress_bar
    from tasks.chat.labels import renderings
    from tasks.runtime.progress import tracked
    from tasks.runtime.row_files import write_row_file

    with progress_bar("rendering"):
        labels = tally.kept(renderings(tokenizer, tracked(rows, 0, "rows"), settings))
        write_row_file(out, "labels", tally.packed(labels, settings.pack_tokens), tally.refuse_nothing)


def _sound(rows: Iterator[Any], tally: Tally) -> Iterator[Any]:
    """Rows that are chat rows at all; the others are dropped under the code of their fault."""
    from tasks.validate.structure import problems, row_id

    for row in rows:
        if found := problems("chat", row):
            code, detail = next(iter(found.items()))
            tally.drop(row_id("chat", row), code, detail)
        else:
            yield row


def _show(tokenizer: Any, rows: list[Any], settings: RenderSettings, out: Path | None) -> None:
    from flows import terminal
    from flows.masks import mask_table, save_picture
    from tasks.runtime.errors import DataError

    if not rows:
        raise DataError("there is no sound chat row to show; `winnow validate` says what is wrong with them")
    table = mask_table(tokenizer, rows, settings)
    terminal.out.print(table)
    if out is not None:
        save_picture(table, out)


def _table(data: dict[str, Any]) -> Any:
    from rich.table import Table

    table = Table("", "number", title=data["out"])
    for name, number in data.items():
        if isinstance(number, int):
            table.add_row(name.replace("_", " "), f"{number:,}")
    for reason, count in sorted(data["reasons"].items()):
        table.add_row(f"dropped: {reason}", f"{count:,}")
    return table
