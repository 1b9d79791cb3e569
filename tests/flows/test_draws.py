"""What a night draws, through the real tasks with an engine that has no model: waves, the temperature, the hint arm."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
from prefect import flow

from flows import draws, parts
from flows.night import Night
from flows.nightly import nightly_rsf
from flows.settings import NightSettings
from tasks.registry.nights import NightState
from tasks.runtime.models import source_digest
from tasks.runtime.references import DatasetRef
from tasks.runtime.rows import read_rows, write_rows
from tasks.runtime.run import Run, running
from tasks.runtime.store import Store
from tasks.runtime.task import results_in
from tasks.sample.budget.settings import BudgetSettings, TemperatureSettings
from tasks.sample.settings import SamplingSettings
from tasks.train.task import import_base_model
from tasks.verify.verdict import verifier_versions

pytestmark = pytest.mark.usefixtures("prefect_server")
FAMILIES = ("hard", "easy")


def asked(name: str, **more: Any) -> dict[str, Any]:
    turns = [{"role": "user", "content": f"What is question {name}?"}]
    return {"id": name, "messages": turns, "reference": "8", "verifier": "number", "family": FAMILIES[0]} | more


def publish(store: Store, kind: str, rows: list[dict[str, Any]]) -> DatasetRef:
    with store.draft() as draft:
        ref: DatasetRef = store.publish(draft, kind, counts={"rows": write_rows(draft, kind, rows)})
    return ref


def in_night(tmp_path: Path, tiny_model: Path, budget: BudgetSettings, rows: list[dict[str, Any]], steps: Any) -> Any:
    """What `steps(night, rows_of)` returns inside the second night of a lineage that never solved ``p0``."""
    given = {name: field.default for name, field in inspect.signature(nightly_rsf.fn).parameters.items()}
    sampling = SamplingSettings(engine="tests.sample.plugins:needs_a_hint", temperature=0.5, max_tokens=4, shard_prompts=2)
    settings = NightSettings(**{**given, "sampling": sampling, "budget": budget})
    run = Run("test/draws", Store(str(tmp_path / "store")))

    @flow(name="draws-test", persist_result=False)
    def body() -> Any:
        with running(run), results_in(run):
            base = import_base_model(str(tiny_model), "tiny", source_digest(tiny_model), "float32")
            known = publish(run.store, "pass_rates", [{"prompt_id": "p0", "draws": 30.0, "accepted": 0.0}])
            before = NightState(night=1, lineage="x", base=base, head=base, pass_rates=known, champion=1)
            night = Night(settings, 2, before, None, "float32", base, base)
            night.items = publish(run.store, "prompts", [asked("e0", messages=[{"role": "user", "content": "Who?"}])])
            night.prompts = [publish(run.store, "prompts", rows)]
            night.verifiers = verifier_versions(["number"], settings.verification)
            return steps(night, lambda refs: [row for ref in refs for row in read_rows(run.store.open(ref))])

    return body()


def test_a_prompt_that_was_never_solved_is_drawn_with_its_hint_and_trained_without(tmp_path: Path, tiny_model: Path) -> None:
    rows = [asked("p0", metadata={"hint": "twice four"}), asked("p1", metadata={"hint": "twice four"}), asked("p2")]

    def steps(night: Night, rows_of: Any) -> Any:
        samples, verdicts = draws.draw_in_waves(night, 1)
        made = parts.select(night, 1, samples, verdicts, parts.validated(night, samples, "samples", prompts=night.prompts[0]))
        night.rounds.append(made)
        parts.hint_arm(night, made)
        return rows_of(samples), made.chosen.rows, rows_of([made.hinted]), draws.tokens_spent(night), draws.tokens_hinted(night)

    samples, chosen, hinted, tokens, with_hints = in_night(
        tmp_path, tiny_model, BudgetSettings(cap=12, step=12, hint_share=0.1), rows, steps
    )
    drawn = {name: sorted(row["draw"] for row in samples if row["prompt_id"] == name) for name in ("p0", "p1", "p2")}
    assert drawn == {"p0": list(range(4)), "p1": list(range(12)), "p2": list(range(12))}  # p0 is hopeless: four draws
    assert chosen == 0
    assert {row["messages"][0]["content"] for row in hinted} == {"What is question p0?"}
    assert all(row["metadata"]["hinted"] and row["messages"][-1]["content"] == "8" for row in hinted)
    assert len(hinted) == 1, "its answers all say the same"
    assert 56 < tokens <= 56 / 0.9
    assert with_hints == tokens - 56


def test_the_temperature_that_solves_most_is_drawn_at(tmp_path: Path, tiny_model: Path) -> None:
    budget = BudgetSettings(
        strategy="uniform", k=2, temperature=TemperatureSettings(candidates=[0.5, 1.0], prompts=4, draws=2, per_family=True)
    )
    rows = [asked(f"p{number}", family=FAMILIES[number % 2]) for number in range(4)]

    def steps(night: Night, rows_of: Any) -> Any:
        draws.probe_temperatures(night)
        return night.temperatures, rows_of(draws.draw_in_waves(night, 1)[0])

    chosen, samples = in_night(tmp_path, tiny_model, budget, rows, steps)
    assert chosen.metadata["temperatures"] == {"": 1.0, "hard": 1.0, "easy": 1.0}
    assert {row["temperature"] for row in samples} == {1.0}
    assert len(samples) == 8
