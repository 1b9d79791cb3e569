"""Where prompts, warm-start rows and evaluation items come from, and how many there are."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tasks.data.mix_settings import Address, MixSettings

_ADDRESS = "a file, folder or pattern, local or s3://, or hf:org/name, in any known format"


class DataSettings(BaseModel):
    """Sources and amounts."""

    model_config = ConfigDict(extra="forbid")

    source: str = Field("reasoning_gym", description="Source of prompts: a registered name, or 'package.module:function'.")
    families: list[str] = Field(
        ["chain_sum"],
        min_length=1,
        max_length=100,
        description="Families of questions (reasoning-gym data sets); each gives an equal share.",
    )
    family_config: dict[str, dict[str, Any]] = Field(
        {"chain_sum": {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 2}},
        description="Family → the options of its questions; a family that is not named takes its defaults.",
    )
    train_prompts: int = Field(256, ge=1, le=1_000_000, description="Training prompts of one round.")
    warm_rows: int = Field(128, ge=0, le=1_000_000, description="Rows of the first night's warm start.")
    evaluation_items: int = Field(400, ge=1, le=1_000_000, description="Items every model is evaluated on.")
    train_file: Address = Field("", description=f"Prompt rows for training, instead of the source: {_ADDRESS}.")
    warm_file: Address = Field("", description=f"Chat rows for the warm start: {_ADDRESS}.")
    warm_mix: MixSettings = Field(
        MixSettings(), description="Several sources for the warm start, mixed, instead of warm_file; no sources: no mix."
    )
    evaluation_file: Address = Field("", description=f"Prompt rows for evaluation: {_ADDRESS}.")

    @model_validator(mode="after")
    def _one_place_for_warm_rows(self) -> DataSettings:
        if self.warm_file and self.warm_mix.sources:
            raise ValueError("warm_file and warm_mix.sources are both given; put the file among the sources")
        return self
