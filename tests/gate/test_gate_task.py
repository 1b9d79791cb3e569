"""The gates as tasks over artifacts in a store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tasks.gate.decision import GateDecision, LineageDecision
from tasks.gate.settings import GateSettings
from tasks.gate.task import decide, decide_lineage
from tasks.runtime.errors import ContractError
from tasks.runtime.references import DatasetRef
from tasks.runtime.rows import write_rows
from tasks.runtime.run import Run, running
from tasks.runtime.store import Store
from tests.gate.scoring import Rows, sides


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def publish(store: Store, rows: Rows) -> DatasetRef:
    with store.draft() as draft:
        count = write_rows(draft, "scores", rows)
        ref = store.publish(draft, "scores", counts={"rows": count})
    assert isinstance(ref, DatasetRef)
    return ref


def test_the_report_carries_the_decision(store: Store) -> None:
    ours, theirs = (publish(store, rows) for rows in sides(40, 10, 50))
    with running(Run("test/gate", store)):
        report = decide.fn(ours, theirs, GateSettings(), 2, of="candidate")
        again = decide.fn(ours, theirs, GateSettings(), 2, of="candidate")
    decision = GateDecision.model_validate(report.metadata)
    assert (decision.decision, decision.look, decision.items) == ("promote", 2, 100)
    assert json.loads((store.open(report) / "decision.json").read_text()) == report.metadata
    assert again == report
    inputs = store.manifest(report)["inputs"]
    assert (inputs["candidate"]["digest"], inputs["champion"]["digest"]) == (ours.digest, theirs.digest)


def test_the_lineage_gate_reads_head_then_candidate(store: Store) -> None:
    good, bad = (publish(store, rows) for rows in sides(40, 10, 50))
    with running(Run("test/gate", store)):
        better = decide_lineage.fn(bad, good, GateSettings())
        worse = decide_lineage.fn(good, bad, GateSettings())
    assert LineageDecision.model_validate(better.metadata).decision == "accept"
    assert LineageDecision.model_validate(worse.metadata).decision == "refuse"


def test_unpaired_scores_publish_nothing(store: Store) -> None:
    ours, theirs = sides(3, 0)
    refs = publish(store, ours), publish(store, theirs[1:])
    with running(Run("test/gate", store)), pytest.raises(ContractError, match="i0"):
        decide.fn(*refs, GateSettings(), 1, of="candidate")
    assert store.names("objects/report") == []
