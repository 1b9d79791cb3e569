"""The embedded engine: answers drawn with a transformers model in this process, on CPU or GPU.

A prompt is read once for all its draws, and finished rows leave the batch. Each draw's random numbers are its own, so that a
draw comes out the same in any batch, up to floating point.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tasks.chat.render import end_of_turn_id, render_prompt
from tasks.runtime.hardware import usable_cores
from tasks.runtime.models import load_model
from tasks.sample.distribution import choose
from tasks.sample.randomness import uniforms
from tasks.sample.requests import Answer, Request
from tasks.sample.settings import SamplingSettings

# Rows are dropped from the batch when a quarter of it is finished: every new batch size costs the CPU kernels a set-up.
_COMPACT_BELOW = 0.75


@dataclass
class Draw:
    """One answer in the making."""

    prompt_id: str
    draw: int
    tokens: list[int] = field(default_factory=list)
    logprob: float = 0.0
    finish_reason: str = "length"


def draw(
    model_folder: Path, requests: Iterable[Request], settings: SamplingSettings, *, seed: int, dtype: str
) -> Iterator[Answer]:
    """Draw the answers asked for; yields them batch by batch, every draw of a prompt together.

    Args:
        model_folder: a folder that transformers loads.
        requests: read as a stream, a batch at a time; a request is never cut, so `batch_rows` may be exceeded by one.
        settings: see `SamplingSettings`; `batch_rows` bounds the rows side by side. `k` is not read.
        seed: the run's seed; with prompt id and draw number it fixes a draw's random numbers.
        dtype: ``float32`` or ``bfloat16``.
    """
    import torch

    torch.set_num_threads(usable_cores())
    model, tokenizer = load_model(model_folder, dtype)
    stop = end_of_turn_id(tokenizer)
    with torch.inference_mode():
        for chunk in _chunks(requests, settings.batch_rows):
            for done in _batch(model, tokenizer, chunk, settings, seed, stop):
                yield Answer(
                    done.prompt_id,
                    done.draw,
                    tokenizer.decode(done.tokens, skip_special_tokens=True),
                    len(done.tokens) + (done.finish_reason == "stop"),
                    done.logprob,
                    done.finish_reason,
                )


def _chunks(requests: Iterable[Request], rows: int) -> Iterator[list[Request]]:
    chunk: list[Request] = []
    for request in requests:
        if chunk and sum(len(one.draws) for one in chunk) + len(request.draws) > rows:
            yield chunk
            chunk = []
        chunk.append(request)
    if chunk:
        yield chunk


def _batch(model: Any, tokenizer: Any, chunk: list[Request], settings: SamplingSettings, seed: int, stop: int) -> list[Draw]:
    import torch

    draws = [Draw(one.prompt["id"], number) for one in chunk for number in one.draws]
    numbers = torch.tensor(
        np.stack([uniforms(seed, item.prompt_id, item.draw, settings.max_tokens) for item in draws]),
        dtype=torch.float32,
        device=model.device,
    )
    ids = [render_prompt(tokenizer, one.prompt["messages"]) for one in chunk]
    state = _Decoding.read(model, ids, [len(one.draws) for one in chunk])
    for position in range(settings.max_tokens):
        tokens, logprobs = choose(state.logits, numbers[state.rows, position], settings)
        for row, token, logprob in zip(state.rows.tolist(), tokens.tolist(), logprobs.tolist(), strict=True):
            item = draws[row]
            if item.finish_reason == "stop":  # finished, not yet dropped from the batch
                continue
            item.logprob += logprob
            if token == stop:
                item.finish_reason = "stop"
            else:
                item.tokens.append(token)
        alive = [index for index, row in enumerate(state.rows.tolist()) if draws[row].finish_reason != "stop"]
        if not alive or position + 1 == settings.max_tokens:
            break
        if len(alive) <= _COMPACT_BELOW * len(state.rows):
            tokens = tokens[torch.tensor(alive, device=tokens.device)]
            state.keep(alive)
        state.step(model, tokens)
    return draws


@dataclass
class _Decoding:
    """The batch between two tokens: left-padded, with its key-value cache.

    rows: which draw each batch row is; mask: (batch, length) of ones and zeros; position: (batch, 1) of the next token.
    """

    rows: Any
    mask: Any
    position: Any
    cache: Any
    logits: Any

    @staticmethod
    def read(model: Any, ids: list[list[int]], draws: list[int]) -> _Decoding:
        """Read each prompt once, then repeat its cache for each of its draws."""
        import torch
        from transformers.cache_utils import DynamicCache

        length, device = max(map(len, ids)), model.device
        tokens = torch.tensor([[0] * (length - len(row)) + row for row in ids], device=device)
        mask = torch.tensor([[0] * (length - len(row)) + [1] * len(row) for row in ids], device=device)
        cache = DynamicCache(config=model.config)
        output = model(
            input_ids=tokens,
            attention_mask=mask,
            position_ids=(mask.cumsum(1) - 1).clamp(min=0),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits = output.logits[:, -1].float()
        repeated = torch.arange(len(ids), device=device).repeat_interleave(torch.tensor(draws, device=device))
        cache.batch_select_indices(repeated)
        mask, logits = mask[repeated], logits[repeated]
        rows = torch.arange(len(repeated), device=device)
        return _Decoding(rows, mask, mask.sum(1, keepdim=True), cache, logits)

    def keep(self, alive: list[int]) -> None:
        import torch

        index = torch.tensor(alive, device=self.rows.device)
        self.rows, self.mask, self.position = self.rows[index], self.mask[index], self.position[index]
        self.cache.batch_select_indices(index)

    def step(self, model: Any, tokens: Any) -> None:
        import torch

        self.mask = torch.cat([self.mask, self.mask.new_ones(len(self.rows), 1)], 1)
        output = model(
            input_ids=tokens[:, None],
            attention_mask=self.mask,
            position_ids=self.position,
            past_key_values=self.cache,
            use_cache=True,
        )
        self.position = self.position + 1
        self.logits = output.logits[:, -1].float()
