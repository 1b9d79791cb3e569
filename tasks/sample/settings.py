"""How answers are drawn."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from tasks.runtime.fingerprint import Unkeyed


class SamplingSettings(BaseModel):
    """Draws per prompt, the sampling distribution, and how the work is cut."""

    model_config = ConfigDict(extra="forbid")

    engine: str = Field("transformers", description="Engine: a registered name, or 'package.module:function'.")
    k: int = Field(8, ge=1, le=256, description="Answers drawn per prompt.")
    temperature: float = Field(1.0, ge=0, le=5, description="Sampling temperature; 0 is greedy.")
    top_p: float = Field(1.0, gt=0, le=1, description="Keep the likeliest tokens up to this share of probability.")
    top_k: int = Field(0, ge=0, le=1_000_000, description="Keep only this many likeliest tokens; 0 keeps all.")
    min_p: float = Field(0.0, ge=0, lt=1, description="Drop tokens below this share of the likeliest one's probability.")
    max_tokens: int = Field(32, ge=1, le=131_072, description="Longest answer, in tokens; a longer one is cut.")
    shard_prompts: int = Field(
        128, ge=1, le=100_000, description="Prompts per shard: the unit that is cached, and lost when a run is killed."
    )
    batch_rows: Annotated[int, Unkeyed()] = Field(
        256, ge=1, le=65_536, description="Answers generated side by side; halved when memory runs out."
    )
