"""How a model is trained."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from tasks.runtime.fingerprint import Unkeyed


class TrainingSettings(BaseModel):
    """Supervised fine-tuning: method, schedule and batch.

    The defaults suit LoRA on a small model (KNOWLEDGE: LoRA wants about ten times the rate of full fine-tuning, and small
    models more than large ones); for 7B and up start at 2e-4.
    """

    model_config = ConfigDict(extra="forbid")

    method: str = Field("lora", description="Training method: a registered name, or 'package.module:function'.")
    rank: int = Field(16, ge=1, le=1024, description="LoRA rank.")
    alpha: int = Field(32, ge=1, le=4096, description="LoRA scaling numerator (the update is scaled by alpha / rank).")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="Peak learning rate.")
    epochs: float = Field(2.0, gt=0, le=100, description="Passes over the training rows.")
    batch_rows: int = Field(
        16,
        ge=1,
        le=65_536,
        description="Rows per optimizer step, over all micro-batches. A pack counts as one row, so with packing every step has "
        "about batch_rows × pack_tokens tokens.",
    )
    warmup_share: float = Field(0.1, ge=0, lt=1, description="Share of the steps over which the rate rises.")
    max_grad_norm: float = Field(1.0, gt=0, le=1000, description="Gradients are clipped to this norm.")
    micro_batch_rows: Annotated[int, Unkeyed()] = Field(
        16,
        ge=1,
        le=65_536,
        description="Rows (or packs) per forward pass; a divisor of the batch; halved when memory runs out.",
    )
