"""TRL's trainer with logits computed only where labels are, and with weights.

In chat rows most tokens are prompt. TRL's fused head still multiplies every position with the whole vocabulary: half of a
step on the 135M model, whose vocabulary is a third of its weights.
"""

from __future__ import annotations

from typing import Any

import torch
from trl.trainer.sft_trainer import SFTTrainer


class LabelTokenTrainer(SFTTrainer):  # type: ignore[misc]  # trl has no types
    """Loss = Σ weight · cross-entropy over the label tokens ÷ Σ weight over the whole optimizer step: all of its micro-batches
    on all ranks. Without weights each is 1, and this is the mean over label tokens."""

    loss_is_scaled_for_ga = True  # already divided by the whole step: the trainer must not divide again

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """`inputs`: what `LabelCollator` makes. `num_items_in_batch`: the step's Σ weight; absent in evaluation, where the
        batch's own is used. The outputs' logits are (label tokens, vocabulary).

        The output layer is given the hidden states that predict a label and no others. The model's own forward runs, and with
        it whatever wraps it (DDP, FSDP).
        """
        labels, weights = inputs["labels"][:, 1:], inputs["loss_weights"][:, 1:]
        trained = weights > 0
        predicting = torch.nn.functional.pad(trained, (0, 1))
        features = {name: value for name, value in inputs.items() if name not in ("labels", "loss_weights")}
        head = self.accelerator.unwrap_model(model).get_output_embeddings()
        hook = head.register_forward_pre_hook(lambda _, hidden: (hidden[0][predicting],))
        try:
            outputs = model(**features, use_cache=False)
        finally:
            hook.remove()
        losses = torch.nn.functional.cross_entropy(outputs.logits.float(), labels[trained], reduction="none")
        loss = (losses * weights[trained]).sum()
        if num_items_in_batch is None:
            loss = loss / weights.sum()
        else:  # DDP averages the gradients over the ranks, where they are to be added
            loss = loss / num_items_in_batch * self.accelerator.num_processes
        return (loss, outputs) if return_outputs else loss

    def _get_num_items_in_batch(self, batch_samples: list[dict[str, Any]], device: torch.device) -> Any:
        """Σ weight of the label tokens of a step, over its micro-batches and all ranks (the trainer itself counts labels)."""
        own = sum(batch["loss_weights"][:, 1:].sum() for batch in batch_samples)
        return self.accelerator.gather(torch.as_tensor(own, device=device)).sum()
