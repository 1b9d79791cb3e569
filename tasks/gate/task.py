"""The gates as cached tasks. Cheap, so they run in the flow's own process."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from tasks.gate.decision import better, not_worse
from tasks.gate.settings import GateSettings
from tasks.runtime.references import DatasetRef, ReportRef
from tasks.runtime.rows import read_rows
from tasks.runtime.run import current_run
from tasks.runtime.task import winnow_task

DECISION = "decision.json"


@winnow_task(version="1", label="gate {of}", unkeyed=("of",))
def decide(candidate_scores: DatasetRef, champion_scores: DatasetRef, settings: GateSettings, look: int, of: str) -> ReportRef:
    """The serving gate on two sets of score rows: a report (``decision.json``) whose metadata is the `GateDecision`.

    Args:
        look: number of gates decided before in this lineage (`tasks.registry.ledger.looks_spent`), plus one.
        of: which candidate, for people.

    Raises:
        ContractError: rows that do not pair.
    """
    store = current_run().store
    candidate, champion = read_rows(store.open(candidate_scores)), read_rows(store.open(champion_scores))
    decision = better(candidate, champion, settings.alpha, look)
    return _published(decision, {"candidate": candidate_scores, "champion": champion_scores}, settings)


@winnow_task(version="1", label="lineage gate")
def decide_lineage(head_scores: DatasetRef, candidate_scores: DatasetRef, settings: GateSettings) -> ReportRef:
    """The lineage gate on two sets of score rows: a report whose metadata is the `LineageDecision`.

    Raises:
        ContractError: rows that do not pair.
    """
    store = current_run().store
    head, candidate = read_rows(store.open(head_scores)), read_rows(store.open(candidate_scores))
    decision = not_worse(head, candidate, settings.lineage_level)
    return _published(decision, {"head": head_scores, "candidate": candidate_scores}, settings)


def _published(decision: BaseModel, inputs: dict[str, Any], settings: GateSettings) -> ReportRef:
    store, data = current_run().store, decision.model_dump(mode="json")
    with store.draft() as draft:
        (draft / DECISION).write_text(decision.model_dump_json(indent=1))
        return store.publish(  # type: ignore[no-any-return]
            draft, "report", inputs=inputs, config=settings, counts={"items": data["items"]}, metadata=data
        )
