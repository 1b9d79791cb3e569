"""Adapters of the tiny model for tests: every kind that is taken, with weights that change what the model says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def kinds() -> dict[str, Any]:
    """Name → configuration of an adapter for a Llama."""
    import peft

    some: dict[str, Any] = {"target_modules": ["q_proj", "down_proj"]}
    return {
        "lora": peft.LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"),
        "dora": peft.LoraConfig(r=4, use_dora=True, **some),
        "embeddings": peft.LoraConfig(r=4, target_modules=["q_proj", "embed_tokens"], modules_to_save=["lm_head"]),
        "tokens": peft.LoraConfig(r=4, trainable_token_indices=[3, 4], **some),
        "adalora": peft.AdaLoraConfig(init_r=4, target_r=4, total_step=10, **some),
        "hra": peft.HRAConfig(r=4, **some),
        "ia3": peft.IA3Config(feedforward_modules=["down_proj"], **some),
        "ln_tuning": peft.LNTuningConfig(target_modules=["input_layernorm"]),
        "loha": peft.LoHaConfig(r=4, **some),
        "lokr": peft.LoKrConfig(r=4, **some),
        "miss": peft.MissConfig(r=4, **some),
        "oft": peft.OFTConfig(oft_block_size=8, r=0, **some),
        "vera": peft.VeraConfig(r=4, target_modules=["q_proj"]),
    }


def write_adapter(base: Path, folder: Path, config: Any, *, seed: int = 1, size: float = 0.3) -> Path:
    """An adapter of the model in `base`, every trained weight moved at random, as PEFT saves it."""
    import torch
    from peft import get_peft_model
    from transformers import AutoModelForCausalLM

    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(size * torch.randn(parameter.shape, generator=generator))
    model.save_pretrained(folder)
    return folder


def change_config(folder: Path, **changes: Any) -> None:
    """Set fields of an adapter's configuration."""
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
