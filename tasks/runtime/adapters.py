"""PEFT adapters: what a folder of one says, and a base model with one in its layers, merged or not.

Only safetensors are read, never a pickle, and only adapters whose effect on a token depends on the layers' own input: the
packed decoder puts many answers into one sequence, where an adapter that adds virtual tokens, or looks for certain ones, would
act on other answers too.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from tasks.runtime.errors import ConfigurationError

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
# They change what linear layers compute and nothing else (some also norms and embeddings); all of them can be merged.
IN_LAYERS = ("ADALORA", "HRA", "IA3", "LN_TUNING", "LOHA", "LOKR", "LORA", "MISS", "OFT", "VERA")
# Of LoRA: routing between adapters, and adapters that begin to act at certain tokens.
_BEYOND_LAYERS = ("alora_invocation_tokens", "arrow_config")
_AGREES = 0.05  # relative difference of logits: rounding in bfloat16 makes a hundredth
_PLACES = ("base_model_name_or_path", "revision")


def is_adapter(path: Path) -> bool:
    """Whether a folder holds an adapter; its weights may be missing, or of a kind that is refused."""
    return (path / CONFIG).is_file()


def base_source(folder: Path) -> str:
    """The source of an adapter's base model, as its configuration names it; a folder beside the adapter by its whole path.

    Raises:
        ConfigurationError: it names none, or the adapter is of a kind, or in a form, that is not taken.
    """
    config = _config(folder)
    base, revision = config.get("base_model_name_or_path"), config.get("revision")
    if not isinstance(base, str) or not base:
        raise ConfigurationError(f"{folder / CONFIG} names no base; write one into base_model_name_or_path")
    if (folder / base).is_dir():
        return str((folder / base).resolve())
    return f"{base}@{revision}" if revision and base.count("/") == 1 and not Path(base).exists() else base


def _config(folder: Path) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads((folder / CONFIG).read_text())
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{folder / CONFIG} cannot be read ({error}); save the adapter again") from error
    kind = config.get("peft_type") if isinstance(config, dict) else None
    if kind not in IN_LAYERS:
        raise ConfigurationError(
            f"the adapter in {folder} is of type {kind}: it does not change the model's layers alone, so it can be neither "
            f"merged nor sampled from; take one of {', '.join(IN_LAYERS)}"
        )
    if odd := [name for name in _BEYOND_LAYERS if config.get(name)]:
        raise ConfigurationError(f"the adapter in {folder} has {odd[0]}, which depends on more than a token; train one without")
    if config.get("task_type") not in (None, "CAUSAL_LM"):
        raise ConfigurationError(f"the adapter in {folder} is for {config['task_type']}; a policy's is for CAUSAL_LM")
    if not (folder / WEIGHTS).is_file():
        raise ConfigurationError(f"no {WEIGHTS} in {folder}; save the adapter as safetensors (other formats run code)")
    return config


def config_digest(folder: Path) -> str:
    """sha256 of an adapter's configuration, without where its base lies."""
    told = {name: value for name, value in _config(folder).items() if name not in _PLACES}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def with_adapter(model: Any, tokens: int, folder: Path, *, merge: bool) -> Any:
    """The base model with an adapter: its weights changed, or its layers wrapped; a transformers model in both cases.

    In float32 the log-probabilities of the two differ by about 1e-6 of their size. In bfloat16 the merged weights are rounded
    once more, which moves them by as much as bfloat16 does anyway.

    Args:
        model: the base model, which is changed.
        tokens: of the tokenizer; where the base has fewer, the adapter must bring their embeddings.
        merge: refused by some adapters, such as those that repeat layers.

    Raises:
        ConfigurationError: the adapter does not belong to this base, or cannot be merged.
    """
    from peft import PeftConfig, PeftModel

    _make_room(model, tokens, folder)
    config = PeftConfig.from_pretrained(str(folder))
    config.inference_mode = True
    if unknown := sorted(name for name, value in _config(folder).items() if value and not hasattr(config, name)):
        raise ConfigurationError(
            f"the adapter in {folder} has fields that the installed PEFT does not know: {unknown}; update it"
        )
    try:
        wrapped = PeftModel(model, config, autocast_adapter_dtype=merge)
        found = wrapped.load_adapter(str(folder), "default", torch_device="cpu", autocast_adapter_dtype=merge)
    except (RuntimeError, ValueError, KeyError, ImportError) as error:
        raise ConfigurationError(
            f"the adapter in {folder} does not fit its base ({error}); name the base it was trained on"
        ) from error
    if odd := [*found.missing_keys, *found.unexpected_keys]:
        raise ConfigurationError(
            f"the adapter in {folder} does not fit its base: {len(odd)} weights have no counterpart, such as {odd[0]}; name "
            "the base it was trained on"
        )
    return _merged(wrapped, folder) if merge else wrapped.get_base_model()


def _merged(wrapped: Any, folder: Path) -> Any:
    """The base model with the adapter in its weights; what it says is compared with what it said before."""
    import torch

    with torch.inference_mode():
        before = _said(wrapped.eval())
    try:
        merged = wrapped.merge_and_unload(safe_merge=True)
        with torch.inference_mode():
            after = _said(merged)
    except (RuntimeError, ValueError, NotImplementedError, AttributeError) as error:
        raise ConfigurationError(f"the adapter in {folder} cannot be merged ({error}); sample it unmerged") from error
    if not bool(torch.linalg.vector_norm(after - before) < _AGREES * torch.linalg.vector_norm(before)):
        raise ConfigurationError(
            f"the adapter in {folder} cannot be merged: its model then says something else; sample it unmerged"
        )
    return merged


def _said(model: Any) -> Any:
    """Logits along a dozen token ids, from all over the vocabulary."""
    import torch

    vocabulary = model.get_input_embeddings().weight.shape[0]
    return model(input_ids=(torch.arange(1, 13) * 7919 % vocabulary)[None], use_cache=False).logits.float()


def _make_room(model: Any, tokens: int, folder: Path) -> None:
    """Embeddings for tokens that the adapter's tokenizer has and the base has not."""
    from safetensors import safe_open

    if tokens <= model.get_input_embeddings().weight.shape[0]:
        return
    with safe_open(folder / WEIGHTS, "pt") as weights:
        if not any(weights.get_slice(name).get_shape()[0] == tokens for name in weights.keys()):  # noqa: SIM118
            raise ConfigurationError(
                f"the tokenizer in {folder} has {tokens} tokens, more than its base, and the adapter brings no embeddings for "
                "them; save it with save_embedding_layers"
            )
    model.resize_token_embeddings(tokens, mean_resizing=False)
