"""What an engine is asked for, and what it gives back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tasks.runtime.errors import ContractError
from tasks.runtime.rows import Row, read_rows


@dataclass(frozen=True)
class Request:
    """Answers to draw of one prompt.

    Attributes:
        temperature: theirs, where it is not the settings': for whoever calls the engine, which reads the settings alone.
        policy: digest of the model that is to draw them, where that is said; for the same caller, who sees that it does.
        place: the prompt's number among the stored prompts, where it is known: who joins answers with prompts reads near it.
        prompt: a prompt row; the engine needs ``id`` and ``messages``.
        draws: the draws' numbers. A draw's random numbers depend on (seed, prompt id, number) alone, so a later request
            for higher numbers goes on where an earlier one stopped.
    """

    prompt: Row
    draws: range
    temperature: float | None = None
    policy: str | None = None
    place: int | None = None


@dataclass(frozen=True)
class Answer:
    """One finished answer.

    Attributes:
        prompt_id, draw: which one.
        text: without the token that ended it.
        token_count: tokens generated, the end-of-turn token included.
        logprob: sum of the log-probabilities of these tokens under the policy at temperature 1, in nats; None where the
            engine cannot tell (a server that keeps them to itself).
        finish_reason: ``stop`` or ``length``.
        sampling_logprob: the same sum under the distribution they were drawn from (temperature, filters, minimum length);
            None where the engine cannot tell.
    """

    prompt_id: str
    draw: int
    text: str
    token_count: int
    logprob: float | None
    finish_reason: str
    sampling_logprob: float | None = None


def stored_requests(folder: Path, prompts: Path, span: slice) -> list[Request]:
    """The requests of an artifact (kind ``requests``) whose places lie in `span`, in order. Memory: theirs alone.

    Raises:
        ContractError: a request for a prompt that is not in the folder `prompts`.
    """
    rows = list(read_rows(folder, span=(span.start, span.stop)))
    asked = {row["prompt_id"] for row in rows}
    near = span_of(row.get("place") for row in rows)
    known = {row["id"]: row for row in read_rows(prompts, span=near) if row["id"] in asked}
    if missing := asked - known.keys():
        raise ContractError(f"draws of {len(missing)} unknown prompts are asked for, such as {min(missing)!r}")
    return [
        Request(
            known[row["prompt_id"]],
            range(row["first"], row["first"] + row["count"]),
            row.get("temperature"),
            row.get("policy"),
            row.get("place"),
        )
        for row in rows
    ]


def span_of(places: Iterable[int | None]) -> tuple[int, int] | None:
    """(first, end) of the stored prompts that these places lie in; None where one is not known, or there are none."""
    known = list(places)
    numbers = [place for place in known if place is not None]
    return (min(numbers), max(numbers) + 1) if numbers and len(numbers) == len(known) else None


def uniform_requests(prompts: Iterable[Row], k: int, first: int = 0) -> list[Request]:
    """The first `k` draws of each prompt; `first`: the place of the first one among the stored prompts."""
    return [Request(row, range(k), place=place) for place, row in enumerate(prompts, first)]
