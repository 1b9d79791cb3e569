"""What the policy's own tokenizer says, where the servers say less, or something else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from tasks.runtime.errors import ConfigurationError


class PolicyTokenizer:
    """The tokenizer of a model's folder, read when it is first needed."""

    def __init__(self, model_folder: Path) -> None:
        self._folder = model_folder

    def count(self, text: str) -> int:
        """Tokens of an answer's text."""
        return len(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def check_prompt(self, messages: Sequence[Mapping[str, Any]], ids: Sequence[int]) -> None:
        """Raise `ConfigurationError` where a server gave its model other token ids than training would."""
        from tasks.chat.render import render_prompt

        ours = render_prompt(self._tokenizer, messages)
        if ours != list(ids):
            raise ConfigurationError(
                f"the endpoint makes {len(ids)} tokens of a prompt ({list(ids)[:8]} …), the policy's template {len(ours)} "
                f"({ours[:8]} …): what is trained would not be what was sampled; serve the policy with its own chat template"
            )

    @cached_property
    def _tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        try:
            return AutoTokenizer.from_pretrained(self._folder)
        except (OSError, ValueError, KeyError) as error:
            raise ConfigurationError(
                f"{self._folder} has no tokenizer to count an endpoint's tokens with, or to check its prompts: {error}"
            ) from error
