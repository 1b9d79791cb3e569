"""A tiny Llama with the embedded model's tokenizer: trains in seconds, and goes through every line the real one does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from tasks.runtime.models import save_model
from tasks.runtime.rows import write_rows

IGNORED = -100


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory, embedded_model: Path) -> Path:
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(embedded_model)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        initializer_range=0.3,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    folder = tmp_path_factory.mktemp("tiny")
    save_model(LlamaForCausalLM(config), tokenizer, folder)
    return folder


def label_rows(count: int = 12) -> list[dict[str, Any]]:
    """Rows of different lengths, most of each a prompt."""
    rows = []
    for number in range(count):
        prompt = list(range(100, 110 + number))
        answer = [200 + number] * (1 + number % 4) + [2]
        rows.append({"id": str(number), "input_ids": prompt + answer, "labels": [IGNORED] * len(prompt) + answer})
    return rows


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    folder = tmp_path / "labels"
    folder.mkdir()
    write_rows(folder, "labels", label_rows())
    return folder
