"""The registry's side effects as tasks, in the order a night calls them; each is safe to repeat."""

from __future__ import annotations

import json

from tasks.gate.settings import GateSettings
from tasks.gate.task import decide
from tasks.registry import ledger
from tasks.registry.nights import NightState, last_night
from tasks.registry.task import bootstrap_registry, promote_or_refuse, write_night_state
from tasks.registry.versions import version_of
from tasks.runtime.references import DatasetRef
from tasks.runtime.rows import write_rows
from tasks.runtime.run import Run, running
from tasks.runtime.store import Store
from tests.gate.scoring import Rows, sides
from tests.registry.building import LINEAGE, publish_model, publish_prompts


def scores(store: Store, rows: Rows) -> DatasetRef:
    with store.draft() as draft:
        ref = store.publish(draft, "scores", counts={"rows": write_rows(draft, "scores", rows)})
    assert isinstance(ref, DatasetRef)
    return ref


def test_a_night_twice(store: Store) -> None:
    base, candidate, items = publish_model(store, "base"), publish_model(store, "new"), publish_prompts(store, "fresh")
    ours, theirs = (scores(store, rows) for rows in sides(40, 5, 50))
    printed = []
    for _ in range(2):
        with running(Run("nightly-rsf/demo", store)) as run:
            first = bootstrap_registry.fn(LINEAGE, base, {"source": "embedded"})
            gate = decide.fn(ours, theirs, GateSettings(), 1, of="candidate")
            entry = promote_or_refuse.fn(LINEAGE, candidate, gate, items, 1, {"prompts": items.digest}, of="candidate")
            state = NightState(night=1, lineage=LINEAGE, base=base, head=candidate, champion=entry["version"])
            printed.append((entry, write_night_state.fn(state)))
            json.dumps([first, printed])
    assert printed[0] == printed[1]
    assert printed[0][0]["run_id"] != run.run_id, "the second run was given the first one's entry"
    assert (first["version"], printed[0][0]["event"], printed[0][0]["version"]) == (2, "promote", 2)
    assert version_of(store, LINEAGE, 2).record == {"prompts": items.digest, "gate": gate.digest}
    assert len(ledger.history(store, LINEAGE)) == 2
    assert last_night(store, LINEAGE) == state
