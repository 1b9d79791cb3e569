"""Small random models of several families, and a tokenizer of a few words."""

from __future__ import annotations

from typing import Any

import torch
from transformers import (
    AutoTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
)

_SPECIAL = ["<end>", "<user>", "<answer>"]
_NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
WORDS = [*_SPECIAL, *_NUMBERS, "plus", "minus", "times", "is"]
_TEMPLATE = "{% for m in messages %}<{{ 'user' if m['role'] == 'user' else 'answer' }}> {{ m['content'] }} <end> {% endfor %}"
_TEMPLATE += "{% if add_generation_prompt %}<answer> {% endif %}"
_SIZES: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
FAMILIES = {
    "llama": lambda size: LlamaForCausalLM(
        LlamaConfig(vocab_size=size, num_key_value_heads=2, initializer_range=0.3, **_SIZES)
    ),
    "gpt2": lambda size: GPT2LMHeadModel(
        GPT2Config(vocab_size=size, n_embd=32, n_layer=2, n_head=4, n_positions=512, initializer_range=0.3)
    ),
    "qwen3": lambda size: Qwen3ForCausalLM(
        Qwen3Config(vocab_size=size, num_key_value_heads=1, head_dim=16, initializer_range=0.3, **_SIZES)
    ),
    "mistral": lambda size: MistralForCausalLM(
        MistralConfig(vocab_size=size, num_key_value_heads=2, sliding_window=12, initializer_range=0.3, **_SIZES)
    ),
}


def random_model(family: str, vocabulary: int) -> Any:
    torch.manual_seed(0)
    model = FAMILIES[family](vocabulary).eval()
    model.generation_config.eos_token_id = None
    return model


def word_tokenizer() -> Any:
    """Every word of `WORDS` is a token, and its id its place."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit

    words = Tokenizer(WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="is"))
    words.pre_tokenizer = WhitespaceSplit()
    made = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<end>", pad_token="<end>")
    made.add_special_tokens({"additional_special_tokens": ["<user>", "<answer>"]})
    made.chat_template = _TEMPLATE
    return made


def text_tokenizer(folder: Any) -> Any:
    return AutoTokenizer.from_pretrained(folder)
