"""The plain way to decode, for models whose attention is not the common kind: one batch at a time, as transformers runs them.

A prompt is still read once for all its draws, and finished rows leave the batch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class PaddedDecoder:
    """Left-padded rows with the cache that the model's own class makes; new prompts wait until the batch is done."""

    def __init__(self, model: Any) -> None:
        config = model.config.get_text_config()
        heads = getattr(config, "num_key_value_heads", None) or getattr(config, "num_attention_heads", 1)
        width = getattr(config, "head_dim", None) or config.hidden_size // getattr(config, "num_attention_heads", 1)
        self.model, self.token_bytes = model, 2 * config.num_hidden_layers * heads * width * model.dtype.itemsize
        self._rows = 0

    def __len__(self) -> int:
        return self._rows

    def held(self) -> float:
        """Bytes of keys and values: nothing more fits beside a batch that is under way."""
        return float("inf") if self._rows else 0

    def needed(self, prompts: int, longest: int, rows: int, steps: int) -> int:
        """As `PackedDecoder.needed`; each row has its prompt's keys for itself."""
        return int(rows * (longest + steps) * self.token_bytes)

    def read_common(self, ids: list[int]) -> None:
        """Nothing: each prompt is read whole."""

    def read(self, prompts: list[list[int]], draws: list[int], steps: int) -> Any:
        """As `PackedDecoder.read`; no rows may be under way."""
        import torch
        from transformers.cache_utils import DynamicCache

        length, device = max(map(len, prompts)), self.model.device
        tokens = torch.tensor([[0] * (length - len(ids)) + ids for ids in prompts], device=device)
        mask = torch.tensor([[0] * (length - len(ids)) + [1] * len(ids) for ids in prompts], device=device)
        self._cache = DynamicCache(config=self.model.config)
        logits = self.model(
            input_ids=tokens,
            attention_mask=mask,
            position_ids=(mask.cumsum(1) - 1).clamp(min=0),
            past_key_values=self._cache,
            use_cache=True,
        ).logits[:, -1]
        repeated = torch.arange(len(prompts), device=device).repeat_interleave(torch.tensor(draws, device=device))
        self._cache.batch_select_indices(repeated)
        self._mask = mask[repeated]
        self._position = self._mask.sum(1, keepdim=True)
        self._rows = len(repeated)
        return logits

    def step(self, tokens: Any) -> Any:
        """As `PackedDecoder.step`."""
        import torch

        self._mask = torch.cat([self._mask, self._mask.new_ones(len(self._mask), 1)], 1)
        logits = self.model(
            input_ids=tokens[:, None],
            attention_mask=self._mask,
            position_ids=self._position,
            past_key_values=self._cache,
            use_cache=True,
        ).logits[:, -1]
        self._position = self._position + 1
        return logits

    def drop(self, finished: NDArray[np.int64]) -> NDArray[np.int64]:
        """As `PackedDecoder.drop`; the order stays."""
        import torch

        kept = np.setdiff1d(np.arange(self._rows), finished)
        index = torch.from_numpy(kept).to(self._mask.device)
        self._mask, self._position = self._mask[index], self._position[index]
        if len(kept):
            self._cache.batch_select_indices(index)
        self._rows = len(kept)
        return kept
