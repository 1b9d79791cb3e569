"""How answers are verified."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class VerifySettings(BaseModel):
    """The time a verifier may take."""

    model_config = ConfigDict(extra="forbid")

    time_limit: float = Field(
        10.0, ge=0.1, le=3600, description="Seconds a verifier may take for one answer; longer is 'timed_out'."
    )
