"""The heavy half of a validation task: folders of rows → accepted rows and a report, in one pass."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from pathlib import Path

from tasks.runtime.progress import tracked
from tasks.runtime.rows import read_rows, write_rows
from tasks.validate.chat_index import ChatIndex
from tasks.validate.facts import Facts, tokenizer_facts
from tasks.validate.report import Inspection, Summary
from tasks.validate.settings import ValidationSettings


def validate_folders(
    kind: str,
    folders: list[Path],
    total: int,
    facts: Facts,
    settings: ValidationSettings,
    accepted: Path,
    report: Path,
    *,
    model: Path | None = None,
    chat: list[Path] | None = None,
    prompts: Path | None = None,
) -> Summary:
    """Check the rows of `folders`; write the accepted ones to `accepted` and the report to `report`.

    Args:
        total: how many rows there are, for the progress line.
        facts: what is known beforehand.
        model: a folder whose tokenizer adds its facts.
        chat: folders of the chat rows that label rows were made from.
        prompts: a folder of prompt rows that samples must belong to.

    Returns:
        The summary; nothing is refused here, so that the report is kept whatever it says.
    """
    if model is not None:
        from tasks.chat.tokenizer import load_tokenizer

        facts = tokenizer_facts(load_tokenizer(model), facts.mask)
    if chat is not None:
        facts = replace(facts, chat=ChatIndex(chat))
    if prompts is not None:
        facts = replace(facts, prompt_ids=frozenset(row["id"] for row in read_rows(prompts, columns=["id"])))
    inspection = Inspection(kind, facts, report, settings)
    rows = tracked(chain.from_iterable(read_rows(folder) for folder in folders), total, "rows")
    write_rows(accepted, kind, inspection.accepted(rows))
    return inspection.finish()
