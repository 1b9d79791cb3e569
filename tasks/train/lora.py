"""LoRA (arXiv 2106.09685) on every linear layer, as a training method."""

from __future__ import annotations

from typing import Any

from tasks.train.settings import TrainingSettings


def lora(settings: TrainingSettings) -> Any:
    """The PEFT configuration for `settings`: all linear layers but the output head ("LoRA without regret": every layer, not
    only attention), no dropout (rows are few and seen few times)."""
    from peft import LoraConfig

    return LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
