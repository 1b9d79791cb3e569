"""Models that verify: found, known by their digest, loaded once a process, and fed in batches of like length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tasks.runtime.errors import ConfigurationError
from tasks.runtime.models import EMBEDDED, embedded_model_folder, locate, source_digest

_NO_LIMIT = 1_000_000  # a tokenizer without a limit of its own says 10**30
_DIGEST_DIGITS = 16


def model_folder(source: str) -> Path:
    """The folder of a model's source. Raises `ConfigurationError`: nothing there, or a GGUF file other than the embedded."""
    if source == EMBEDDED:
        return embedded_model_folder()
    path = locate(source)
    if path.is_file():
        raise ConfigurationError(f"model {source!r} is a GGUF file; give a folder of safetensors, or a hub id")
    return path


@cache  # it reads all the weights
def model_digest(source: str) -> str:
    """The first digits of the model's digest, for a verifier's version. Raises `ConfigurationError`: nothing there."""
    return source_digest(locate(source))[:_DIGEST_DIGITS]


def context_length(model: Any, tokenizer: Any) -> int:
    """How many tokens the model can read at once."""
    limits = [getattr(model.config.get_text_config(), "max_position_embeddings", None), tokenizer.model_max_length]
    return min((int(limit) for limit in limits if limit and limit < _NO_LIMIT), default=_NO_LIMIT)


def batches(rows: Sequence[tuple[int, list[int]]], batch_rows: int) -> Iterator[list[tuple[int, list[int]]]]:
    """Rows of (place, token ids), cut into batches of like length, longest first: what does not fit, fails at once.

    Equal rows in another order make the same batches.
    """
    ordered = sorted(rows, key=lambda row: (-len(row[1]), row[1]))
    for start in range(0, len(ordered), batch_rows):
        yield ordered[start : start + batch_rows]
