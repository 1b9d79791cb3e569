"""Logits → the next token: temperature, filters and the choice itself."""

from __future__ import annotations

from typing import Any

from tasks.sample.settings import SamplingSettings


def choose(logits: Any, uniforms: Any, settings: SamplingSettings) -> tuple[Any, Any]:
    """The next token of each row and its log-probability under the policy at temperature 1.

    The choice inverts the distribution function at one uniform number a row, so it depends on that row alone.

    Args:
        logits: float32 tensor (rows, vocabulary).
        uniforms: float32 tensor (rows,), in [0, 1).
        settings: temperature (0: the likeliest token), top_p, top_k, min_p.

    Returns:
        token ids (rows,) and natural-log probabilities (rows,).
    """
    import torch

    if settings.temperature == 0:
        tokens = logits.argmax(-1)
    else:
        probabilities = filtered(torch.softmax(logits / settings.temperature, -1), settings)
        cumulative = probabilities.cumsum(-1)
        targets = uniforms[:, None] * cumulative[:, -1:]
        tokens = torch.searchsorted(cumulative, targets, right=True)[:, 0]
        # Rounding can put the target on the last sum; step back to the last token that has any probability.
        tokens = tokens.clamp(max=logits.shape[-1] - 1)
        empty = probabilities.gather(-1, tokens[:, None])[:, 0] == 0
        tokens = torch.where(empty, probabilities.argmax(-1), tokens)
    picked = logits.gather(-1, tokens[:, None])[:, 0]
    return tokens, picked - torch.logsumexp(logits, -1)


def filtered(probabilities: Any, settings: SamplingSettings) -> Any:
    """Probabilities (rows, vocabulary) with what top-k, top-p and min-p exclude set to zero (not renormalised).

    top-k counts first, then top-p on what is left (the smallest set of likeliest tokens that reaches the share), as in
    transformers; min-p (arXiv 2407.01082) compares with the likeliest token.
    """
    import torch

    if settings.top_k and settings.top_k < probabilities.shape[-1]:
        smallest = probabilities.topk(settings.top_k, -1).values[:, -1:]
        probabilities = probabilities.where(probabilities >= smallest, torch.zeros(()))
    if settings.top_p < 1:
        ordered, order = probabilities.sort(dim=-1, descending=True, stable=True)
        before = ordered.cumsum(-1) - ordered
        dropped = before >= settings.top_p * probabilities.sum(-1, keepdim=True)
        mask = torch.zeros_like(dropped).scatter(-1, order, dropped)
        probabilities = probabilities.masked_fill(mask, 0)
    if settings.min_p > 0:
        floor = settings.min_p * probabilities.max(-1, keepdim=True).values
        probabilities = probabilities.where(probabilities >= floor, torch.zeros(()))
    return probabilities
