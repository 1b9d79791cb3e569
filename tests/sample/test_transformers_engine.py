"""The embedded engine on the real model: draws that belong to themselves, and what serving would give."""

from pathlib import Path

import pytest
import torch

from tasks.chat.render import end_of_turn_id, render_prompt
from tasks.runtime.models import load_model
from tasks.sample.requests import Answer, uniform_requests
from tasks.sample.settings import SamplingSettings
from tasks.sample.transformers_engine import draw
from tests.sample.rows import prompt

PROMPTS = [prompt(number) for number in range(5)] + [prompt(99, "Name a colour, then explain at length why you like it.")]
SETTINGS = SamplingSettings(temperature=0.9, max_tokens=10, batch_rows=64)


def drawn(model: Path, prompts: list, settings: SamplingSettings, seed: int = 5, k: int = 3) -> dict[tuple[str, int], Answer]:
    answers = list(draw(model, uniform_requests(prompts, k), settings, seed=seed, dtype="float32"))
    found = {(answer.prompt_id, answer.draw): answer for answer in answers}
    assert len(found) == len(answers) == len(prompts) * k
    return found


@pytest.fixture(scope="module")
def together(embedded_model: Path) -> dict[tuple[str, int], Answer]:
    return drawn(embedded_model, PROMPTS, SETTINGS)


def test_a_draw_is_the_same_in_any_batch_and_order(embedded_model: Path, together: dict) -> None:
    one_by_one = drawn(embedded_model, PROMPTS[::-1], SETTINGS.model_copy(update={"batch_rows": 3}))
    assert {key: answer.text for key, answer in one_by_one.items()} == {key: answer.text for key, answer in together.items()}
    for key, answer in one_by_one.items():
        assert answer.logprob == pytest.approx(together[key].logprob, abs=1e-3)


def test_another_seed_and_another_draw_give_another_answer(embedded_model: Path, together: dict) -> None:
    other = drawn(embedded_model, PROMPTS[-1:], SETTINGS, seed=6)
    texts = {
        answer.text
        for key, answer in (together | {("other", *key): value for key, value in other.items()}).items()
        if key[0] in ("p99", "other")
    }
    assert len(texts) == 6


def test_greedy_answers_and_log_probabilities_equal_generate(embedded_model: Path) -> None:
    """transformers' own `generate` and a plain forward over the whole text are the reference."""
    greedy = SamplingSettings(temperature=0, max_tokens=12)
    answers = drawn(embedded_model, PROMPTS, greedy, k=1)
    model, tokenizer = load_model(embedded_model, "float32")
    stop = end_of_turn_id(tokenizer)
    for row in PROMPTS:
        ids = torch.tensor([render_prompt(tokenizer, row["messages"])])
        whole = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False, eos_token_id=stop)
        new = whole[0, ids.shape[1] :]
        answer = answers[row["id"], 0]
        assert answer.text == tokenizer.decode(new, skip_special_tokens=True)
        assert answer.token_count == len(new)
        assert answer.finish_reason == ("stop" if new[-1] == stop else "length")
        with torch.inference_mode():
            logprobs = torch.log_softmax(model(whole).logits[0, ids.shape[1] - 1 : -1].double(), -1)
        assert answer.logprob == pytest.approx(logprobs.gather(1, new[:, None]).sum().item(), abs=1e-4)


def test_a_cut_answer_says_so(embedded_model: Path) -> None:
    answers = drawn(embedded_model, PROMPTS[-1:], SamplingSettings(temperature=0, max_tokens=4), k=1)
    assert answers["p99", 0].finish_reason == "length"
    assert answers["p99", 0].token_count == 4
