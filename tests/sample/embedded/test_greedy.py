"""Greedy answers are those of `generate`: prompts of mixed length, left-over rows, shared beginnings, stop strings."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers.generation.stopping_criteria import StopStringCriteria

from tasks.runtime.models import load_model
from tasks.sample.embedded.admission import Asked
from tasks.sample.embedded.decoders import decoder_for
from tasks.sample.embedded.packed import PackedDecoder
from tasks.sample.embedded.padded import PaddedDecoder
from tasks.sample.requests import Answer
from tasks.sample.settings import SamplingSettings
from tasks.sample.transformers_engine import drawn
from tests.sample.embedded.models import WORDS, random_model, text_tokenizer, word_tokenizer

SHARED = [1, 5, 6, 7, 8, 9, 10, 11, 12, 4, 5, 3]


def prompts(count: int, vocabulary: int, longest: int = 90) -> list[list[int]]:
    chance = random.Random(1)
    return [[*SHARED, *(chance.randrange(3, vocabulary) for _ in range(chance.randint(1, longest)))] for _ in range(count)]


def greedy(model: Any, tokenizer: Any, ids: list[list[int]], **changes: Any) -> dict[str, Answer]:
    settings = SamplingSettings(**{"temperature": 0, "max_tokens": 12, "batch_rows": 7, **changes})
    asked = [Asked(str(at), range(1), one, settings.max_tokens) for at, one in enumerate(ids)]
    answers = list(drawn(model, tokenizer, asked, settings, seed=1))
    assert sorted(int(answer.prompt_id) for answer in answers) == list(range(len(ids)))
    return {answer.prompt_id: answer for answer in answers}


def generated(model: Any, ids: list[int], stop: int, **more: Any) -> list[int]:
    whole = model.generate(
        torch.tensor([ids]), do_sample=False, eos_token_id=stop, pad_token_id=stop, **{"max_new_tokens": 12, **more}
    )
    return whole[0, len(ids) :].tolist()


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen3"])
def test_two_hundred_prompts_of_mixed_length(family: str) -> None:
    tokenizer, model = word_tokenizer(), random_model(family, len(WORDS))
    ids = prompts(200, len(WORDS))
    answers = greedy(model, tokenizer, ids)
    assert model.config._attn_implementation == "sdpa"  # the model is given back as it came
    for at, one in enumerate(ids):
        expected, found = generated(model, one, stop=0), answers[str(at)]
        assert found.text == tokenizer.decode(expected, skip_special_tokens=True)
        assert (found.token_count, found.finish_reason) == (len(expected), "stop" if expected[-1] == 0 else "length")
    assert len({answer.text for answer in answers.values()}) > 100


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen3"])
def test_stop_strings_end_where_those_of_generate_do(family: str, embedded_model: Path) -> None:
    """Two hundred prompts that begin alike, in a vocabulary of pieces of words: a stop string spans some of them."""
    tokenizer = text_tokenizer(embedded_model)
    model, end = random_model(family, len(tokenizer)), tokenizer.eos_token_id
    # A line's end closes each prompt, as in a template: `generate` lets a stop string begin within the prompt, we do not.
    line_end = tokenizer("\n")["input_ids"]
    ids, stops = [one + line_end for one in prompts(200, 5000)], ["er", "a\n", "st m", "o"]
    stopping = StopStringCriteria(tokenizer, stops)
    answers = greedy(model, tokenizer, ids, stop=stops)
    ended = 0
    for at, one in enumerate(ids):
        expected, found = generated(model, one, end, stopping_criteria=[stopping]), answers[str(at)]
        text = tokenizer.decode(expected, skip_special_tokens=True)
        places = [text.find(stop) for stop in stops if stop in text]
        assert found.text == (text[: min(places)] if places else text)
        assert found.token_count == len(expected)
        assert found.finish_reason == ("stop" if places or expected[-1] == end else "length")
        ended += bool(places)
    assert ended > 100


def test_the_embedded_model_in_a_mixed_batch(embedded_model: Path) -> None:
    model, tokenizer = load_model(embedded_model, "float32")
    texts = ["What is 3 + 4?", "Name a colour.", "Write a line about the sea. " * 5, "Why?"]
    asked = [f"{text} Number {number}." for number, text in enumerate(texts * 3)]
    ids = [
        tokenizer.apply_chat_template([{"role": "user", "content": text}], add_generation_prompt=True, return_dict=False)
        for text in asked
    ]
    answers = greedy(model, tokenizer, ids, max_tokens=6)
    for at, one in enumerate(ids):
        expected = generated(model, one, tokenizer.eos_token_id, max_new_tokens=6)
        assert answers[str(at)].text == tokenizer.decode(expected, skip_special_tokens=True)


def test_a_sliding_window_that_matters_is_run_as_transformers_runs_it() -> None:
    tokenizer, model = word_tokenizer(), random_model("mistral", len(WORDS))
    ids = prompts(12, len(WORDS))
    answers = greedy(model, tokenizer, ids)
    for at, one in enumerate(ids):
        assert answers[str(at)].text == tokenizer.decode(generated(model, one, stop=0), skip_special_tokens=True)


def test_which_decoder_a_model_gets() -> None:
    with torch.inference_mode():
        assert isinstance(decoder_for(random_model("llama", 40), 512), PackedDecoder)
        assert isinstance(decoder_for(random_model("mistral", 40), 12), PackedDecoder)
        assert isinstance(decoder_for(random_model("mistral", 40), 13), PaddedDecoder)
