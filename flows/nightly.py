"""The nightly flow: make a chat model better, or leave it as it is.

winnow run nightly-rsf --profile deployments/profiles/demo.yaml
"""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows import night as steps
from flows import outcome
from flows.parameters import fill_from_deployment
from flows.settings import Lineage, Model, Night, NightSettings, ReplayDecay, Rounds, Seed, StoreAddress, Window
from flows.workers import WorkersSettings, check_workers, task_runner
from tasks.chat.settings import RenderSettings
from tasks.data.settings import DataSettings
from tasks.evaluate.settings import EvaluationSettings
from tasks.gate.settings import GateSettings
from tasks.runtime.run import Run, running
from tasks.runtime.stores import open_store
from tasks.runtime.task import results_in
from tasks.sample.budget.settings import BudgetSettings
from tasks.sample.settings import SamplingSettings
from tasks.select.settings import SelectionSettings
from tasks.train.settings import TrainingSettings
from tasks.validate.settings import ValidationSettings
from tasks.verify.settings import AuditSettings, VerifySettings

NAME = "nightly-rsf"


@flow(name=NAME, flow_run_name="{lineage}, night {night}", persist_result=False)
def nightly_rsf(
    lineage: Lineage = "default",
    night: Night = 0,
    seed: Seed = 0,
    rounds: Rounds = 2,
    window: Window = 14,
    replay_decay: ReplayDecay = 0.9,
    model: Model = "embedded",
    store: StoreAddress = "",
    data: DataSettings = DataSettings(),
    validation: ValidationSettings = ValidationSettings(),
    rendering: RenderSettings = RenderSettings(),
    warm_start: TrainingSettings = TrainingSettings(),
    sampling: SamplingSettings = SamplingSettings(),
    budget: BudgetSettings = BudgetSettings(),
    verification: VerifySettings = VerifySettings(),
    audit: AuditSettings = AuditSettings(),
    selection: SelectionSettings = SelectionSettings(),
    training: TrainingSettings = TrainingSettings(),
    evaluation: EvaluationSettings = EvaluationSettings(),
    gate: GateSettings = GateSettings(),
    workers: WorkersSettings = WorkersSettings(),
) -> dict[str, Any]:
    """Improve a lineage by one night of rejection sampling, behind a gate.

    Draws K answers to fresh prompts, keeps the verified ones, trains on them from the base model, compares the result with
    the champion on fresh items, and promotes it only when it is significantly better. A refusal is a normal outcome.
    """
    settings = NightSettings(**_completed(locals()))
    check_workers(settings.workers, settings.sampling)
    run = Run(name=f"{NAME}/{settings.lineage}", store=open_store(settings.store))
    with running(run), task_runner(settings.workers, run) as runner, results_in(run, runner):
        return improve(settings)


def improve(settings: NightSettings) -> dict[str, Any]:
    """The night, step by step, inside the current run."""
    night = steps.begin(settings)
    steps.prepare_data(night)
    steps.test_verifiers(night)
    steps.warm_start(night)
    for number in range(1, settings.rounds + 1):
        steps.rejection_sampling_round(night, number)
    steps.serving_gate(night)
    steps.lineage_gate(night)
    steps.leave_state(night)
    return outcome.report(night)


def plan_nightly(**parameters: Any) -> list[dict[str, Any]]:
    """What a run with these parameters would do: the journal of a planning run (label, key, outcome, why)."""
    settings = NightSettings(**(_defaults() | parameters))
    check_workers(settings.workers, settings.sampling)
    run = Run(name=f"{NAME}/{settings.lineage}", store=open_store(settings.store), planning=True)
    with running(run):
        improve(settings)
    return run.entries


def _completed(arguments: dict[str, Any]) -> dict[str, Any]:
    """The flow's arguments, groups given in part completed from the deployment."""
    groups = {name: value for name, value in arguments.items() if hasattr(value, "model_fields_set")}
    return arguments | fill_from_deployment(groups)


def _defaults() -> dict[str, Any]:
    import inspect

    return {name: parameter.default for name, parameter in inspect.signature(nightly_rsf.fn).parameters.items()}
