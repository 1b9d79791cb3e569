"""How the answers to train on are chosen."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class SelectionSettings(BaseModel):
    """The rule, and how many answers of one prompt it may keep."""

    model_config = ConfigDict(extra="forbid")

    rule: str = Field("distinct_correct", description="Selection rule: a registered name, or 'package.module:function'.")
    cap: int = Field(4, ge=1, le=1_000, description="Most answers of one prompt that are trained on.")
