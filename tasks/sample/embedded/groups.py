"""Rows that were admitted together: the keys and values of their prompts, once a prompt, and of what each row has written."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.sample.embedded.attention import attention, merged

_FIRST_ROOM = 32  # tokens; doubled when it is full, so that short answers never hold the memory of long ones
# A prompt as short as that is copied to each of its rows: attending to it apart costs more calls than its keys cost time.
COPIED_UP_TO = 64


def worst_tokens(prompts: int, longest: int, rows: int, steps: int) -> int:
    """Tokens that a group's prompts, padded to the longest, and its rows hold when each row is as long as it may be."""
    return (rows if longest <= COPIED_UP_TO else prompts) * longest + rows * steps


class Group:
    """A few prompts and their rows, all of which have written the same number of tokens.

    Attributes:
        start: tokens that all prompts begin with; they are kept elsewhere, and nothing below counts them.
        lengths: tokens of each prompt.
        owner: for each row, which prompt; rows are in no order of prompts once some have left.
        keys, values: of the prompts, for each layer (prompts, key heads, longest prompt, width); padded on the right. Empty
            once short prompts have been copied to the rows.
        written: tokens a row has in `own_keys` and `own_values`, each (room for rows, key heads, room, width), after the
            places of a copied prompt.
    """

    def __init__(
        self, lengths: list[int], draws: list[int], steps: int, start: int = 0, copied_up_to: int = COPIED_UP_TO
    ) -> None:
        """`steps`: the most tokens that a row writes."""
        self.lengths, self.start = lengths, start
        self.owner: NDArray[np.int64] = np.repeat(np.arange(len(lengths)), draws)
        self.steps, self.written = steps, 0
        self.keys: list[Any] = []
        self.values: list[Any] = []
        self.own_keys: list[Any] = []
        self.own_values: list[Any] = []
        self._copied = max(lengths) if max(lengths) <= copied_up_to else 0  # places
        self._mask: Any = None
        self._arranged = False

    def __len__(self) -> int:
        return len(self.owner)

    def worst_tokens(self) -> int:
        """Tokens of prompts and rows that are kept when each row is as long as it may be."""
        rows = int(self.own_keys[0].shape[0]) if self.own_keys else len(self)
        return worst_tokens(len(self.lengths), self._copied or max(self.lengths), rows, self.steps)

    def positions(self) -> NDArray[np.int64]:
        """Of the token each row is about to read."""
        return self.start + np.asarray(self.lengths)[self.owner] + self.written

    def begin_step(self, device: Any, dtype: Any) -> None:
        """Make room for one token more, and arrange the rows. Before each forward pass."""
        if not self.own_keys:
            self._first_room(device)
        elif self._copied + self.written == self.own_keys[0].shape[2]:
            self._grow(self._copied + min(2 * self.written, self.steps))
        if not self._arranged:
            self._mask = self._padding(device, dtype)
            if not self._copied:
                self._by_prompt(device)
            self._arranged = True

    def _padding(self, device: Any, dtype: Any) -> Any:
        """Which places of the prompts hold nothing: (prompts or rows, 1, 1, places) of 0 and -inf; None when all are full."""
        import torch

        if min(self.lengths) == (longest := max(self.lengths)) and self._copied in (0, longest):
            return None
        lengths = torch.tensor(self.lengths, device=device)
        if self._copied:
            lengths = lengths[torch.from_numpy(self.owner).to(device)]
        beyond = torch.arange(self._copied or longest, device=device)[None, :] >= lengths[:, None]
        mask = torch.zeros(beyond.shape, dtype=dtype, device=device).masked_fill_(beyond, -torch.inf)
        if self._copied:
            mask = torch.nn.functional.pad(mask, (0, self.steps))
        return mask[:, None, None]

    def _by_prompt(self, device: Any) -> None:
        """A table of rows by prompt, as many places for each as the fullest has rows; empty places repeat row 0."""
        import torch

        order = np.argsort(self.owner, kind="stable")
        counts = np.bincount(self.owner, minlength=len(self.lengths))
        width, starts = int(counts.max()), np.cumsum(counts) - counts
        places = np.empty(len(order), np.int64)
        places[order] = self.owner[order] * width + np.arange(len(order)) - starts[self.owner[order]]
        table = np.zeros(len(self.lengths) * width, np.int64)
        table[places] = np.arange(len(order))
        self._table = torch.from_numpy(table).to(device)
        self._places = torch.from_numpy(places).to(device)

    def attend(self, layer: int, query: Any, key: Any, value: Any, scale: float, before: tuple[Any, Any] | None) -> Any:
        """One new token a row: query (rows, heads, width), key and value (rows, key heads, width) → (rows, heads, width).

        Args:
            before: attention over what all prompts begin with and its log-sum-exp, (rows, key heads, heads ÷ key heads, width)
                and without the width; None where they have nothing in common.
        """
        rows, heads, width = query.shape
        own_keys, own_values = self.own_keys[layer], self.own_values[layer]
        at, kept = self._copied + self.written, own_keys.shape[1]
        own_keys[:rows, :, at] = key
        own_values[:rows, :, at] = value
        shared = heads // kept  # the query heads that share a key head are rows of one product
        mask = self._mask[..., : at + 1].expand(-1, 1, shared, at + 1) if self._copied and self._mask is not None else None
        own = attention(
            query.view(rows, kept, shared, width), own_keys[:rows, :, : at + 1], own_values[:rows, :, : at + 1], scale, mask
        )
        if not self._copied:
            own = merged(self._of_prompt(layer, query, kept, scale), own)
        if before is not None:
            own = merged(before, own)
        return own[0].reshape(rows, heads, -1)

    def _of_prompt(self, layer: int, query: Any, kept: int, scale: float) -> tuple[Any, Any]:
        """Attention of each row over its prompt; the rows of a prompt are rows of one product, too."""
        _, heads, width = query.shape
        prompts, shared = len(self.lengths), heads // kept
        table = query.index_select(0, self._table).view(prompts, -1, kept, shared, width)
        places = table.shape[1]
        asked = table.permute(0, 2, 1, 3, 4).reshape(prompts, kept, places * shared, width)
        mask = None if self._mask is None else self._mask.expand(-1, 1, places * shared, -1)
        answer, total = attention(asked, self.keys[layer], self.values[layer], scale, mask)
        answer = answer.reshape(prompts, kept, places, shared, width).transpose(1, 2).reshape(-1, kept, shared, width)
        total = total.reshape(prompts, kept, places, shared).transpose(1, 2).reshape(-1, kept, shared)
        return answer[self._places], total[self._places]

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

        filled = self._copied + self.written
        device, half = self.own_keys[0].device, count <= self.own_keys[0].shape[0] // 2
        to, of = torch.from_numpy(holes).to(device), torch.from_numpy(movers).to(device)
        for tensors in (self.own_keys, self.own_values):
            for index, tensor in enumerate(tensors):
                if len(holes):
                    tensor[to, :, :filled] = tensor[of, :, :filled]
                if half:
                    tensors[index] = tensor[:count].clone()
        present = np.unique(self.owner)
        if self.keys and len(present) <= len(self.lengths) // 2:
            self._keep_prompts(present)

    def _keep_prompts(self, present: NDArray[np.int64]) -> None:
        import torch

        self.lengths = [self.lengths[prompt] for prompt in present]
        self.owner = np.searchsorted(present, self.owner)
        index, longest = torch.from_numpy(present).to(self.keys[0].device), max(self.lengths)
        for tensors in (self.keys, self.values):
            for layer, tensor in enumerate(tensors):
                tensors[layer] = tensor[index, :, :longest].contiguous()

    def _first_room(self, device: Any) -> None:
        import torch

        room = self._copied + min(_FIRST_ROOM, self.steps)
        self.own_keys = [_room(tensor, len(self), room) for tensor in self.keys]
        self.own_values = [_room(tensor, len(self), room) for tensor in self.values]
        if not self._copied:
            return
        owner = torch.from_numpy(self.owner).to(device)
        for of_prompts, own in ((self.keys, self.own_keys), (self.values, self.own_values)):
            for prompts, rows in zip(of_prompts, own, strict=True):
                rows[:, :, : self._copied] = prompts[owner]
            of_prompts.clear()

    def _grow(self, room: int) -> None:
        for tensors in (self.own_keys, self.own_values):
            for layer, tensor in enumerate(tensors):
                tensors[layer] = _room(tensor, tensor.shape[0], room)
                tensors[layer][:, :, : tensor.shape[2]] = tensor


def _room(like: Any, rows: int, room: int) -> Any:
    return like.new_empty(rows, like.shape[1], room, like.shape[3])
