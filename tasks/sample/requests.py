"""What an engine is asked for, and what it gives back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tasks.runtime.rows import Row


@dataclass(frozen=True)
class Request:
    """Answers to draw of one prompt.

    Attributes:
        prompt: a prompt row; the engine needs ``id`` and ``messages``.
        draws: the draws' numbers. A draw's random numbers depend on (seed, prompt id, number) alone, so a later request
            for higher numbers goes on where an earlier one stopped.
    """

    prompt: Row
    draws: range


@dataclass(frozen=True)
class Answer:
    """One finished answer.

    Attributes:
        prompt_id, draw: which one.
        text: without the token that ended it.
        token_count: tokens generated, the end-of-turn token included.
        logprob: sum of the log-probabilities of these tokens under the policy at temperature 1, in nats.
        finish_reason: ``stop`` or ``length``.
    """

    prompt_id: str
    draw: int
    text: str
    token_count: int
    logprob: float
    finish_reason: str


def uniform_requests(prompts: Iterable[Row], k: int) -> list[Request]:
    """The first `k` draws of each prompt."""
    return [Request(row, range(k)) for row in prompts]
