"""A shard of sampling: some of the prompts, all of their draws, as sample rows."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from tasks.runtime.errors import ContractError
from tasks.runtime.plugins import load_plugin
from tasks.runtime.progress import report_progress
from tasks.runtime.rows import Row, read_rows, write_rows
from tasks.sample.requests import Request, stored_requests, uniform_requests
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
) -> dict[str, int]:
    """Draw every answer of a shard and write them as sample rows, one temperature after the other.

    Args:
        model_folder, prompts_folder, out: where model and prompt rows are, and where sample rows go.
        requests_folder: which draws of which prompts (kind ``requests``); None: the first K of each prompt.
        settings: K, distribution, engine, prompts per shard.
        shard: which shard, from 0; requests (or prompts) are taken in their stored order.
        policy: digest of the model, for the rows.
        seed, round, dtype: see the row format and the engine.

    Returns:
        rows, prompts, tokens (generated), truncated (answers cut by length).

    Raises:
        ContractError: the engine did not give exactly the draws asked for, or a request is for an unknown prompt.
    """
    start = shard * settings.shard_prompts
    span = slice(start, start + settings.shard_prompts)
    if requests_folder:
        requests = stored_requests(requests_folder, prompts_folder, span)
    else:
        requests = uniform_requests(islice(read_rows(prompts_folder), span.start, span.stop), settings.k)
    counts: dict[str, int] = {}
    about: dict[str, Any] = {"policy": policy, "seed": seed, "round": round, "dtype": dtype}
    rows = (
        row
        for own, group in _by_temperature(requests, settings)
        for row in sample_rows(model_folder, group, own, counts, **about)
    )
    counts["rows"] = write_rows(out, "samples", rows)
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
    started, total = time.monotonic(), len(expected)
    for answer in engine(model_folder, ordered, settings, seed=seed, dtype=dtype):
        try:
            expected.remove((answer.prompt_id, answer.draw))
        except KeyError:
            raise ContractError(
                f"engine {settings.engine!r} gave draw {answer.draw} of prompt {answer.prompt_id!r} twice or unasked"
            ) from None
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
        speed = counts["tokens"] / (time.monotonic() - started)
        report_progress(total - len(expected), total, "draws", f"{speed:.0f} tokens/s")
    if expected:
        missing = sorted(expected)[:3]
        raise ContractError(f"engine {settings.engine!r} left out {len(expected)} of {total} draws, such as {missing}")


def _characters(prompt: Row) -> int:
    return sum(len(turn["content"]) for turn in prompt["messages"])
