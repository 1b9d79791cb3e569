"""Label rows → batches with as little padding as the model allows.

The rows of a micro-batch are laid end to end into lanes as long as its longest row. Position ids restart at every row, and
the attention mask that transformers makes of them keeps rows apart. So nearly every place holds a token, and attention costs
no more than in a padded batch, where one long line would cost the square of all tokens (eager and sdpa compute masked places
too).
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from tasks.chat.packing import best_fit, join_rows
from tasks.runtime.rows import IGNORED, Row

Layout = Literal["lanes", "line", "padded"]
# What may be left of a leak. Measured in float32 and bfloat16: 0 to 0.02 for models that keep rows apart (rounding), 0.79 and
# more for those that do not.
_APART = 0.1


@dataclass(frozen=True)
class LabelCollator:
    """Label rows → one batch of tensors, each (lanes, places).

    Layouts: ``lanes`` (above); ``line``: all rows in one lane, the only form in which flash attention finds borders, and free
    there; ``padded``: one row a lane and an attention mask, for models that do not keep rows apart.
    """

    pad_id: int
    layout: Layout

    def __call__(self, rows: Sequence[Row]) -> dict[str, torch.Tensor]:
        """Returns `input_ids`, `labels`, `loss_weights` (0 where nothing is trained), and `position_ids` or, padded,
        `attention_mask`. `rows`: fields of label rows; one that is None counts as absent."""
        lanes = [join_rows([rows[place] for place in lane]) for lane in self._lanes([len(row["input_ids"]) for row in rows])]
        width = max(len(lane["input_ids"]) for lane in lanes)
        for lane in lanes:
            self._fill(lane, width)
        batch = {name: torch.tensor([lane[name] for lane in lanes]) for name in lanes[0]}
        batch["loss_weights"] = torch.where(batch["labels"] == IGNORED, 0.0, batch["loss_weights"])
        batch.pop("position_ids" if self.layout == "padded" else "attention_mask")
        return batch

    def _lanes(self, lengths: list[int]) -> list[list[int]]:
        if self.layout == "padded":
            return [[place] for place in range(len(lengths))]
        return best_fit(lengths, max(lengths) if self.layout == "lanes" else sum(lengths))

    def _fill(self, lane: Row, width: int) -> None:
        """Pads on the right. Their positions go on counting: causal attention hides them from the tokens before, and a lane of
        one row still counts as one sequence, which needs no mask at all."""
        tokens, last = len(lane["input_ids"]), lane["position_ids"][-1]
        pads = width - tokens
        lane.setdefault("loss_weights", [1.0] * tokens)
        lane["attention_mask"] = [1] * tokens + [0] * pads
        lane["input_ids"] += [self.pad_id] * pads
        lane["labels"] += [IGNORED] * pads
        lane["loss_weights"] += [0.0] * pads
        lane["position_ids"] += range(last + 1, last + 1 + pads)


def choose_layout(model: Any) -> Layout:
    """The layout that `model` computes right with its attention implementation, found by trying it.

    Whether a model reads borders from position ids depends on its architecture (state spaces and convolutions cannot, and
    gpt-oss, Bloom or OPT do not in transformers 5.23) as well as on the implementation, and nothing it declares says so.
    """
    from transformers.utils.generic import is_flash_attention_requested

    layout: Layout = "line" if is_flash_attention_requested(model.config) else "lanes"
    return layout if _keeps_rows_apart(model, layout) else "padded"


@torch.no_grad()
def _keeps_rows_apart(model: Any, layout: Layout) -> bool:
    """Whether a row gets the same logits behind another row as before it, where causal attention cannot see the other.

    Both times it lies in a lane of the same size, so that rounding is the same too and bfloat16 does not blur the answer.
    """
    if "position_ids" not in inspect.signature(model.forward).parameters:
        return False
    words = model.get_input_embeddings().num_embeddings
    row = 7919 * torch.arange(1, 17, device=model.device) % words
    ids = torch.stack([row, row.roll(8)])
    positions = torch.arange(8, device=model.device).repeat(2, 2)

    def behind_and_before(**features: torch.Tensor) -> torch.Tensor:
        lanes = 1 if layout == "line" else 2  # as many in a batch as there will be
        parts = [{name: value[at : at + lanes] for name, value in features.items()} for at in range(0, 2, lanes)]
        logits = torch.cat([model(**part, use_cache=False).logits.float() for part in parts])
        return logits[0, 8:] - logits[1, :8]

    left = behind_and_before(input_ids=ids, position_ids=positions).norm()
    return bool(left <= _APART * behind_and_before(input_ids=ids).norm())
