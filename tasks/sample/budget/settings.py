"""How a round's draws are shared among its prompts."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Strategy = Literal["sequential", "uniform", "prop2diff", "uniform_correct", "gvm"]


class TemperatureSettings(BaseModel):
    """How a night's temperature is found, by the balance score on a probe."""

    model_config = ConfigDict(extra="forbid")

    candidates: list[float] = Field(
        default_factory=list,
        max_length=16,
        description="Temperatures to try, such as 0.6, 0.8, 1.0, 1.2; none: sampling.temperature is used as it is.",
    )
    prompts: int = Field(200, ge=1, le=100_000, description="Prompts of the probe.")
    draws: int = Field(8, ge=1, le=256, description="Draws of each of them at every temperature tried.")
    enough: int = Field(
        4, ge=1, le=256, description="Distinct correct answers of a prompt past which more do not raise its balance score."
    )
    per_family: bool = Field(False, description="Choose a temperature for each family of prompts instead of one for all.")

    @model_validator(mode="after")
    def _candidates_differ(self) -> TemperatureSettings:
        if len(set(self.candidates)) < len(self.candidates) or not all(0 < one <= 5 for one in self.candidates):
            raise ValueError(f"candidates {self.candidates} must be different temperatures above 0 and at most 5")
        return self


class PolicySettings(BaseModel):
    """Which of the models that a night knows make its rounds' draws."""

    model_config = ConfigDict(extra="forbid")

    choice: Literal["head", "best_per_family", "pooled"] = Field(
        "head",
        description="head: the last model trained. pooled: the base model, the champion, the first head and tonight's rounds, "
        "in turn. best_per_family: for each family of prompts the one of these that is best on a probe of the round's prompts.",
    )
    newest: int = Field(4, ge=2, le=32, description="Of these models, take so many of the newest.")
    prompts: int = Field(32, ge=1, le=10_000, description="best_per_family: prompts of each family in the probe.")
    draws: int = Field(4, ge=1, le=256, description="best_per_family: draws of each of them by every model.")
    evidence: float = Field(
        0.05,
        gt=0,
        le=0.5,
        description="best_per_family: the chance that an older model displaces the newest in a family only by luck.",
    )


class BudgetSettings(BaseModel):
    """Which prompts get how many draws, and how many tokens a night may generate."""

    model_config = ConfigDict(extra="forbid")

    strategy: Strategy = Field(
        "sequential",
        description="sequential: a few draws at a time, until a prompt has as many distinct correct answers as its difficulty "
        "asks for; uniform: the same draws for all; uniform_correct, prop2diff: until a number of correct answers that is the "
        "same for all, or grows with difficulty (DART); gvm: a pilot, then shares by its pass rates (never looks again at "
        "what the pilot missed).",
    )
    k: int = Field(
        8, ge=1, le=256, description="uniform: draws of each prompt. gvm: of its pilot, and as many again on average."
    )
    target: int = Field(
        8,
        ge=1,
        le=256,
        description="Correct answers wanted of a prompt that is never right (sequential: distinct ones); an easier one: that "
        "many times its failure rate, at least 1. uniform_correct: of every prompt.",
    )
    step: int = Field(4, ge=1, le=64, description="Most draws of a prompt in one wave, except uniform's and gvm's.")
    cap: int = Field(24, ge=1, le=1_024, description="Most draws of a prompt in a round.")
    hopeless_cap: int = Field(
        4, ge=1, le=1_024, description="sequential: most draws of a prompt that 16 remembered ones have not solved."
    )
    repeats: int = Field(
        0,
        ge=0,
        le=1_024,
        description="sequential: stop at a prompt after this many correct answers that repeat an earlier one, as where only "
        "one answer can be said; 0: go on to the target or the cap.",
    )
    retire_above: float = Field(
        0.9,
        ge=0,
        le=1,
        description="sequential: no draws for a prompt that past nights left with a higher pass rate after 8 draws.",
    )
    review: float = Field(0.05, ge=0, le=1, description="Share of the retired prompts that are drawn tonight all the same.")
    token_budget: int = Field(
        0, ge=0, le=10**12, description="Most tokens that a night's rounds generate; 0: as many as they need."
    )
    hint_share: float = Field(
        0.1, ge=0, le=0.1, description="Most of a night's tokens spent on prompts with their hint (metadata.hint); 0: no hints."
    )
    hint_after: int = Field(
        24,
        ge=1,
        le=10_000,
        description="Draws without a success, over all past nights, after which a prompt is drawn with its hint.",
    )
    temperature: TemperatureSettings = Field(
        default=TemperatureSettings(), description="How the sampling temperature is chosen."
    )
    policies: PolicySettings = Field(default=PolicySettings(), description="Which models make the draws.")
