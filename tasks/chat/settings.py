"""Settings of the rendering; they become the form in the Prefect UI."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Mask = Literal["assistant", "last", "full"]


class RenderSettings(BaseModel):
    """How chat rows become label rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mask: Mask = Field(
        "assistant",
        description="Which tokens are trained: every assistant turn, the last one only (verified answers), or all.",
    )
    max_tokens: int = Field(
        2048, ge=8, le=1_048_576, description="Rows with more tokens are dropped and counted; nothing is ever cut."
    )
