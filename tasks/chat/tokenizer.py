"""Loading a tokenizer alone, without the weights beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tasks.runtime.errors import ConfigurationError
from tasks.runtime.models import locate


def load_tokenizer(source: str | Path) -> Any:
    """A fast tokenizer with a chat template.

    Args:
        source: a folder with tokenizer files, or what `tasks.runtime.models.locate` takes (``embedded``, GGUF, hub id).

    Raises:
        ConfigurationError: nothing there, it does not load, it has no template or no offsets.
    """
    from transformers import AutoTokenizer

    folder = Path(source).expanduser()
    path = folder if (folder / "tokenizer_config.json").is_file() else locate(str(source))
    try:
        if path.is_file():
            tokenizer = AutoTokenizer.from_pretrained(str(path.parent), gguf_file=path.name)
        else:
            tokenizer = AutoTokenizer.from_pretrained(path)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigurationError(f"the tokenizer in {source} does not load: {error}") from error
    if not tokenizer.chat_template:
        raise ConfigurationError(f"the tokenizer in {source} has no chat template; use a chat model's tokenizer")
    if not tokenizer.is_fast:
        raise ConfigurationError(f"the tokenizer in {source} has no tokenizer.json; save it as a fast tokenizer first")
    return tokenizer
