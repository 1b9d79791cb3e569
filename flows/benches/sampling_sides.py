"""What `winnow bench sample` measures, each in a process of its own: our engine, `generate`, `generate_batch`."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

from flows.benches.sampling import Work
from tasks.runtime.errors import WinnowError

_PAGE = 64  # tokens that `generate_batch` gives a request at a time


def our_side(folder: Path, work: Work, dtype: str) -> tuple[float, float]:
    """Seconds of the engine, the reading of prompts included, and of bare forward passes of the same shapes."""
    from tasks.sample.embedded.admission import Asked
    from tasks.sample.settings import SamplingSettings
    from tasks.sample.transformers_engine import drawn

    model, tokenizer = _loaded(folder, dtype)
    longest, lengths = work.answer[1], work.lengths()
    asked = [Asked(str(at), range(work.draws), ids, longest) for at, ids in enumerate(work.ids(len(tokenizer)))]
    # No answer may end by itself, so that each ends at its own length.
    settings = SamplingSettings(min_tokens=longest, max_tokens=longest)
    passes: Counter[tuple[int, int]] = Counter()

    def count(_module: Any, _args: Any, inputs: dict[str, Any]) -> None:
        kept = inputs.get("logits_to_keep")
        rows = inputs["input_ids"].shape[-1]
        passes[(rows, 1) if kept is None else (len(kept), -(-rows // len(kept)))] += 1

    hook = model.register_forward_pre_hook(count, with_kwargs=True)
    started, tokens = time.perf_counter(), 0
    for answer in drawn(model, tokenizer, asked, settings, seed=1, limit=lambda at, draw: lengths[int(at)][draw]):
        tokens += answer.token_count
    seconds = time.perf_counter() - started
    hook.remove()
    _check(tokens, work)
    return seconds, sum(times * _bare_seconds(model, shape) for shape, times in passes.items())


def _bare_seconds(model: Any, shape: tuple[int, int]) -> float:
    """Of one forward pass over (rows, tokens) without a past, logits of the last token only."""
    import torch

    ids = torch.full(shape, 1000, device=model.device)
    best = float("inf")
    with torch.inference_mode():
        for _ in range(2):
            started = time.perf_counter()
            model(input_ids=ids, use_cache=False, logits_to_keep=1)
            best = min(best, time.perf_counter() - started)
    return best


def peer_side(folder: Path, work: Work, dtype: str, rows: int) -> float:
    """Seconds of `generate`, batch by batch, prompts of like length together."""
    import torch

    model, tokenizer = _loaded(folder, dtype)
    prompts = sorted(zip(work.ids(len(tokenizer)), work.lengths(), strict=True), key=lambda one: -len(one[0]))
    many, started, tokens = max(1, rows // work.draws), time.perf_counter(), 0
    for first in range(0, len(prompts), many):
        batch = prompts[first : first + many]
        width = max(len(ids) for ids, _ in batch)
        padded = [[0] * (width - len(ids)) + ids for ids, _ in batch]
        masks = [[0] * (width - len(ids)) + [1] * len(ids) for ids, _ in batch]
        lengths = torch.tensor([length for _, several in batch for length in several])
        out = model.generate(
            torch.tensor(padded),
            attention_mask=torch.tensor(masks),
            do_sample=True,
            top_k=0,
            eos_token_id=None,
            pad_token_id=0,
            max_new_tokens=int(lengths.max()),
            num_return_sequences=work.draws,
            stopping_criteria=[_EndAt(width + lengths)],
        )
        if out.shape != (len(lengths), width + int(lengths.max())):
            raise WinnowError(f"generate gave {tuple(out.shape)}: the bench does not measure what it says")
        tokens += int(lengths.sum())
    seconds = time.perf_counter() - started
    _check(tokens, work)
    return seconds


class _EndAt:
    """Each row ends at its own length; `generate` stops when all have."""

    def __init__(self, ends: Any) -> None:
        self.ends = ends

    def __call__(self, input_ids: Any, _scores: Any, **_more: Any) -> Any:
        return self.ends <= input_ids.shape[1]


def batched_side(folder: Path, work: Work, dtype: str) -> float:
    """Seconds of transformers' continuous batching (`generate_batch`), one request an answer, each with its own length."""
    from transformers import ContinuousBatchingConfig, GenerationConfig

    model, tokenizer = _loaded(folder, dtype)
    config = GenerationConfig(do_sample=True, top_k=0, eos_token_id=-1, pad_token_id=0, max_new_tokens=work.answer[1])
    # Room for every request at its longest, and half as much again for its margin; by itself it takes 60 % of the memory.
    pages = -(-(work.shared + work.prompt[1] + work.answer[1]) // _PAGE)
    room = ContinuousBatchingConfig(
        page_size=_PAGE, num_blocks=3 * work.prompts * work.draws * pages // 2 + 8, max_batch_tokens=2048
    )
    started, wanted, tokens = time.perf_counter(), 0, 0
    with model.continuous_batching_context_manager(config, continuous_batching_config=room) as manager:
        for ids, lengths in zip(work.ids(len(tokenizer)), work.lengths(), strict=True):
            for length in lengths:
                manager.add_request(ids, max_new_tokens=length, eos_token_id=-1)
                wanted += 1
        for _ in range(wanted):
            if (result := manager.get_result(timeout=600)) is None or result.error:
                raise WinnowError(f"generate_batch gave no answer: {result and result.error}")
            tokens += len(result.generated_tokens)
    seconds = time.perf_counter() - started
    _check(tokens, work)
    return seconds


def _loaded(folder: Path, dtype: str) -> tuple[Any, Any]:
    import torch

    from tasks.runtime.hardware import usable_cores
    from tasks.runtime.models import load_model

    torch.set_num_threads(usable_cores())
    return load_model(folder, dtype)


def _check(tokens: int, work: Work) -> None:
    if tokens != work.tokens():
        raise WinnowError(f"{tokens} tokens instead of {work.tokens()}: the bench does not measure what it says")
