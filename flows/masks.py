"""The three label masks side by side, as coloured text: what of a conversation is trained under each."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from tasks.chat.settings import Mask, RenderSettings
from tasks.runtime.errors import ConfigurationError
from tasks.runtime.rows import Row

if TYPE_CHECKING:
    from rich.console import RenderableType

TRAINED, PARTLY, UNTRAINED = "bold green", "yellow", "dim"
WIDTH = 132
# Nothing but text and colours: rich's own frame fetches a font from a content network.
_SVG = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>{styles}
.{unique_id}-matrix {{ font-family: monospace; font-size: {char_height}px; line-height: {line_height}px; }}</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>{lines}</defs>
<rect width="100%" height="100%" rx="6" fill="#15191e" />
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}<g class="{unique_id}-matrix">{matrix}</g></g></svg>
"""


def mask_table(tokenizer: Any, rows: Sequence[Row], settings: RenderSettings) -> RenderableType:
    """Each row under the masks assistant, last and full; a row that a mask refuses shows why."""
    from rich.table import Table

    table = Table(title="label masks: green is trained, grey is not", show_lines=True, expand=True)
    for mask in get_args(Mask):
        table.add_column(mask, ratio=1)
    for row in rows:
        table.add_row(*(_cell(tokenizer, row, settings.model_copy(update={"mask": mask})) for mask in get_args(Mask)))
    return table


def save_picture(table: RenderableType, out: Path) -> None:
    """`table` as an SVG file without fonts or anything else from outside.

    Raises:
        ConfigurationError: another ending, or a place that cannot be written.
    """
    from rich.console import Console

    if out.suffix != ".svg":
        raise ConfigurationError(f"--out {out}: a picture of the masks is an .svg file; leave --show out to render rows")
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(table)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(console.export_svg(title="", code_format=_SVG, unique_id="masks"), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{out} cannot be written ({error}); give another place") from error


def _cell(tokenizer: Any, row: Row, settings: RenderSettings) -> RenderableType:
    from rich.text import Text

    from tasks.chat.labels import Reject, label_rows
    from tasks.chat.show import label_runs

    cell = Text()
    for number, made in enumerate(label_rows(tokenizer, [row], settings)):
        cell.append("\n" if number else "")
        if isinstance(made, Reject):
            cell.append(f"refused: {made.reason} ({made.detail})", "red")
            continue
        for text, weight in label_runs(tokenizer, made):
            cell.append(text, TRAINED if weight == 1 else PARTLY if weight else UNTRAINED)
    return cell
