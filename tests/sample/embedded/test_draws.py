"""Draws have the distribution they should have, know how likely they were, and depend on nothing beside them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from scipy.stats import chisquare
from transformers.generation.logits_process import (
    LogitsProcessorList,
    MinPLogitsWarper,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from tasks.sample.embedded.admission import Asked
from tasks.sample.requests import Answer
from tasks.sample.settings import SamplingSettings
from tasks.sample.transformers_engine import drawn
from tests.sample.embedded.models import WORDS, random_model, word_tokenizer
from tests.sample.embedded.test_greedy import prompts

DRAWS = 50_000
PROMPT = [1, 5, 9, 4, 0, 2]
DISTRIBUTIONS = {
    "temperature": ({"temperature": 1.7}, [TemperatureLogitsWarper(1.7)]),
    "top_p": ({"top_p": 0.8}, [TopPLogitsWarper(0.8)]),
    "top_k": ({"top_k": 5}, [TopKLogitsWarper(5)]),
    "min_p": ({"min_p": 0.1}, [MinPLogitsWarper(0.1)]),
    "all": (
        {"temperature": 1.5, "top_k": 9, "top_p": 0.9, "min_p": 0.02},
        [TemperatureLogitsWarper(1.5), TopKLogitsWarper(9), TopPLogitsWarper(0.9), MinPLogitsWarper(0.02)],
    ),
}


def answers(model: Any, asked: list[Asked], settings: SamplingSettings) -> dict[tuple[str, int], Answer]:
    found = list(drawn(model, word_tokenizer(), asked, settings, seed=3))
    assert len(found) == sum(len(one.draws) for one in asked)
    return {(answer.prompt_id, answer.draw): answer for answer in found}


def soft_model() -> Any:
    """Whose first token is uncertain: the random weights alone are too sure."""
    model = random_model("llama", len(WORDS))
    model.lm_head.weight.data *= 0.3
    return model


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_fifty_thousand_draws_have_the_exact_distribution(name: str) -> None:
    changes, warpers = DISTRIBUTIONS[name]
    model = soft_model()
    with torch.inference_mode():
        logits = model(torch.tensor([PROMPT])).logits[:, -1]
    exact = torch.softmax(LogitsProcessorList(warpers)(None, logits)[0].double(), -1).numpy()
    settings = SamplingSettings(max_tokens=1, batch_rows=25_000, **changes)
    found = answers(model, [Asked("p", range(DRAWS), PROMPT, 1)], settings)
    # The special tokens have no text: what is left of the distribution is theirs.
    counts = Counter(answer.text for answer in found.values())
    silent = [0, 1, 2]
    expected = [exact[silent].sum() * DRAWS, *(exact[3:] * DRAWS)]
    seen = [counts[""], *(counts[word] for word in WORDS[3:])]
    assert sum(seen) == DRAWS
    possible = [at for at, number in enumerate(expected) if number > 0]
    assert len(possible) > 3
    assert sum(seen[at] for at in possible) == DRAWS
    assert chisquare([seen[at] for at in possible], [expected[at] for at in possible]).pvalue > 1e-3


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen3"])
def test_log_probabilities_are_those_of_a_plain_forward_pass(family: str) -> None:
    model, tokenizer = random_model(family, len(WORDS)), word_tokenizer()
    ids = prompts(40, len(WORDS))
    # Nothing may end: then the text tells all the tokens, special ones apart.
    changes, warpers = DISTRIBUTIONS["all"]
    settings = SamplingSettings(max_tokens=10, min_tokens=10, batch_rows=16, **changes)
    asked = [Asked(str(at), range(3), one, 10) for at, one in enumerate(ids)]
    compared = 0
    for (name, _), answer in answers(model, asked, settings).items():
        tokens = tokenizer(answer.text, add_special_tokens=False)["input_ids"]
        if len(tokens) < 10:
            continue
        prompt = ids[int(name)]
        with torch.inference_mode():
            logits = model(torch.tensor([prompt + tokens])).logits[0, len(prompt) - 1 : -1]
        at = torch.tensor(tokens)[:, None]
        policy = torch.log_softmax(logits, -1).gather(1, at).sum().item()
        barred = logits.clone()
        barred[:, 0] = -torch.inf
        sampling = torch.log_softmax(LogitsProcessorList(warpers)(None, barred), -1).gather(1, at).sum().item()
        assert answer.logprob == pytest.approx(policy, abs=1e-4)
        assert answer.sampling_logprob == pytest.approx(sampling, abs=1e-4)
        compared += 1
    assert compared > 20


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_a_draw_is_the_same_in_any_batch_order_and_company(family: str) -> None:
    model = random_model(family, len(WORDS))
    ids = prompts(64, len(WORDS))
    asked = [Asked(str(at), range(4), one, 16) for at, one in enumerate(ids)]
    settings = SamplingSettings(max_tokens=16, temperature=1.1)
    together = answers(model, asked, settings)

    def texts(found: dict[tuple[str, int], Answer]) -> dict[tuple[str, int], str]:
        return {key: answer.text for key, answer in found.items()}

    for shard, rows in ((1, 64), (7, 3), (64, 33)):
        parts: dict[tuple[str, int], Answer] = {}
        for first in range(0, len(asked), shard):
            parts |= answers(model, asked[first : first + shard][::-1], settings.model_copy(update={"batch_rows": rows}))
        assert texts(parts) == texts(together)
    later = answers(model, [Asked("5", range(2, 4), ids[5], 16)], settings)
    assert texts(later) == {key: text for key, text in texts(together).items() if key in later}


def test_whoever_reads_the_answers_may_train_meanwhile_and_may_stop_reading() -> None:
    model = random_model("llama", len(WORDS))
    asked = [Asked("p", range(4), PROMPT, 8)]
    reading = drawn(model, word_tokenizer(), asked, SamplingSettings(max_tokens=8), seed=3)
    next(reading)
    assert not torch.is_inference_mode_enabled()
    reading.close()
    assert model.config._attn_implementation == "sdpa"
    model(torch.tensor([PROMPT])).logits.sum().backward()
