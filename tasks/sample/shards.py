"""A shard of sampling: some of the prompts, all of their draws, as sample rows."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tasks.runtime.errors import ContractError
from tasks.runtime.plugins import load_plugin
from tasks.runtime.progress import report_progress
from tasks.runtime.rows import Row, read_rows, write_rows
from tasks.sample.requests import Request, span_of, stored_requests, uniform_requests
from tasks.sample.settings import SamplingSettings


def shard_count(prompts: int, settings: SamplingSettings) -> int:
    """How many shards `prompts` prompts (or requests) make."""
    return math.ceil(prompts / settings.shard_prompts)


def sample_folder(
    model_folder: Path,
    prompts_folder: Path,
    requests_folder: Path | None,
    out: Path,
    settings: SamplingSettings,
    *,
    shard: int,
    policy: str,
    seed: int,
    round: int,
    dtype: str,
    so_far: str = "",
) -> dict[str, int]:
    """Draw every answer of a shard and write them as sample rows, one temperature after the other.

    Args:
        model_folder, prompts_folder, out: where model and prompt rows are, and where sample rows go.
        requests_folder: which draws of which prompts (kind ``requests``); None: the first one of each prompt.
        settings: distribution, engine, prompts per shard.
        shard: which shard, from 0; requests (or prompts) are taken in their stored order.
        policy: digest of the model, for the rows.
        seed, round, dtype: see the row format and the engine.
        so_far: what earlier draws brought, for the line that shows progress.

    Returns:
        rows, prompts, tokens (generated), truncated (answers cut by length); and first_place, end_place: the stored prompts
        that the shard's lie in, where that is known.

    Raises:
        ContractError: the engine did not give exactly the draws asked for, or a request is for an unknown prompt, or for
            another policy.
    """
    start = shard * settings.shard_prompts
    span = slice(start, start + settings.shard_prompts)
    if requests_folder:
        requests = stored_requests(requests_folder, prompts_folder, span)
    else:
        requests = uniform_requests(read_rows(prompts_folder, span=(span.start, span.stop)), 1, span.start)
    if odd := {one.policy for one in requests} - {None, policy}:
        raise ContractError(
            f"draws of policy {min(map(str, odd))!r} are asked of policy {policy!r}; give each its own requests"
        )
    counts = {"prompts": 0, "tokens": 0, "truncated": 0}  # as they are where nothing is asked for
    about: dict[str, Any] = {"policy": policy, "seed": seed, "round": round, "dtype": dtype, "so_far": so_far}
    rows = (
        row
        for own, group in _by_temperature(requests, settings)
        for row in sample_rows(model_folder, group, own, counts, **about)
    )
    counts["rows"] = write_rows(out, "samples", rows)
    if near := span_of(one.place for one in requests):
        counts["first_place"], counts["end_place"] = near
    return counts


def _by_temperature(requests: list[Request], settings: SamplingSettings) -> Iterator[tuple[SamplingSettings, list[Request]]]:
    """The requests of each temperature, with the settings that have it."""
    groups: dict[float, list[Request]] = {}
    for one in requests:
        groups.setdefault(settings.temperature if one.temperature is None else one.temperature, []).append(one)
    for temperature in sorted(groups):
        yield settings.model_copy(update={"temperature": temperature}), groups[temperature]


def sample_rows(
    model_folder: Path,
    requests: list[Request],
    settings: SamplingSettings,
    counts: dict[str, int],
    *,
    policy: str,
    seed: int,
    round: int,
    dtype: str,
    so_far: str = "",
) -> Iterator[dict[str, Any]]:
    """The sample rows of `requests`, as they come; prompts, tokens and truncated are added to `counts` meanwhile.

    Raises:
        ContractError: as `sample_folder`.
    """
    for name, more in {"prompts": len(requests), "tokens": 0, "truncated": 0}.items():
        counts[name] = counts.get(name, 0) + more
    engine = load_plugin("engines", settings.engine)
    # Prompts of like length share a batch: less padding. The draws do not depend on it.
    ordered = sorted(requests, key=lambda one: (_characters(one.prompt), one.prompt["id"]))
    expected = {(one.prompt["id"], draw) for one in requests for draw in one.draws}
    started, total, tokens = time.monotonic(), len(expected), 0
    for answer in engine(model_folder, ordered, settings, seed=seed, dtype=dtype):
        try:
            expected.remove((answer.prompt_id, answer.draw))
        except KeyError:
            raise ContractError(
                f"engine {settings.engine!r} gave draw {answer.draw} of prompt {answer.prompt_id!r} twice or unasked"
            ) from None
        tokens += answer.token_count
        counts["tokens"] += answer.token_count
        counts["truncated"] += answer.finish_reason == "length"
        yield {
            "sample_id": f"{answer.prompt_id}/{round}/{answer.draw}",
            "prompt_id": answer.prompt_id,
            "draw": answer.draw,
            "round": round,
            "policy": policy,
            "seed": seed,
            "temperature": settings.temperature,
            "text": answer.text,
            "token_count": answer.token_count,
            "logprob": answer.logprob,
            "sampling_logprob": answer.sampling_logprob,
            "finish_reason": answer.finish_reason,
        }
        done, seconds = total - len(expected), max(time.monotonic() - started, 1e-3)
        speed = f"{tokens / seconds:,.0f} tokens/s, {_duration(seconds * len(expected) / done)} left"
        report_progress(done, total, "draws", f"{speed}; {so_far}" if so_far else speed)
    if expected:
        missing = sorted(expected)[:3]
        raise ContractError(f"engine {settings.engine!r} left out {len(expected)} of {total} draws, such as {missing}")


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def _characters(prompt: Row) -> int:
    return sum(len(turn["content"]) for turn in prompt["messages"])
