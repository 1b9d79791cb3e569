"""Settings of the validation; they become the form in the Prefect UI."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ValidationSettings(BaseModel):
    """How many bad rows a dataset may have before the run stops."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_rejected_share: float = Field(
        0.05,
        ge=0.0,
        le=1.0,
        description="Rejected rows are put aside; when more than this share of a dataset is rejected, the run stops.",
    )
