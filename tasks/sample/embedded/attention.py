"""Attention over a prompt's keys, kept once, and over each row's own, merged.

transformers calls the function registered here with the queries, keys and values of one layer, positions already applied; the
pass that is under way says what they attend to. Softmax over two sets of keys is the mean of the two softmaxes, weighted by
their log-sum-exps (Dao et al. 2022, section 3.1; for a shared prefix: arXiv 2402.05099).
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Protocol

NAME = "winnow"
_FOREIGN = ("softcap", "s_aux", "position_bias")  # soft caps, sinks, relative positions


class UnsupportedAttentionError(Exception):
    """The model's attention is not the plain one; it is run as transformers runs it."""


class Pass(Protocol):
    """What a forward pass attends to.

    Attributes:
        window: the narrowest sliding window that a layer told of; None without one.
    """

    window: int | None

    def attend(self, layer: int, query: Any, key: Any, value: Any, scale: float) -> Any:
        """(1, heads, rows, width) and the new keys and values → (1, rows, heads, width)."""
        ...


_current: ContextVar[Pass] = ContextVar("the pass under way")


def run(model: Any, under: Pass, **inputs: Any) -> Any:
    """The logits of a forward pass of `model`, whose attention is set to `NAME`, with `under` as what it attends to."""
    token = _current.set(under)
    try:
        return model(**inputs, use_cache=False).logits
    finally:
        _current.reset(token)


def register() -> None:
    """Make the attention known to transformers as `NAME`. It needs no mask, and transformers makes none for it."""
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    ALL_ATTENTION_FUNCTIONS.register(NAME, _attention)


def _attention(
    module: Any, query: Any, key: Any, value: Any, attention_mask: Any, scaling: float | None = None, **more: Any
) -> tuple[Any, None]:
    if foreign := [name for name in _FOREIGN if more.get(name) is not None]:
        raise UnsupportedAttentionError(f"attention with {foreign}")
    under = _current.get()
    if window := more.get("sliding_window"):
        under.window = min(window, under.window or window)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    return under.attend(module.layer_idx, query, key, value, scale), None


def attention(query: Any, key: Any, value: Any, scale: float, mask: Any = None) -> tuple[Any, Any]:
    """Attention and its log-sum-exp.

    Args:
        query: (batch, heads, rows, width).
        key, value: (batch, heads, length, width).
        mask: (batch, 1, rows, length), 0 or -inf, in the queries' dtype.

    Returns:
        (batch, heads, rows, width) in the queries' dtype, and float32 (batch, heads, rows).
    """
    import torch

    if query.device.type == "cpu" and query.shape[-1] == value.shape[-1]:
        return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(  # type: ignore[no-any-return]
            query, key, value, attn_mask=mask, scale=scale
        )
    scores = (query @ key.mT).float() * scale
    if mask is not None:
        scores += mask
    total = torch.logsumexp(scores, -1)
    return (scores - total[..., None]).exp().to(query.dtype) @ value, total


def merged(one: tuple[Any, Any], other: tuple[Any, Any]) -> tuple[Any, Any]:
    """Attention over two disjoint sets of keys and its log-sum-exp, from those over each."""
    import torch

    weight = torch.sigmoid(one[1] - other[1])[..., None].to(one[0].dtype)
    return torch.lerp(other[0], one[0], weight), torch.logaddexp(one[1], other[1])
