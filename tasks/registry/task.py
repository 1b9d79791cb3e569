"""The registry's side effects as tasks: never cached, safe to repeat. Each returns plain JSON data."""

from __future__ import annotations

from typing import Any

from tasks.gate.decision import GateDecision
from tasks.registry import ledger
from tasks.registry.nights import NightState, save_night
from tasks.registry.versions import register
from tasks.runtime.references import DatasetRef, ModelRef, ReportRef
from tasks.runtime.run import current_run
from tasks.runtime.task import winnow_task


@winnow_task(version="1", label="bootstrap registry", side_effect=True)
def bootstrap_registry(lineage: str, base: ModelRef, record: dict[str, Any]) -> dict[str, Any]:
    """Make the base model version 1 and champion of an empty registry.

    Returns:
        The champion's `Version` as a dict (not the base's, when the registry had begun before).
    """
    run = current_run()
    ledger.bootstrap(run.store, lineage, base, record, run.run_id)
    version = ledger.champion(run.store, lineage)
    assert version is not None, "a log that has begun has a champion"
    return version.model_dump(mode="json")


@winnow_task(version="1", label="promote or refuse {of}", unkeyed=("of",), side_effect=True)
def promote_or_refuse(
    lineage: str,
    candidate: ModelRef,
    gate: ReportRef,
    items: DatasetRef,
    expected_champion: int,
    record: dict[str, Any],
    of: str,
) -> dict[str, Any]:
    """Register the candidate and write the gate's decision into the history; `promote` moves the alias.

    Args:
        gate: the report of `tasks.gate.task.decide`.
        items: the evaluation prompts that both models were scored on.
        expected_champion: version that the gate compared with.
        record: the candidate's lineage (see `Version`); the gate report's digest is added as ``gate``.
        of: which candidate, for people.

    Returns:
        The history entry as a dict.

    Raises:
        PromotionConflictError: the champion moved, or the look was spent, since the gate.
    """
    run = current_run()
    version = register(run.store, lineage, candidate, {**record, "gate": gate.digest})
    entry = ledger.record_decision(
        run.store,
        lineage,
        version,
        expected_champion,
        GateDecision.model_validate(gate.metadata),
        items.digest,
        run.run_id,
    )
    return entry.model_dump(mode="json")


@winnow_task(version="1", label="write night state", side_effect=True)
def write_night_state(state: NightState) -> dict[str, Any]:
    """Save the night's state. Returns its lineage and night."""
    save_night(current_run().store, state)
    return {"lineage": state.lineage, "night": state.night}
