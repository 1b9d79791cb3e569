"""How the answers to train on are chosen."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tasks.runtime.errors import ConfigurationError
from tasks.select.filters.settings import FilterSettings, NearDuplicateSettings

CONTROL = "random_matched"
# Rule → its own cap, where the paper it comes from has one (ReST-EM, arXiv 2312.06585).
_OWN_CAPS = {"rest_em": 10}
_CAP = 4


class SelectionSettings(BaseModel):
    """The rule, what it needs to know, and what is dropped before and after it."""

    model_config = ConfigDict(extra="forbid")

    rule: str = Field("distinct_correct", description="Selection rule: a registered name, or 'package.module:function'.")
    cap: int = Field(
        0,
        ge=0,
        le=1_000,
        description="Most answers of one prompt that are trained on; 0: the rule's own cap, 10 for rest_em, else 4.",
    )
    floor: float = Field(0.5, ge=0, le=1, description="Smallest score that best_of_k and threshold keep.")
    fraction: float = Field(
        0.25, gt=0, le=1, description="Share of a round's candidates, the best by score, that top_fraction keeps."
    )
    match: str = Field("distinct_correct", description="Rule whose number of rows a prompt random_matched copies.")
    family_quota: int = Field(0, ge=0, description="Most rows of one family; 0: no limit.")
    hard_below: float = Field(
        0.25,
        ge=0,
        le=1,
        description="Estimated pass rate below which a prompt is hard: filters leave one answer of it when it was solved.",
    )
    weighting: Literal["difficulty", "equal"] = Field(
        "difficulty",
        description="What an answer weighs in the loss. difficulty: 2 (1 − pass rate), from 0.25 to 2; equal: 1.",
    )
    filters: FilterSettings = Field(default=FilterSettings(), description="What makes an accepted answer unfit to train on.")
    near_duplicates: NearDuplicateSettings = Field(
        default=NearDuplicateSettings(), description="When an answer was said already, to another prompt or on another night."
    )

    @model_validator(mode="after")
    def _matches_another_rule(self) -> SelectionSettings:
        if self.match == CONTROL:
            raise ValueError(f"{CONTROL} cannot match itself; name the rule that it is the control of")
        return self

    @property
    def most(self) -> int:
        """Most answers of one prompt: the cap that was set, or the rule's own."""
        return self.cap or _OWN_CAPS.get(self.match if self.rule == CONTROL else self.rule, _CAP)

    def control(self) -> SelectionSettings:
        """The settings of the control arm: as many rows a prompt, drawn at random from what the rule chose from.

        Raises:
            ConfigurationError: these are a control arm's settings already.
        """
        if self.rule == CONTROL:
            raise ConfigurationError(f"selection.rule is {CONTROL}, which is the control arm itself; name another rule")
        return SelectionSettings.model_validate(self.model_dump() | {"rule": CONTROL, "match": self.rule})
