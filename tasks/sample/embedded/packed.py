"""A model that decodes many rows in one sequence: no padding, prompts read once, rows that come and go.

All rows are one sequence of tokens to the model's layers, each at its own position; only attention keeps them apart, and that
is ours (`attention`). So it works for every model that takes its attention function from transformers' registry.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.sample.embedded import attention
from tasks.sample.embedded.groups import COPIED_UP_TO, Group, worst_tokens

# Kernels are set up for each new number of rows, and the smallest ones add up in another order.
_ROWS_MULTIPLE = 16
_READ_TOKENS = 8192  # of prompts, in one pass


class PackedDecoder:
    """The rows under way and what the model has read of each.

    Attributes:
        common: the tokens that all prompts begin with; their keys and values are kept once.
        copied_up_to: tokens of a prompt, after those, that is copied to its rows.
        token_bytes: memory of one token's keys and values.
        window: the model's narrowest sliding window, known after the first pass; None without one.
    """

    def __init__(self, model: Any) -> None:
        attention.register()
        model.set_attn_implementation(attention.NAME)
        self.model, self.groups = model, list[Group]()
        self.common: list[int] = []
        self.copied_up_to = COPIED_UP_TO
        self._common_keys: list[Any] = []
        self._common_values: list[Any] = []
        self.token_bytes = 0
        self.window: int | None = None

    def __len__(self) -> int:
        return sum(map(len, self.groups))

    def read_common(self, ids: list[int]) -> None:
        """Read what all prompts begin with, once."""
        self.common = []
        if ids:
            group = Group([len(ids)], [1], 1)
            self._read_some(group, [ids], range(1))
            self.common, self._common_keys, self._common_values = ids, group.keys, group.values

    def read(self, prompts: list[list[int]], draws: list[int], steps: int) -> Any:
        """Read prompts and add the rows of their draws, prompt by prompt, after those that are there.

        Args:
            prompts: token ids; each begins with the common part and has at least one token more.
            draws: rows of each.
            steps: the most tokens that a row will write.

        Returns:
            logits of the first token, (prompts, vocabulary).
        """
        import torch

        start = len(self.common)
        group = Group([len(ids) - start for ids in prompts], draws, steps, start, self.copied_up_to)
        logits, first = [], 0
        while first < len(prompts):
            last, tokens = first, 0
            while last < len(prompts) and (last == first or tokens + len(prompts[last]) <= _READ_TOKENS):
                tokens += len(prompts[last]) - len(self.common)
                last += 1
            logits.append(self._read_some(group, prompts, range(first, last)))
            first = last
        self.groups.append(group)
        return torch.cat(logits)

    def _read_some(self, group: Group, prompts: list[list[int]], which: range) -> Any:
        import torch

        start, device = len(self.common), self.model.device
        lengths = [len(prompts[number]) - start for number in which]
        ids = [token for number in which for token in prompts[number][start:]]
        positions = np.concatenate([np.arange(start, start + length) for length in lengths])
        reading = _Reading(self, group, which.start, lengths)
        logits = attention.run(
            self.model,
            reading,
            input_ids=torch.tensor([ids], device=device),
            position_ids=torch.from_numpy(positions)[None].to(device),
            logits_to_keep=torch.from_numpy(np.cumsum(lengths) - 1).to(device),
        )
        self._learn(group, reading.window)
        return logits[0]

    def _learn(self, group: Group, window: int | None) -> None:
        pairs = [*group.keys, *group.values]
        self.token_bytes = sum(tensor.shape[1] * tensor.shape[3] * tensor.element_size() for tensor in pairs)
        self.window = window

    def common_parts(self, layer: int) -> tuple[Any, Any]:
        """Keys and values of the common part, each (1, key heads, tokens, width)."""
        return self._common_keys[layer], self._common_values[layer]

    def step(self, tokens: Any) -> Any:
        """One more token a row, (rows,) → logits of the next, (rows, vocabulary)."""
        import torch

        rows, device = len(self), self.model.device
        padding = -rows % _ROWS_MULTIPLE
        for group in self.groups:
            group.begin_step(device, self.model.dtype)
        positions = np.concatenate([*(group.positions() for group in self.groups), np.zeros(padding, np.int64)])
        logits = attention.run(
            self.model,
            _Writing(self),
            input_ids=torch.nn.functional.pad(tokens, (0, padding))[None],
            position_ids=torch.from_numpy(positions)[None].to(device),
        )
        for group in self.groups:
            group.end_step()
        return logits[0, :rows]

    def drop(self, finished: NDArray[np.int64]) -> NDArray[np.int64]:
        """Let rows leave. Returns the old number of each row that is left, in the new order."""
        orders, start = [], 0
        for group in self.groups:
            stop = start + len(group)
            inside = finished[(finished >= start) & (finished < stop)] - start
            orders.append(start + (group.drop(inside) if len(inside) else np.arange(len(group))))
            start = stop
        self.groups = [group for group in self.groups if len(group)]
        return np.concatenate(orders)

    def held(self) -> int:
        """Bytes of keys and values that the rows under way will have at their longest."""
        return (len(self.common) + sum(group.worst_tokens() for group in self.groups)) * self.token_bytes

    def needed(self, prompts: int, longest: int, rows: int, steps: int) -> int:
        """Bytes of keys and values that a group of so many prompts and rows will have at its longest."""
        return worst_tokens(prompts, longest - len(self.common), rows, steps) * self.token_bytes


class _Reading:
    """Prompts being read: each token sees the common part and its own prompt up to itself."""

    window: int | None = None

    def __init__(self, decoder: PackedDecoder, group: Group, first: int, lengths: list[int]) -> None:
        self.decoder, self.group, self.first, self.lengths = decoder, group, first, lengths

    def attend(self, layer: int, query: Any, key: Any, value: Any, scale: float) -> Any:
        import torch

        group, start, at, prompt = self.group, len(self.decoder.common), 0, self.first
        heads, width = query.shape[1], value.shape[3]
        if layer == len(group.keys):
            shape = (len(group.lengths), key.shape[1], max(group.lengths))
            group.keys.append(key.new_zeros(*shape, key.shape[3]))
            group.values.append(value.new_zeros(*shape, width))
        keys, values = group.keys[layer], group.values[layer]
        out = query.new_empty(1, query.shape[2], heads, width)
        for length, run in groupby(self.lengths):
            count = len(list(run))
            stop, some = at + count * length, slice(prompt, prompt + count)
            own = (slice(None), slice(at, stop))
            for kept, new in ((keys, key), (values, value)):
                kept[some, :, :length] = new[0][own].unflatten(1, (count, length)).transpose(0, 1)
            seen_keys, seen_values = self._seen(layer, keys[some, :, :length], values[some, :, :length])
            seen = torch.ones(length, start + length, dtype=torch.bool, device=query.device).tril_(start) if start else None
            answer = torch.nn.functional.scaled_dot_product_attention(
                query[0][own].unflatten(1, (count, length)).transpose(0, 1),
                seen_keys,
                seen_values,
                attn_mask=seen,
                is_causal=seen is None,
                scale=scale,
                enable_gqa=keys.shape[1] != heads,
            )
            out[0, at:stop] = answer.transpose(1, 2).flatten(0, 1)
            at, prompt = stop, prompt + count
        return out

    def _seen(self, layer: int, *own: Any) -> tuple[Any, ...]:
        """Keys and values of a few prompts after those of the common part."""
        import torch

        if not self.decoder.common:
            return own
        common = self.decoder.common_parts(layer)
        return tuple(torch.cat([first.expand(len(rest), -1, -1, -1), rest], 2) for first, rest in zip(common, own, strict=True))


class _Writing:
    """One token of every row: each sees the common part, its prompt and what it wrote itself."""

    window: int | None = None

    def __init__(self, decoder: PackedDecoder) -> None:
        self.decoder = decoder

    def attend(self, layer: int, query: Any, key: Any, value: Any, scale: float) -> Any:
        query, key, value = (tensor[0].transpose(0, 1) for tensor in (query, key, value))
        out, start = query.new_zeros(*query.shape[:2], value.shape[2]), 0
        common = self._of_common(layer, query, scale) if self.decoder.common else None
        for group in self.decoder.groups:
            some = slice(start, start + len(group))
            before = common and (common[0][some], common[1][some])
            out[some] = group.attend(layer, query[some], key[some], value[some], scale, before)
            start += len(group)
        return out[None]

    def _of_common(self, layer: int, query: Any, scale: float) -> tuple[Any, Any]:
        """Attention of all rows over the common part: one product a key head."""
        keys, values = self.decoder.common_parts(layer)
        rows, heads, width = query.shape
        kept = keys.shape[1]
        shared = heads // kept
        asked = query.view(rows, kept, shared, width).transpose(0, 1).reshape(1, kept, rows * shared, width)
        answer, total = attention.attention(asked, keys, values, scale)
        answer, total = answer.reshape(kept, rows, shared, -1), total.reshape(kept, rows, shared)
        return answer.transpose(0, 1), total.transpose(0, 1)
