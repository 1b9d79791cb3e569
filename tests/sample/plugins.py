"""Engines that break the contract, for the tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tasks.sample.transformers_engine import Answer


def echo(model: Any, prompts: Any, settings: Any, *, seed: int, dtype: str) -> Iterator[Answer]:
    """Answers with the prompt: a contract-abiding engine without a model."""
    for row in prompts:
        for number in range(settings.k):
            yield Answer(row["id"], number, row["messages"][-1]["content"], 3, -1.0, "stop")


def forgetful(model: Any, prompts: Any, settings: Any, *, seed: int, dtype: str) -> Iterator[Answer]:
    """Ignores `k`, like servers that accept and ignore `n`."""
    yield from echo(model, prompts, settings.model_copy(update={"k": 1}), seed=seed, dtype=dtype)


def repeating(model: Any, prompts: Any, settings: Any, *, seed: int, dtype: str) -> Iterator[Answer]:
    """Gives a draw twice."""
    answers = list(echo(model, prompts, settings, seed=seed, dtype=dtype))
    yield from [answers[0], *answers]
