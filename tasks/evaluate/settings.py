"""How models are compared."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from tasks.runtime.fingerprint import Unkeyed
from tasks.sample.settings import SamplingSettings


class EvaluationSettings(BaseModel):
    """Greedy answers to the night's fresh items. How many items there are is set in the data group."""

    model_config = ConfigDict(extra="forbid")

    engine: str = Field("transformers", description="Engine: a registered name, or 'package.module:function'.")
    max_tokens: int = Field(32, ge=1, le=131_072, description="Longest answer, in tokens; a longer one is cut.")
    shard_items: int = Field(1024, ge=1, le=100_000, description="Items per shard: the unit that is cached.")
    batch_rows: Annotated[int, Unkeyed()] = Field(128, ge=1, le=65_536, description="Items answered side by side.")

    def sampling(self) -> SamplingSettings:
        """One greedy draw an item."""
        return SamplingSettings(
            engine=self.engine,
            temperature=0,
            max_tokens=self.max_tokens,
            shard_prompts=self.shard_items,
            batch_rows=self.batch_rows,
        )
