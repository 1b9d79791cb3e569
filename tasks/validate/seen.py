"""Which rows came before, at 16 bytes a row: the only thing a check remembers of every row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np

_BYTES = 16
_Run = tuple[np.ndarray, np.ndarray]


@dataclass
class Seen:
    """128-bit hashes in sorted runs of doubling size, as in a log-structured merge tree (O'Neil et al., 1996).

    A Python set of them would take six times the memory. Two different texts share a hash once in 10³⁸ pairs.
    """

    _runs: list[_Run] = field(default_factory=list)

    def first(self, texts: Sequence[bytes]) -> np.ndarray:
        """Bool [texts]: whether each is the first of its kind, among these and all that came before."""
        digests = b"".join(blake2b(text, digest_size=_BYTES).digest() for text in texts)
        high, low = np.frombuffer(digests, np.uint64).reshape(-1, 2).T
        order = np.lexsort((low, high))  # stable: of equals, the earliest stands first
        high, low = high[order], low[order]
        new = np.ones(len(order), bool)
        new[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
        for run in self._runs:
            new &= ~_holds(run, high, low)
        if new.any():
            self._add((high[new], low[new]))
        first = np.empty(len(order), bool)
        first[order] = new
        return first

    def _add(self, run: _Run) -> None:
        while self._runs and len(self._runs[-1][0]) <= len(run[0]):
            before = self._runs.pop()
            high, low = (np.concatenate(pair) for pair in zip(before, run, strict=True))
            order = np.argsort(high, kind="stable")  # two sorted runs: merged in linear time
            run = high[order], low[order]
        self._runs.append(run)


def _holds(run: _Run, high: np.ndarray, low: np.ndarray) -> np.ndarray:
    """Bool: which hashes a run holds. Only the upper halves are sorted; of equal ones each lower half is looked at."""
    at = np.searchsorted(run[0], high)
    held = np.zeros(len(high), bool)
    while True:
        place = np.minimum(at, len(run[0]) - 1)
        maybe = (at < len(run[0])) & (run[0][place] == high) & ~held
        held |= maybe & (run[1][place] == low)
        if not (maybe & ~held).any():
            return held
        at = at + (maybe & ~held)
