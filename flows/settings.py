"""Everything a nightly run is told, as one checked model: the flow's parameters, which are also the form in the UI."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from flows.workers import WorkersSettings
from tasks.chat.settings import RenderSettings
from tasks.data.settings import DataSettings
from tasks.evaluate.settings import EvaluationSettings
from tasks.gate.settings import GateSettings
from tasks.sample.budget.settings import BudgetSettings
from tasks.sample.settings import SamplingSettings
from tasks.select.settings import SelectionSettings
from tasks.train.settings import TrainingSettings
from tasks.validate.settings import ValidationSettings
from tasks.verify.settings import AuditSettings, VerifySettings

Lineage = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9._-]*$",
        max_length=64,
        description="Name of the line of models that this run improves; it has its own registry and night states.",
    ),
]
Night = Annotated[
    int,
    Field(
        ge=0,
        le=100_000,
        description="Which night this is; 0: the one after the last finished night. A night that is run again reads its cache.",
    ),
]
Seed = Annotated[int, Field(ge=0, le=2**31 - 1, description="Fixes prompts, draws and training order.")]
Rounds = Annotated[int, Field(ge=1, le=16, description="Rejection-sampling rounds this night.")]
Model = Annotated[
    str,
    Field(
        min_length=1,
        description="The base model: 'embedded', a folder with config.json, a .gguf file, or a hub id (org/name@revision). An "
        "adapter, in a folder or on the hub, is merged into its base.",
    ),
]
StoreAddress = Annotated[
    str,
    Field(description="Artifact store: a folder, s3://bucket/prefix, or block:NAME; empty: the store under WINNOW_HOME."),
]
Window = Annotated[int, Field(ge=1, le=365, description="Nights whose accepted answers are trained on.")]

ReplayDecay = Annotated[
    float,
    Field(
        gt=0,
        le=1,
        description="Share of a past night's accepted answers that is trained on again, for each night of its age: at 0.9, "
        "81 % of those two nights old.",
    ),
]


class NightSettings(BaseModel):
    """The parameters of one nightly run; see the flow for what each does."""

    model_config = ConfigDict(extra="forbid")

    lineage: Lineage
    night: Night
    seed: Seed
    rounds: Rounds
    window: Window
    replay_decay: ReplayDecay
    model: Model
    store: StoreAddress
    data: DataSettings
    validation: ValidationSettings
    rendering: RenderSettings
    warm_start: TrainingSettings
    sampling: SamplingSettings
    budget: BudgetSettings
    verification: VerifySettings
    audit: AuditSettings
    selection: SelectionSettings
    training: TrainingSettings
    evaluation: EvaluationSettings
    gate: GateSettings
    workers: WorkersSettings
