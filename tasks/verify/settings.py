"""How answers are verified, and how the verifiers themselves are checked."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from tasks.runtime.fingerprint import Unkeyed


class SandboxSettings(BaseModel):
    """What model-written code may use."""

    model_config = ConfigDict(extra="forbid")

    accept_weak: bool = Field(
        False,
        description="Run model-written code where this machine cannot isolate it: limits only, files and network open to it.",
    )
    memory_mb: int = Field(512, ge=64, le=65_536, description="Memory of one run, in MB, all its processes together.")
    processes: int = Field(16, ge=1, le=1024, description="Processes and threads that one run may have at once.")
    scratch_mb: int = Field(16, ge=1, le=4096, description="Size of the run's own folder, the only place it may write to.")
    output_kb: int = Field(64, ge=1, le=65_536, description="Output of one run that is read; more ends the run.")


class JudgeSettings(BaseModel):
    """The model that the `judge` verifier asks. Which one it is, is part of the verifier's version, and so of the keys."""

    model_config = ConfigDict(extra="forbid")

    model: Annotated[str, Unkeyed()] = Field(
        "", description="Judge: 'embedded', a folder or a hub id; with an endpoint, the name of the model there."
    )
    endpoint: Annotated[str, Unkeyed()] = Field(
        "",
        description="Ask an OpenAI-compatible endpoint: https://host/v1 (key in WINNOW_ENDPOINT_KEY), or block:NAME; "
        "empty: the model runs here.",
    )
    accept_at: float = Field(
        0.75,
        gt=0.5,
        le=1,
        description="Smallest score, 0 (worst) to 1 (best), that is accepted; 0.5 is that of a judge who cannot tell.",
    )
    batch_rows: Annotated[int, Unkeyed()] = Field(8, ge=1, le=4096, description="Questions a model here reads side by side.")


class RewardSettings(BaseModel):
    """The model that the `reward_model` verifier asks. Which one it is, is part of the verifier's version."""

    model_config = ConfigDict(extra="forbid")

    model: Annotated[str, Unkeyed()] = Field(
        "", description="Reward model: a folder or a hub id of a sequence-classification model with one label."
    )
    accept_at: float = Field(
        0.5, ge=0, le=1, description="Smallest score that is accepted: the sigmoid of the reward, so 0.5 is a reward of 0."
    )
    batch_rows: Annotated[int, Unkeyed()] = Field(8, ge=1, le=4096, description="Answers scored side by side.")


class VerifySettings(BaseModel):
    """The time a verifier may take, and what the verifiers that need more than two texts are given."""

    model_config = ConfigDict(extra="forbid")

    time_limit: float = Field(
        10.0, ge=0.1, le=3600, description="Seconds a verifier may take for one answer; longer is 'timed_out'."
    )
    sandbox: SandboxSettings = Field(default=SandboxSettings(), description="Limits for model-written code.")
    judge: JudgeSettings = Field(default=JudgeSettings(), description="The judge.")
    reward: RewardSettings = Field(default=RewardSettings(), description="The reward model.")


class AuditSettings(BaseModel):
    """How far verdicts are trusted: the self-test before sampling, and the second verifier after it."""

    model_config = ConfigDict(extra="forbid")

    false_positives: float = Field(
        0.02, gt=0, le=1, description="Most wrong answers that a verifier may accept: upper 95 % bound on planted ones."
    )
    false_negatives: float = Field(
        0.05, gt=0, le=1, description="Most right answers that a verifier may not accept: upper 95 % bound on planted ones."
    )
    second_verifier: str = Field("", description="Verifier that must agree on rare successes; empty: none.")
    rare_below: float = Field(
        0.1, ge=0, le=1, description="Estimated pass rate of a prompt below which an accepted answer is a rare success."
    )
    rows: int = Field(50, ge=0, le=10_000, description="Accepted answers a night that go to the audit file.")
