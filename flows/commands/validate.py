"""`winnow validate`: row checks and the suites over a file of rows.

Run: ``winnow validate rows.jsonl --rejects rejects.jsonl --docs docs``
"""

from __future__ import annotations

import json as jsonlib
import shutil
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer


def validate(
    path: Annotated[Path, typer.Argument(help="JSONL or Parquet of chat, prompt, label or sample rows.")],
    format: Annotated[
        str | None,
        typer.Option("--format", help="chat, prompts, labels or samples; told from the fields when left out."),
    ] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option("--tokenizer", help="Model folder, GGUF, hub id or 'embedded': its control tokens count."),
    ] = None,
    mask: Annotated[str, typer.Option("--mask", help="The mask labels were made with: assistant, last or full.")] = "assistant",
    rejects: Annotated[Path | None, typer.Option("--rejects", help="Write the rejected rows here (JSONL).")] = None,
    docs: Annotated[Path | None, typer.Option("--docs", help="Write Great Expectations' Data Docs into this folder.")] = None,
    max_rejected: Annotated[
        float, typer.Option("--max-rejected", min=0.0, max=1.0, help="Refuse when more than this share is rejected.")
    ] = 0.05,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check a file of rows: what is wrong with which row, and whether the file may be used. Exit code 2: it may not."""
    from flows.terminal import emit
    from tasks.validate.files import read_file
    from tasks.validate.report import DOCS, REJECTS, Inspection, refuse_bad
    from tasks.validate.settings import ValidationSettings

    facts = _facts(tokenizer, mask)
    kind, rows = read_file(path, format)
    with tempfile.TemporaryDirectory(prefix="winnow-validate-") as scratch:
        inspection = Inspection(kind, facts, Path(scratch))
        for _ in inspection.accepted(rows):
            pass
        summary = inspection.finish(ValidationSettings(max_rejected_share=max_rejected))
        table = _table(summary, Path(scratch, REJECTS))
        _keep(Path(scratch, REJECTS), rejects)
        _keep(Path(scratch, DOCS), docs)
    emit(summary, json, table)
    refuse_bad(summary, str(rejects) if rejects else "add --rejects FILE to have them written")


def _facts(tokenizer: str | None, mask: str) -> Any:
    from typing import get_args

    from tasks.chat.settings import Mask
    from tasks.runtime.errors import ConfigurationError
    from tasks.validate.facts import Facts, tokenizer_facts

    if mask not in get_args(Mask):
        raise ConfigurationError(f"mask {mask!r} is unknown; known: {', '.join(get_args(Mask))}")
    if tokenizer is None:
        return Facts(mask=mask)
    from tasks.chat.tokenizer import load_tokenizer

    return tokenizer_facts(load_tokenizer(tokenizer), mask)


def _keep(made: Path, wanted: Path | None) -> None:
    from tasks.runtime.errors import DataError

    if wanted is None or not made.exists():
        return
    try:
        if made.is_dir():
            shutil.copytree(made, wanted, dirs_exist_ok=True)
        else:
            wanted.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(made, wanted)
    except OSError as error:
        raise DataError(f"{wanted} cannot be written: {error}; give another place") from error


def _table(summary: dict[str, Any], rejects: Path) -> Any:
    """Codes with their counts and the first row of each."""
    from rich.table import Table
    from rich.text import Text

    from tasks.validate.codes import CODES

    title = f"{summary['suite']}: {summary['accepted']} of {summary['read']} rows accepted"
    table = Table("code", "rows", "what it means", "first example", title=title)
    first = _first_rows(rejects)
    for code, count in sorted(summary["codes"].items(), key=lambda item: (-item[1], item[0])):
        table.add_row(code, str(count), CODES[code][0], Text(first.get(code, summary["examples"][code])))
    if not summary["codes"]:
        table.add_row("none", "0", "every row passed", "")
    return table


def _first_rows(rejects: Path) -> dict[str, str]:
    """Code → the first rejected row that has it, as one short line."""
    found: dict[str, str] = {}
    with rejects.open(encoding="ascii") as file:
        for line in file:
            reject = jsonlib.loads(line)
            for code in reject["codes"]:
                if code not in found:
                    shown = reject.get("detail") or jsonlib.dumps(reject["row"])
                    found[code] = f"{reject['id']}  {shown[:120]}{'…' if len(shown) > 120 else ''}"
    return found
