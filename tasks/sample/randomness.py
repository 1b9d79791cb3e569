"""Random numbers that belong to a draw, not to a batch."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray


def generator(seed: int, prompt_id: str, draw: int) -> np.random.Generator:
    """The stream of a draw: so many numbers a position, in order.

    Counter-based (Philox 4×64, Salmon et al. 2011): the stream's key is a hash of (seed, prompt id, draw), so the same
    draw sees the same numbers in any batch, shard, order or process.
    """
    name = f"{seed}\0{draw}\0{prompt_id}".encode()
    key = int.from_bytes(hashlib.sha256(name).digest()[:16], "little")
    return np.random.Generator(np.random.Philox(key=key))


def uniforms(seed: int, prompt_id: str, draw: int, count: int) -> NDArray[np.float64]:
    """The first `count` numbers in [0, 1) of a draw's stream; shape (count,)."""
    return generator(seed, prompt_id, draw).random(count)


def derive_seed(seed: int, *names: str | int) -> int:
    """A seed of its own for a named part of a run (31 bits, so that every library takes it)."""
    text = "\0".join(map(str, (seed, *names))).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:4], "little") >> 1
