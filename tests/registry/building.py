"""Models, versions and decisions for the registry's tests."""

from __future__ import annotations

from tasks.gate.decision import GateDecision, better
from tasks.registry.records import Version
from tasks.registry.versions import register
from tasks.runtime.references import DatasetRef, ModelRef
from tasks.runtime.rows import write_rows
from tasks.runtime.store import Store
from tests.gate.scoring import sides

LINEAGE = "demo"


def publish_model(store: Store, name: str) -> ModelRef:
    """A tiny artifact of kind ``model`` whose digest depends on `name`."""
    with store.draft() as draft:
        (draft / "model.safetensors").write_text(name)
        ref = store.publish(draft, "model")
    assert isinstance(ref, ModelRef)
    return ref


def publish_prompts(store: Store, name: str) -> DatasetRef:
    """One prompt row as an artifact."""
    row = {"id": name, "messages": [{"role": "user", "content": name}], "reference": "1", "verifier": "exact"}
    with store.draft() as draft:
        ref = store.publish(draft, "prompts", counts={"rows": write_rows(draft, "prompts", [row])})
    assert isinstance(ref, DatasetRef)
    return ref


def new_version(store: Store, name: str, lineage: str = LINEAGE) -> Version:
    """A model published and registered."""
    return register(store, lineage, publish_model(store, name), {"made from": name})


def decision(kind: str, look: int) -> GateDecision:
    """A real decision of that kind."""
    ours, theirs = sides(60, 5) if kind == "promote" else sides(5, 5)
    if kind == "no_decision":
        ours[0]["state"] = "error"
    made = better(ours, theirs, look=look)
    assert made.decision == kind
    return made
