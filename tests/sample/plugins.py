"""Engines that break the contract, for the tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from tasks.sample.requests import Answer, Request


def echo(model: Any, requests: Iterable[Request], settings: Any, *, seed: int, dtype: str) -> Iterator[Answer]:
    """Answers with the prompt: a contract-abiding engine without a model."""
    for one in requests:
        for number in one.draws:
            yield Answer(one.prompt["id"], number, one.prompt["messages"][-1]["content"], 3, -1.0, "stop")


def forgetful(model: Any, requests: Iterable[Request], settings: Any, *, seed: int, dtype: str) -> Iterator[Answer]:
    """Gives one answer a prompt, like servers that accept and ignore `n`."""
    yield from echo(model, (replace(one, draws=one.draws[:1]) for one in requests), settings, seed=seed, dtype=dtype)


def repeating(model: Any, requests: Iterable[Request], settings: Any, *, seed: int, dtype: str) -> Iterator[Answer]:
    """Gives a draw twice."""
    answers = list(echo(model, requests, settings, seed=seed, dtype=dtype))
    yield from [answers[0], *answers]


def needs_a_hint(model: Any, requests: Iterable[Request], settings: Any, *, seed: int, dtype: str) -> Iterator[Answer]:
    """Right where the question says so, and at temperatures from 1 on; wrong, each draw in its own way, elsewhere."""
    for one in requests:
        told = "Hint:" in one.prompt["messages"][-1]["content"]
        for number in one.draws:
            right = told or settings.temperature >= 1
            yield Answer(one.prompt["id"], number, f"{'8' if right else 100 + number}", 2, -1.0, "stop")
