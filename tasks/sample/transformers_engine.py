"""The embedded engine: answers drawn with a transformers model in this process, on CPU or GPU.

A prompt is read once for all its draws, and what all prompts begin with once for all of them. A finished answer leaves the
batch at once, and new prompts come in as soon as enough rows are free. Each draw's random numbers are its own, so that a draw
comes out the same in any batch, up to floating point: in float32 the logits of two batches differ by about 1e-6 of their
size, so of a million tokens a few may be drawn otherwise; in bfloat16, of a hundred.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tasks.chat.render import render_prompt
from tasks.runtime.errors import PassingFaultError
from tasks.runtime.hardware import free_memory, usable_cores
from tasks.runtime.models import load_model
from tasks.sample.distribution import Barred, chances_needed, choose
from tasks.sample.embedded.admission import Asked, Waiting, answer_limit, common_prefix
from tasks.sample.embedded.answers import Ending, Writing
from tasks.sample.embedded.decoders import decoder_for
from tasks.sample.requests import Answer, Request
from tasks.sample.settings import SamplingSettings

Limit = Callable[[str, int], int]


def draw(
    model_folder: Path, requests: Iterable[Request], settings: SamplingSettings, *, seed: int, dtype: str
) -> Iterator[Answer]:
    """Draw the answers asked for; yields each as it is done.

    Args:
        model_folder: a folder that transformers loads, or an adapter's.
        requests: all are read before the first is answered, for what they have in common.
        settings: the distribution, what ends an answer, `batch_rows` and `batch_memory`, and in which form the model is
            sampled (`adapter`, `quantization`). `k` is not read.
        seed: the run's seed; with prompt id and draw number it fixes a draw's random numbers.
        dtype: ``float32`` or ``bfloat16``.

    Raises:
        ConfigurationError: the model does not load, or its chat template ends no turn.
        DataError: a prompt that the template refuses, or that is longer than the model's context.
        PassingFaultError: the device's memory ran out.
    """
    import torch

    torch.set_num_threads(usable_cores())
    try:
        merge, quantization = settings.adapter == "merged", settings.quantization
        model, tokenizer = load_model(model_folder, dtype, merge=merge, quantization=quantization)
        asked = [_asked(model, tokenizer, one, settings) for one in requests]
        yield from drawn(model, tokenizer, asked, settings, seed=seed)
    except torch.OutOfMemoryError as error:
        raise PassingFaultError(
            f"no memory for {settings.batch_rows} answers side by side ({error}); lower batch_rows"
        ) from error


def drawn(
    model: Any, tokenizer: Any, asked: list[Asked], settings: SamplingSettings, *, seed: int, limit: Limit | None = None
) -> Iterator[Answer]:
    """As `draw`, for token ids and with a model that is loaded already.

    Args:
        limit: (prompt id, draw) → the most tokens of that answer, where those in `asked` are too many.
    """
    import torch

    # Put on the generator and not within it: whoever reads the answers works between two of them, and is left alone.
    yield from torch.inference_mode()(_drawn)(model, Ending(model, tokenizer, settings), asked, seed, limit)


def _drawn(model: Any, ending: Ending, asked: list[Asked], seed: int, limit: Limit | None) -> Iterator[Answer]:
    asked, settings = [one for one in asked if one.draws], ending.settings
    if not asked:
        return
    own_attention = model.config._attn_implementation
    try:
        decoder = decoder_for(model, max(len(one.ids) + one.limit for one in asked))
        waiting = Waiting(asked, settings.batch_rows, _memory(model, settings), decoder)
        batch = _Batch(decoder, ending, settings, seed, limit)
        decoder.read_common(common_prefix(asked))
        while waiting or batch.rows:
            if new := waiting.admitted(len(batch.rows)):
                yield from batch.admit(new)
            if batch.rows:
                yield from batch.step()
    finally:
        model.set_attn_implementation(own_attention)


def _asked(model: Any, tokenizer: Any, request: Request, settings: SamplingSettings) -> Asked:
    name, ids = request.prompt["id"], render_prompt(tokenizer, request.prompt["messages"])
    return Asked(name, request.draws, ids, answer_limit(model, name, len(ids), settings.max_tokens))


def _memory(model: Any, settings: SamplingSettings) -> int:
    """Bytes for keys and values."""
    import torch

    if settings.batch_memory:
        return settings.batch_memory << 20
    if model.device.type == "cuda":
        return int(torch.cuda.mem_get_info(model.device)[0]) // 2
    return free_memory() // 2


class _Batch:
    """The rows under way, in the decoder's order."""

    def __init__(self, decoder: Any, ending: Ending, settings: SamplingSettings, seed: int, limit: Limit | None) -> None:
        self.decoder, self.ending, self.settings, self.seed, self.limit = decoder, ending, settings, seed, limit
        self.rows: list[Writing] = []
        self._tokens: list[int] = []

    def admit(self, new: list[Asked]) -> Iterator[Answer]:
        """Read prompts and draw the first token of each of their answers."""
        import torch

        draws = [len(one.draws) for one in new]
        logits = self.decoder.read([one.ids for one in new], draws, max(one.limit for one in new))
        rows = [self._row(one, number) for one in new for number in one.draws]
        self.rows += rows
        self._tokens += [0] * len(rows)
        repeated = torch.arange(len(new)).repeat_interleave(torch.tensor(draws)).to(logits.device)
        yield from self._advance(logits[repeated], len(self.rows) - len(rows))

    def _row(self, one: Asked, number: int) -> Writing:
        limit = min(one.limit, self.limit(one.prompt_id, number)) if self.limit else one.limit
        return Writing(one.prompt_id, number, self.seed, limit)

    def step(self) -> Iterator[Answer]:
        """One token more for every row."""
        import torch

        yield from self._advance(self.decoder.step(torch.tensor(self._tokens, device=self.decoder.model.device)), 0)

    def _advance(self, logits: Any, first: int) -> Iterator[Answer]:
        """Draw a token for each row from `first` on; answers that are done leave."""
        import torch

        rows = self.rows[first:]
        count = chances_needed(logits.shape[1])
        chances = torch.from_numpy(np.stack([row.chances(count) for row in rows])).to(logits.device)
        drawn = choose(logits, chances, self.settings, self._barred(rows, logits.device))
        for row, token, logprob, sampling in zip(rows, *(part.tolist() for part in drawn), strict=True):
            self.ending.add(row, token, logprob, sampling)
        self._tokens[first:] = drawn[0].tolist()
        finished = [index for index, row in enumerate(self.rows) if row.finish_reason]
        if finished:
            answers = [self.ending.answer(self.rows[index]) for index in finished]
            order = self.decoder.drop(np.array(finished)).tolist()
            self.rows = [self.rows[index] for index in order]
            self._tokens = [self._tokens[index] for index in order]
            yield from answers

    def _barred(self, rows: list[Writing], device: Any) -> Barred | None:
        """The tokens that end a turn, for rows below the minimum length; None when no row is."""
        import torch

        short = [row.count < self.settings.min_tokens for row in rows]
        if not any(short):
            return None
        return Barred(torch.tensor(short, device=device), torch.tensor(sorted(self.ending.tokens), device=device))
