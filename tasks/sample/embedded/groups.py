"""Rows that were admitted together: the keys and values of their prompts, once a prompt, and of what each row has written."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.sample.embedded.attention import attention, merged

_FIRST_ROOM = 32  # tokens; doubled when it is full, so that short answers never hold the memory of long ones


class Group:
    """A few prompts and their rows, all of which have written the same number of tokens.

    Attributes:
        lengths: tokens of each prompt.
        owner: for each row, which prompt; rows are in no order of prompts once some have left.
        keys, values: of the prompts, for each layer (prompts, key heads, longest prompt, width); padded on the right.
        written: tokens a row has in `own_keys` and `own_values`, each (room for rows, key heads, room, width).
    """

    def __init__(self, lengths: list[int], draws: list[int], steps: int) -> None:
        """`steps`: the most tokens that a row writes."""
        self.lengths = lengths
        self.owner: NDArray[np.int64] = np.repeat(np.arange(len(lengths)), draws)
        self.steps, self.written = steps, 0
        self.keys: list[Any] = []
        self.values: list[Any] = []
        self.own_keys: list[Any] = []
        self.own_values: list[Any] = []
        self._mask: Any = None
        self._arranged = False

    def __len__(self) -> int:
        return len(self.owner)

    def worst_tokens(self) -> int:
        """Tokens of prompts and rows that are kept when each row is as long as it may be."""
        return sum(self.lengths) + self._places_held() * self.steps

    def positions(self) -> NDArray[np.int64]:
        """Of the token each row is about to read."""
        return np.asarray(self.lengths)[self.owner] + self.written

    def _places_held(self) -> int:
        return int(self.own_keys[0].shape[0]) if self.own_keys else len(self)

    def begin_step(self, device: Any, dtype: Any) -> None:
        """Make room for one token more, and arrange the rows by prompt. Before each forward pass."""
        import torch

        if not self.own_keys:
            self._grow(min(_FIRST_ROOM, self.steps))
        elif self.written == self.own_keys[0].shape[2]:
            self._grow(min(2 * self.written, self.steps))
        if self._arranged:
            return
        # Rows by prompt, as many places for each as the fullest prompt has rows; empty places repeat row 0.
        order = np.argsort(self.owner, kind="stable")
        counts = np.bincount(self.owner, minlength=len(self.lengths))
        width, starts = int(counts.max()), np.cumsum(counts) - counts
        places = np.empty(len(order), np.int64)
        places[order] = self.owner[order] * width + np.arange(len(order)) - starts[self.owner[order]]
        table = np.zeros(len(self.lengths) * width, np.int64)
        table[places] = np.arange(len(order))
        self._table = torch.from_numpy(table).to(device)
        self._places = torch.from_numpy(places).to(device)
        self._mask = None
        if min(self.lengths) < (longest := max(self.lengths)):
            beyond = torch.arange(longest)[None, :] >= torch.tensor(self.lengths)[:, None]
            mask = torch.zeros(beyond.shape, dtype=dtype).masked_fill_(beyond, -torch.inf).to(device)
            self._mask = mask[:, None, None]
        self._arranged = True

    def attend(self, layer: int, query: Any, key: Any, value: Any, scale: float) -> Any:
        """One new token a row: query (rows, heads, width), key and value (rows, key heads, width) → (rows, heads, width)."""
        rows, heads, width = query.shape
        kept, longest = self.keys[layer].shape[1:3]
        own_keys, own_values = self.own_keys[layer], self.own_values[layer]
        own_keys[:rows, :, self.written] = key
        own_values[:rows, :, self.written] = value
        stop = self.written + 1
        # The query heads that share a key head, and the rows that share a prompt, are all rows of one product.
        prompts, shared = len(self.lengths), heads // kept
        table = query.index_select(0, self._table).view(prompts, -1, kept, shared, width)
        places = table.shape[1]
        asked = table.permute(0, 2, 1, 3, 4).reshape(prompts, kept, places * shared, width)
        mask = None if self._mask is None else self._mask.expand(-1, 1, places * shared, longest)
        of_prompt, total = attention(asked, self.keys[layer], self.values[layer], scale, mask)
        of_prompt = of_prompt.reshape(prompts, kept, places, shared, width).transpose(1, 2).reshape(-1, kept, shared, width)
        total = total.reshape(prompts, kept, places, shared).transpose(1, 2).reshape(-1, kept, shared)
        own = attention(query.view(rows, kept, shared, width), own_keys[:rows, :, :stop], own_values[:rows, :, :stop], scale)
        return merged((of_prompt[self._places], total[self._places]), own).reshape(rows, heads, width)

    def end_step(self) -> None:
        self.written += 1

    def drop(self, finished: NDArray[np.int64]) -> NDArray[np.int64]:
        """Let rows leave; the last rows take their places. Returns the old numbers of those that are left, in the new order."""
        count = len(self.owner) - len(finished)
        gone = np.zeros(len(self.owner), bool)
        gone[finished] = True
        holes = np.flatnonzero(gone[:count])
        movers = count + np.flatnonzero(~gone[count:])
        order = np.arange(count)
        order[holes] = movers
        self.owner = self.owner[order]
        self._arranged = False
        if self.own_keys and count:
            self._move(holes, movers, count)
        return order

    def _move(self, holes: NDArray[np.int64], movers: NDArray[np.int64], count: int) -> None:
        import torch

        device, half = self.own_keys[0].device, count <= self.own_keys[0].shape[0] // 2
        to, of = torch.from_numpy(holes).to(device), torch.from_numpy(movers).to(device)
        for tensors in (self.own_keys, self.own_values):
            for index, tensor in enumerate(tensors):
                if len(holes):
                    tensor[to, :, : self.written] = tensor[of, :, : self.written]
                if half:
                    tensors[index] = tensor[:count].clone()
        present = np.unique(self.owner)
        if len(present) <= len(self.lengths) // 2:
            self._keep_prompts(present)

    def _keep_prompts(self, present: NDArray[np.int64]) -> None:
        import torch

        self.lengths = [self.lengths[prompt] for prompt in present]
        self.owner = np.searchsorted(present, self.owner)
        index, longest = torch.from_numpy(present).to(self.keys[0].device), max(self.lengths)
        for tensors in (self.keys, self.values):
            for layer, tensor in enumerate(tensors):
                tensors[layer] = tensor[index, :, :longest].contiguous()

    def _grow(self, room: int) -> None:
        rows = len(self.owner)
        if not self.own_keys:
            self.own_keys = [_room(tensor, rows, room) for tensor in self.keys]
            self.own_values = [_room(tensor, rows, room) for tensor in self.values]
            return
        for tensors in (self.own_keys, self.own_values):
            for layer, tensor in enumerate(tensors):
                tensors[layer] = _room(tensor, tensor.shape[0], room)
                tensors[layer][:, :, : self.written] = tensor[:, :, : self.written]


def _room(like: Any, rows: int, room: int) -> Any:
    return like.new_empty(rows, like.shape[1], room, like.shape[3])
