"""Models that verify, small enough for a test."""

from __future__ import annotations

from pathlib import Path

import pytest

QUESTION = [{"role": "user", "content": "What is 17 + 25?"}]


@pytest.fixture(scope="session")
def tiny_reward_model(tmp_path_factory: pytest.TempPathFactory, embedded_model: Path) -> Path:
    """A random sequence-classification Llama of two layers with one label, as a plain folder."""
    return save_classifier(tmp_path_factory.mktemp("reward"), embedded_model, labels=1)


def save_classifier(folder: Path, tokenizer_folder: Path, labels: int) -> Path:
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForSequenceClassification

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
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
        num_labels=labels,
    )
    LlamaForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
