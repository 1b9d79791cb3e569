"""Which decoder a model gets: the packed one where it reproduces the model's own logits, else the plain one."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from tasks.sample.embedded.attention import UnsupportedAttentionError
from tasks.sample.embedded.packed import PackedDecoder
from tasks.sample.embedded.padded import PaddedDecoder

_log = logging.getLogger(__name__)
_AGREES = 0.05  # relative difference of logits: rounding in bfloat16 makes a hundredth, another attention far more
_FAULTS = (UnsupportedAttentionError, AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError)


def decoder_for(model: Any, longest: int) -> PackedDecoder | PaddedDecoder:
    """A decoder without rows.

    Args:
        model: in evaluation mode; its attention function may be replaced.
        longest: tokens of the longest prompt and answer; a sliding window below that needs the plain decoder.
    """
    import torch

    own = model.config._attn_implementation
    probe = _probe(model)
    expected = model(input_ids=probe[None], use_cache=False).logits[0].float()
    try:
        packed = PackedDecoder(model)
        copied = packed.copied_up_to
        errors = []
        for packed.copied_up_to in (0, copied):  # the rows' prompts beside them, and copied to them
            errors.append(_difference(packed, probe, expected))
        error = max(errors)
        if error < _AGREES and (packed.window is None or packed.window >= longest):
            return packed
        why = f"the logits differ by {error:.0%}" if error >= _AGREES else f"it sees {packed.window} tokens of {longest}"
    except torch.OutOfMemoryError:
        raise
    except _FAULTS as fault:
        why = f"{type(fault).__name__}: {fault}"
    _log.warning("%s is sampled the plain, slower way: %s", type(model).__name__, why)
    model.set_attn_implementation(own)
    return PaddedDecoder(model)


def _probe(model: Any) -> Any:
    """A dozen token ids, all over the vocabulary."""
    import torch

    vocabulary = model.get_input_embeddings().weight.shape[0]
    return (torch.arange(1, 13, device=model.device) * 7919) % vocabulary


def _difference(packed: PackedDecoder, probe: Any, expected: Any) -> float:
    """Of logits along `probe`, relative: a common part, prompts of two lengths, rows that leave; none are left behind."""
    import torch

    ids, places = probe.tolist(), [4, 2]
    packed.read_common(ids[:2])
    found = [packed.read([ids[:5], ids[:3]], [1, 2], len(ids))]
    for at in (5, 6):
        # The second prompt's two rows go the same way until one of them leaves.
        rows = [at, at - 2, at - 2] if len(packed) == 3 else [at, at - 2]
        found.append(packed.step(probe[torch.tensor(rows, device=probe.device)]))
        places += rows
        if len(packed) == 3:
            packed.drop(np.array([1]))
    packed.drop(np.arange(len(packed)))
    packed.read_common([])
    reference = expected[torch.tensor(places, device=probe.device)]
    difference = torch.linalg.vector_norm(torch.cat(found).float() - reference)
    return float(difference / torch.linalg.vector_norm(reference))
