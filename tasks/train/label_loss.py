"""TRL's trainer with logits computed only where labels are.

In chat rows most tokens are prompt. TRL's fused head still multiplies every position with the whole vocabulary: half of a
step on the 135M model, whose vocabulary is a third of its weights.
"""

from __future__ import annotations

from typing import Any

import torch
from trl.trainer.sft_trainer import SFTTrainer

IGNORED = -100


class LabelTokenTrainer(SFTTrainer):  # type: ignore[misc]  # trl has no types
    """Loss = Σ cross-entropy over the label tokens ÷ their number in the whole optimizer step."""

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """`inputs`: ids, mask and labels, each (rows, length). `num_items_in_batch`: the step's label tokens, counted by the
        trainer over all micro-batches and ranks; absent in evaluation, where the batch's own number is used.

        The positions that carry a label in any row go to the model as `logits_to_keep`, so the model's own forward runs, and
        with it whatever wraps it (DDP, FSDP).
        """
        labels = inputs["labels"][:, 1:]
        kept = (labels != IGNORED).any(0).nonzero()[:, 0]
        features = {name: value for name, value in inputs.items() if name != "labels"}
        outputs = model(**features, use_cache=False, logits_to_keep=kept)
        total = torch.nn.functional.cross_entropy(
            outputs.logits.float().flatten(0, 1), labels[:, kept].flatten(), ignore_index=IGNORED, reduction="sum"
        )
        count = num_items_in_batch if num_items_in_batch is not None else (labels != IGNORED).sum()
        loss = total / count
        return (loss, outputs) if return_outputs else loss
