"""What a user may set about the gates."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class GateSettings(BaseModel):
    """The serving gate's error budget and the lineage gate's level."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    alpha: float = Field(
        default=0.05,
        gt=0,
        le=0.5,
        description="Chance of ever promoting a candidate that is no better, summed over all gates of a lineage",
    )
    lineage_level: float = Field(
        default=0.05,
        gt=0,
        le=0.5,
        description="The candidate does not become the lineage head when it is worse than the head at this level",
    )
