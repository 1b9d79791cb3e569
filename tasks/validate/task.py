"""The Prefect task of this room. It publishes its report first, then refuses or passes the accepted rows on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from prefect.artifacts import create_table_artifact

from tasks.chat.settings import Mask
from tasks.runtime.references import DatasetRef, ModelRef, ReportRef
from tasks.runtime.run import current_run
from tasks.runtime.task import in_stage, winnow_task
from tasks.validate.codes import CODES
from tasks.validate.facts import Facts
from tasks.validate.report import REJECTS, Summary, by_count, refuse_bad
from tasks.validate.settings import ValidationSettings
from tasks.validate.stage import validate_folders


@winnow_task(version="3", label="validate {of}", unkeyed=("of",))
def validate(
    dataset: DatasetRef | list[DatasetRef],
    settings: ValidationSettings,
    of: str,
    model: ModelRef | None = None,
    mask: Mask = "assistant",
    chat: list[DatasetRef] | None = None,
    prompts: DatasetRef | None = None,
) -> DatasetRef:
    """Check rows by their suite (the dataset's kind: chat, prompts, labels or samples) and pass the accepted ones on.

    Args:
        dataset: one dataset, or shards of one kind, checked together.
        settings: see `ValidationSettings`.
        of: what is validated, for people; unique within the run.
        model: its tokenizer says which texts are control tokens, and for labels what the vocabulary, the generation
            prompt and the closing token are; without one those label checks are left out.
        mask: what labels were made with; ``full`` trains prompts on purpose.
        chat: the chat rows that labels were made from; with `model`, what is trained is compared with what they say.
        prompts: what samples were drawn from.

    Returns:
        The accepted rows; counts `rows`, `read`, `rejected`; metadata `report`: the report's reference as JSON.

    Raises:
        DataError: no rows, or more than the allowed share rejected. The report is in the store all the same.
    """
    shards = [dataset] if isinstance(dataset, DatasetRef) else dataset
    store, kind = current_run().store, shards[0].kind
    beside = {role: ref for role, ref in (("model", model), ("prompts", prompts)) if ref is not None}
    inputs: dict[str, Any] = {"dataset": shards, **beside, **({"chat": chat} if chat else {})}
    with store.draft() as accepted, store.draft() as draft:
        rows = [store.open(shard) for shard in shards], sum(shard.rows for shard in shards)
        folders: dict[str, Any] = {role: store.open(ref) for role, ref in beside.items()}
        if chat:
            folders["chat"] = [store.open(ref) for ref in chat]
        facts = Facts(mask=mask)
        summary = in_stage("validate", validate_folders, kind, *rows, facts, settings, accepted, draft, **folders)
        return publish_checked(of, summary, accepted, draft, inputs, settings)


def publish_checked(
    of: str,
    summary: Summary,
    accepted: Path,
    report: Path,
    inputs: dict[str, Any],
    settings: ValidationSettings,
    about: dict[str, Any] | None = None,
) -> DatasetRef:
    """Publish the report, show it, and pass the accepted rows on, unless too much was rejected.

    Args:
        accepted, report: drafts that an `Inspection` filled; `summary` is what it came to.
        about: more metadata for both.

    Returns:
        The accepted rows, as `validate` describes them.

    Raises:
        DataError: too much was rejected. The report is in the store all the same.
    """
    store, kind, more = current_run().store, summary["suite"], about or {}
    counts = {"rows": summary["accepted"], "read": summary["read"], "rejected": summary["rejected"]}
    written: ReportRef = store.publish(
        report, "report", inputs=inputs, config=settings, counts=counts, metadata={"suite": kind, **more}
    )
    _show(of, summary)
    refuse_bad(summary, f"{store.uri}/{written.uri}/{REJECTS}")
    made: DatasetRef = store.publish(
        accepted, kind, inputs=inputs, config=settings, counts=counts, metadata={"report": written.model_dump(), **more}
    )
    return made


def _show(of: str, summary: Summary) -> None:
    """A table in the UI: codes and expectations, counts and a few ids, nothing of the rows' text."""
    lines = [
        _line(code, summary["severities"][code], count, ", ".join(summary["examples"][code]), CODES[code][0])
        for code, count in by_count(summary["codes"])
    ]
    for own in summary["expectations"]:
        name = f"{own['expectation']}({own['column']})"
        lines.append(_line(name, own["severity"], "met" if own["success"] else "not met", "", own["observed"]))
    key = re.sub(r"[^a-z0-9]+", "-", f"validation {summary['suite']} {of}".lower()).strip("-")
    outcome = "passed" if summary["success"] else "refused"
    create_table_artifact(
        lines or [_line("none", "", 0, "", "every row passed")],
        key=key,
        description=f"{of}: {summary['accepted']} of {summary['read']} rows accepted, {outcome} "
        f"(at most {summary['max_rejected_share']:.1%} may be rejected)",
    )


def _line(code: str, severity: str, rows: int | str, examples: str, meaning: str) -> dict[str, Any]:
    return {"code": code, "severity": severity, "rows": rows, "for example": examples, "what it means": meaning}
