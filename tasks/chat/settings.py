"""Settings of the rendering; they become the form in the Prefect UI."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Mask = Literal["assistant", "last", "full"]
TooLong = Literal["drop", "left_context", "error"]


class RenderSettings(BaseModel):
    """How chat rows become label rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mask: Mask = Field(
        "assistant",
        description="Which tokens are trained: every assistant turn, the last one only (verified answers), or all.",
    )
    max_tokens: int = Field(2048, ge=8, le=1_048_576, description="The longest row, in tokens; a turn is never cut.")
    too_long: TooLong = Field(
        "drop",
        description="Rows with more tokens: drop them, leave out whole exchanges at their start (the system message and the "
        "last trained turn stay), or stop with an error.",
    )
    prompt_loss_weight: float = Field(
        0.0,
        ge=0.0,
        le=1.0,
        description="Weight of the prompts' tokens in the loss; trained turns weigh 1. A small one can help where answers are "
        "short (arXiv 2405.14394).",
    )
    pack_tokens: int = Field(
        0,
        ge=0,
        le=1_048_576,
        description="Put several whole rows into one sequence of at most this many tokens; 0: each row alone.",
    )

    @model_validator(mode="after")
    def _packs_hold_every_row(self) -> Self:
        if 0 < self.pack_tokens < self.max_tokens:
            raise ValueError(
                f"pack_tokens {self.pack_tokens} is less than max_tokens {self.max_tokens}: a row is never cut, so a pack must "
                "hold the longest; raise pack_tokens or lower max_tokens"
            )
        return self
