"""Which prompts are read next, so that the batch stays full and memory suffices."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Protocol

from tasks.runtime.errors import DataError

# New rows wait until this share of the batch is free: a group costs each layer a few calls, however few rows it has.
_FREE_SHARE = 0.25
_LIKE = 0.5  # so much of the longest prompt's length the others have that are read with it: keys are padded to its length
_WORTH_SHARING = 8  # tokens


@dataclass(frozen=True)
class Asked:
    """Draws of one prompt. `ids`: its tokens; `limit`: the most tokens an answer may have."""

    prompt_id: str
    draws: range
    ids: list[int]
    limit: int


class Decoder(Protocol):
    """What admission asks of a decoder."""

    def held(self) -> float:
        """Bytes of keys and values that the rows under way will have at their longest."""
        ...

    def needed(self, prompts: int, longest: int, rows: int, steps: int) -> int:
        """Bytes that these rows will have at their longest, their prompts padded to the `longest`."""
        ...


class Waiting:
    """The prompts of a call, longest first; those of like length are read together."""

    def __init__(self, asked: list[Asked], rows: int, memory: int, decoder: Decoder) -> None:
        """`rows`: side by side at most; `memory`: bytes for keys and values."""
        cut = [part for one in asked for part in _cut(one, rows)]
        self._waiting = deque(sorted(cut, key=lambda one: (-len(one.ids), one.prompt_id, one.draws.start)))
        self._rows, self._memory, self._decoder = rows, memory, decoder

    def __len__(self) -> int:
        return len(self._waiting)

    def admitted(self, rows: int) -> list[Asked]:
        """What to read now, beside so many `rows` under way."""
        free, chosen = self._rows - rows, list[Asked]()
        if rows and free < _FREE_SHARE * self._rows:
            return chosen
        held, new, steps = self._decoder.held(), 0, 0
        while self._waiting:
            one = self._waiting[0]
            longest = len(chosen[0].ids if chosen else one.ids)
            new, steps = new + len(one.draws), max(steps, one.limit)
            full = new > free or held + self._decoder.needed(len(chosen) + 1, longest, new, steps) > self._memory
            # One prompt alone is always tried: whoever has too little memory even for that learns it from the fault.
            if (rows or chosen) and (full or len(one.ids) < _LIKE * longest):
                break
            chosen.append(self._waiting.popleft())
        return chosen


def common_prefix(asked: list[Asked]) -> list[int]:
    """The tokens that all prompts begin with, at least one less than the shortest has; empty where it is not worth it."""
    if len(asked) < 2:
        return []
    # The first and the last in lexicographic order differ the earliest.
    first, last = min(one.ids for one in asked), max(one.ids for one in asked)
    same = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    shared = [token for token, _ in same][: min(len(one.ids) for one in asked) - 1]
    return shared if len(shared) >= _WORTH_SHARING else []


def answer_limit(model: Any, prompt_id: str, tokens: int, limit: int) -> int:
    """`limit`, or what of the model's context a prompt of `tokens` tokens leaves for an answer.

    Raises:
        DataError: nothing.
    """
    context = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if not context:
        return limit
    if tokens >= context:
        raise DataError(f"prompt {prompt_id!r} has {tokens} tokens, and the model reads {context}; shorten it or leave it out")
    return min(limit, int(context) - tokens)


def _cut(one: Asked, rows: int) -> list[Asked]:
    starts = range(one.draws.start, one.draws.stop, rows)
    return [Asked(one.prompt_id, range(at, min(at + rows, one.draws.stop)), one.ids, one.limit) for at in starts]
