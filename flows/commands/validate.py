"""`winnow validate`: row checks and the suites over rows from any source.

Run: ``winnow validate rows.jsonl --rejects rejects.jsonl --docs docs``
"""

from __future__ import annotations

import json as jsonlib
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from tasks.validate.facts import Facts
    from tasks.validate.settings import ValidationSettings


def validate(
    path: Annotated[str, typer.Argument(help="What to check: a file, folder or pattern, local or s3://, or hf:org/name.")],
    format: Annotated[
        str | None,
        typer.Option("--format", help="Its format (alpaca, chat, labels …); told from the first records when left out."),
    ] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option("--tokenizer", help="Model folder, GGUF, hub id or 'embedded': its control tokens count."),
    ] = None,
    mask: Annotated[str, typer.Option("--mask", help="The mask labels were made with: assistant, last or full.")] = "assistant",
    chat: Annotated[
        str | None, typer.Option("--chat", help="The chat rows that label rows were made from, to compare what is trained.")
    ] = None,
    rejects: Annotated[Path | None, typer.Option("--rejects", help="Write the rejected rows here (JSONL).")] = None,
    docs: Annotated[Path | None, typer.Option("--docs", help="Write Great Expectations' Data Docs into this folder.")] = None,
    profile: Annotated[
        Path | None, typer.Option("--profile", help="A profile whose `validation` says what is refused, and what expected.")
    ] = None,
    max_rejected: Annotated[
        float | None,
        typer.Option("--max-rejected", min=0.0, max=1.0, help="Refuse when more than this share is rejected (0.05)."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check rows: what is wrong with which, and whether they may be used. Exit code 2: they may not."""
    from flows.terminal import emit, progress_bar
    from tasks.data.load import load
    from tasks.runtime.progress import report_progress, tracked
    from tasks.validate.report import DOCS, REJECTS, Inspection, refuse_bad

    settings = _settings(profile, max_rejected)
    facts = _facts(tokenizer, mask)
    with tempfile.TemporaryDirectory(prefix="winnow-validate-") as scratch, progress_bar("validating"):
        if chat is not None:
            facts = replace(facts, chat=_chat_rows(chat, facts, Path(scratch, "chat")))
        loaded = load(path, format)
        inspection = Inspection(loaded.kind, facts, Path(scratch), settings)
        for _ in inspection.accepted(tracked(loaded.rows, 0, "rows")):
            pass
        report_progress(inspection.read, inspection.read, "rows")
        summary = {"format": loaded.format, **inspection.finish()}
        table = _table(summary, Path(scratch, REJECTS))
        _keep(Path(scratch, REJECTS), rejects)
        _keep(Path(scratch, DOCS), docs)
    emit(summary, json, table)
    refuse_bad(summary, str(rejects) if rejects else "add --rejects FILE to have them written")


def _settings(profile: Path | None, max_rejected: float | None) -> ValidationSettings:
    from flows.parameters import profile_group
    from tasks.validate.settings import ValidationSettings

    changed = [] if max_rejected is None else [f"max_rejected_share={max_rejected}"]
    return profile_group(profile, "validation", ValidationSettings, changed)


def _facts(tokenizer: str | None, mask: str) -> Facts:
    from typing import get_args

    from tasks.chat.settings import Mask
    from tasks.validate.facts import Facts, tokenizer_facts
    from tasks.validate.settings import known

    known("mask", mask, get_args(Mask))
    if tokenizer is None:
        return Facts(mask=mask)
    from tasks.chat.tokenizer import load_tokenizer

    return tokenizer_facts(load_tokenizer(tokenizer), mask)


def _chat_rows(address: str, facts: Facts, folder: Path) -> Any:
    """An index of chat rows, which are copied into Parquet shards for it."""
    from tasks.data.load import sound_rows
    from tasks.runtime.errors import ConfigurationError
    from tasks.runtime.rows import write_rows
    from tasks.validate.chat_index import ChatIndex

    if facts.tokenizer is None:
        raise ConfigurationError("--chat compares label rows with what a template writes; add --tokenizer")
    folder.mkdir()
    write_rows(folder, "chat", sound_rows(address, "chat"))
    return ChatIndex([folder])


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
    """Codes with their counts and the first rows of each, and the profile's own expectations."""
    from rich.table import Table
    from rich.text import Text

    from tasks.validate.codes import CODES
    from tasks.validate.report import by_count

    title = f"{summary['suite']}: {summary['accepted']} of {summary['read']} rows accepted"
    table = Table("code", "severity", "rows", "what it means", "first examples", title=title)
    first = _first_rows(rejects)
    for code, count in by_count(summary["codes"]):
        examples = first.get(code) or summary["examples"][code]
        table.add_row(code, summary["severities"][code], str(count), CODES[code][0], Text("\n".join(examples)))
    for own in summary["expectations"]:
        met = "met" if own["success"] else "not met"
        table.add_row(own["expectation"], own["severity"], met, own["column"], Text(own["observed"]))
    if not table.row_count:
        table.add_row("none", "", "0", "every row passed", "")
    return table


def _first_rows(rejects: Path) -> dict[str, list[str]]:
    """Code → the first rejected rows that have it, as one short line each."""
    from tasks.validate.report import EXAMPLES

    found: dict[str, list[str]] = {}
    with rejects.open(encoding="ascii") as file:
        for line in file:
            reject = jsonlib.loads(line)
            for code in reject["codes"]:
                if len(shown := found.setdefault(code, [])) < EXAMPLES:
                    about = reject.get("detail") or jsonlib.dumps(reject["row"])
                    shown.append(f"{reject['id']}  {about[:120]}{'…' if len(about) > 120 else ''}")
    return found
