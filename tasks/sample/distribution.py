"""Logits → the next token: temperature, filters, the choice itself, and how likely it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tasks.sample.settings import SamplingSettings

_ROWS = 16  # so many rows' logits stay in a core's cache while they are worked on
_BLOCK = 256  # tokens that race together: a number for each block and each token of one, not for the whole vocabulary


@dataclass(frozen=True)
class Barred:
    """Tokens that some rows may not choose. `rows`: bool (rows,); `tokens`: ids (barred,)."""

    rows: Any
    tokens: Any


def chances_needed(vocabulary: int) -> int:
    """Random numbers that one choice takes."""
    return -(-vocabulary // _BLOCK) + _BLOCK


def choose(logits: Any, chances: Any, settings: SamplingSettings, barred: Barred | None = None) -> tuple[Any, Any, Any]:
    """The next token of each row, and its log-probability in nats under two distributions.

    The choice depends on its row alone. It is a race: the largest of probability ÷ exponential number wins, with the
    probability it should (the Gumbel-max trick), first among blocks of tokens and then within the block that won. So a
    hair's difference in the logits changes the choice with a probability of that hair, also far out in the tail, where
    inverting the distribution function would land on a neighbour: a thousandth of the tokens, for float32's own noise.

    Args:
        logits: (rows, vocabulary).
        chances: float64 (rows, `chances_needed`), exponentially distributed with mean 1.
        settings: temperature (0: the likeliest token), top_p, top_k, min_p.
        barred: what may not be chosen, whatever its probability.

    Returns:
        token ids; log-probabilities under the policy (temperature 1, nothing barred or filtered); those under the
        distribution the token was drawn from, 0 where it was the only choice. Each (rows,), the latter two float32.
    """
    import torch

    size = _ROWS if logits.device.type == "cpu" else len(logits)
    parts = []
    for first in range(0, len(logits), size):
        some = slice(first, first + size)
        places = None if barred is None else (torch.nonzero(barred.rows[some]), barred.tokens)
        parts.append(_choose(logits[some].float(), chances[some], settings, places))
    tokens, policy, sampled = zip(*parts, strict=True)
    return torch.cat(tokens), torch.cat(policy), torch.cat(sampled)


def _choose(logits: Any, chances: Any, settings: SamplingSettings, barred: Any) -> tuple[Any, Any, Any]:
    import torch

    if settings.temperature == 0:
        tokens = _without(logits, barred, -torch.inf).argmax(-1)
        return tokens, _logprob(logits, tokens), torch.zeros(len(tokens), device=logits.device)
    plain = settings.temperature == 1
    scaled = logits if plain else logits / settings.temperature
    policy = torch.softmax(scaled, -1)
    probabilities = filtered(_without(policy, barred, 0.0), settings)
    tokens, total = _raced(probabilities, chances)
    if barred is not None and not bool(total.all()):  # what is barred has all the probability that float32 can hold
        probabilities = filtered(torch.softmax(_without(scaled, barred, -torch.inf), -1), settings)
        tokens, total = _raced(probabilities, chances)
        plain = False
    sampled = (_at(probabilities, tokens).double() / total).log().float()
    return tokens, _at(policy, tokens).log() if plain else _logprob(logits, tokens), sampled


def _raced(probabilities: Any, chances: Any) -> tuple[Any, Any]:
    """The winner of each row, and the sum of its probabilities, float64 (rows,)."""
    import torch

    rows, vocabulary = probabilities.shape
    padded = torch.nn.functional.pad(probabilities, (0, -vocabulary % _BLOCK)) if vocabulary % _BLOCK else probabilities
    blocks = padded.view(rows, -1, _BLOCK)
    masses, count = blocks.sum(-1).double(), blocks.shape[1]
    block = (masses / chances[:, :count]).argmax(-1)
    inside = blocks[torch.arange(rows, device=block.device), block].double()
    return block * _BLOCK + (inside / chances[:, count:]).argmax(-1), masses.sum(-1)


def _logprob(logits: Any, tokens: Any) -> Any:
    import torch

    return _at(logits, tokens) - torch.logsumexp(logits, -1)


def _without(values: Any, barred: Any, instead: float) -> Any:
    if barred is None:
        return values
    changed = values.clone()
    changed[barred] = instead
    return changed


def _at(values: Any, tokens: Any) -> Any:
    return values.gather(-1, tokens[:, None])[:, 0]


def filtered(probabilities: Any, settings: SamplingSettings) -> Any:
    """Probabilities (rows, vocabulary) with what top-k, top-p and min-p exclude set to zero (not renormalised).

    top-k counts first, then top-p on what is left (the smallest set of likeliest tokens that reaches the share), as in
    transformers; min-p (arXiv 2407.01082) compares with the likeliest token.
    """
    if settings.top_k and settings.top_k < probabilities.shape[-1]:
        smallest = probabilities.topk(settings.top_k, -1).values[:, -1:]
        probabilities = probabilities.masked_fill(probabilities < smallest, 0)
    if settings.top_p < 1:
        probabilities = _nucleus(probabilities, settings.top_p)
    if settings.min_p > 0:
        floor = settings.min_p * probabilities.amax(-1, keepdim=True)
        probabilities = probabilities.masked_fill(probabilities < floor, 0)
    return probabilities


def _nucleus(probabilities: Any, share: float) -> Any:
    """Only what can be in the smallest set is sorted: all tokens below (1 − share) / vocabulary weigh less than 1 − share."""
    import torch

    total = probabilities.sum(-1, keepdim=True)
    likely = int((probabilities >= total * (0.5 * (1 - share) / probabilities.shape[-1])).sum(-1).max())
    ordered, order = probabilities.topk(max(likely, 1), -1)
    before = ordered.double().cumsum(-1) - ordered
    kept = ordered.masked_fill(before >= share * total, 0)
    return torch.zeros_like(probabilities).scatter_(-1, order, kept)
