"""Temperature, filters and the choice of a token, against plain arithmetic and transformers' own filters."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.generation.logits_process import MinPLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from tasks.sample.distribution import choose, filtered
from tasks.sample.settings import SamplingSettings

LOGITS = torch.tensor([[2.0, 1.0, 0.0, -1.0], [0.0, 0.0, 5.0, 0.0]])


def test_greedy_takes_the_likeliest_and_reports_its_log_probability() -> None:
    tokens, logprobs = choose(LOGITS, torch.tensor([0.9, 0.1]), SamplingSettings(temperature=0))
    assert tokens.tolist() == [0, 2]
    torch.testing.assert_close(logprobs, torch.log_softmax(LOGITS, -1)[[0, 1], [0, 2]])


def test_uniform_numbers_invert_the_distribution_function() -> None:
    probabilities = torch.softmax(LOGITS[0] / 0.7, -1)
    edges = probabilities.cumsum(0)
    numbers = torch.linspace(0.001, 0.999, 200)
    tokens, _ = choose(LOGITS[:1].repeat(200, 1), numbers, SamplingSettings(temperature=0.7))
    expected = [int((edges <= number).sum()) for number in numbers]
    assert tokens.tolist() == expected


def test_log_probabilities_are_of_temperature_one_whatever_was_sampled_at() -> None:
    tokens, logprobs = choose(LOGITS, torch.tensor([0.99, 0.99]), SamplingSettings(temperature=3.0))
    torch.testing.assert_close(logprobs, torch.log_softmax(LOGITS, -1).gather(1, tokens[:, None])[:, 0])


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (SamplingSettings(top_k=3), TopKLogitsWarper(3)),
        (SamplingSettings(top_p=0.8), TopPLogitsWarper(0.8)),
        (SamplingSettings(min_p=0.1), MinPLogitsWarper(0.1)),
    ],
)
@given(seed=st.integers(0, 10_000))
@settings(max_examples=50, deadline=None)
def test_filters_keep_what_transformers_keeps(ours: SamplingSettings, theirs: object, seed: int) -> None:
    logits = torch.randn(4, 50, generator=torch.Generator().manual_seed(seed)) * 3
    kept = filtered(torch.softmax(logits, -1), ours) > 0
    assert (kept == (theirs(None, logits) > -torch.inf)).all()  # type: ignore[operator]


@given(st.floats(0, 1, exclude_max=True), st.integers(0, 1000))
@settings(deadline=None)
def test_a_filtered_token_is_never_chosen(number: float, seed: int) -> None:
    logits = torch.randn(1, 30, generator=torch.Generator().manual_seed(seed)) * 4
    chosen = SamplingSettings(top_k=5, top_p=0.9, min_p=0.05)
    tokens, _ = choose(logits, torch.tensor([number], dtype=torch.float32), chosen)
    assert filtered(torch.softmax(logits, -1), chosen)[0, tokens[0]] > 0
