"""Tokenising alone, as fast as the tokenizer goes: what validation is measured against, and what rendering cannot beat."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

BATCH = 1_000


def seconds_to_tokenise(tokenizer: Any, texts: Sequence[str]) -> float:
    """Seconds of the fast tokenizer's quickest batch call, without offsets, on all cores."""
    with _all_cores():
        started = time.monotonic()
        for first in range(0, len(texts), BATCH):
            tokenizer.backend_tokenizer.encode_batch_fast(texts[first : first + BATCH], add_special_tokens=False)
        return time.monotonic() - started


@contextmanager
def _all_cores() -> Iterator[None]:
    """Winnow turns the tokenizer's own threads off, for they do not go with forks; a peer has them."""
    name = "TOKENIZERS_PARALLELISM"
    before = os.environ.get(name)
    os.environ[name] = "true"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
