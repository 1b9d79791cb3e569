"""Temperature, filters and the choice of a token, against plain arithmetic and transformers' own filters."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare
from transformers.generation.logits_process import MinPLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from tasks.sample.distribution import Barred, chances_needed, choose, filtered
from tasks.sample.settings import SamplingSettings


def chances(rows: int, vocabulary: int, seed: int = 0) -> torch.Tensor:
    drawn = np.random.default_rng(seed).standard_exponential((rows, chances_needed(vocabulary)))
    return torch.from_numpy(drawn)


LOGITS = torch.tensor([[2.0, 1.0, 0.0, -1.0], [0.0, 0.0, 5.0, 0.0]])


def test_greedy_takes_the_likeliest_and_reports_its_log_probability() -> None:
    tokens, logprobs, _ = choose(LOGITS, chances(2, 4), SamplingSettings(temperature=0))
    assert tokens.tolist() == [0, 2]
    torch.testing.assert_close(logprobs, torch.log_softmax(LOGITS, -1)[[0, 1], [0, 2]])


def test_log_probabilities_are_of_temperature_one_whatever_was_sampled_at() -> None:
    tokens, logprobs, _ = choose(LOGITS, chances(2, 4), SamplingSettings(temperature=3.0))
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


@given(st.integers(0, 1000))
@settings(deadline=None)
def test_a_filtered_token_is_never_chosen(seed: int) -> None:
    logits = torch.randn(1, 30, generator=torch.Generator().manual_seed(seed)) * 4
    chosen = SamplingSettings(top_k=5, top_p=0.9, min_p=0.05)
    tokens, *_ = choose(logits, chances(1, 30, seed), chosen)
    assert filtered(torch.softmax(logits, -1), chosen)[0, tokens[0]] > 0


def test_a_barred_token_is_never_chosen_and_the_rest_share_its_probability() -> None:
    logits = torch.tensor([[90.0, 1.0, 0.0], [90.0, 1.0, 0.0]])
    barred = Barred(torch.tensor([True, False]), torch.tensor([0]))
    for chosen in (SamplingSettings(), SamplingSettings(temperature=0.5), SamplingSettings(temperature=0)):
        tokens, policy, sampled = choose(logits, chances(2, 3), chosen, barred)
        assert tokens[0] > 0
        assert tokens[1] == 0
        assert policy.tolist() == pytest.approx([-88.0 - tokens[0].item(), 0.0])
        assert sampled[0] <= 0
    soft = torch.tensor([[2.0, 1.0, 0.0]])
    tokens, policy, sampled = choose(soft, chances(1, 3), SamplingSettings(), Barred(torch.tensor([True]), torch.tensor([0])))
    assert tokens.item() in (1, 2)
    assert policy.item() == pytest.approx(torch.log_softmax(soft, -1)[0, tokens.item()].item(), abs=1e-6)
    assert sampled.item() == pytest.approx(torch.log_softmax(soft[:, 1:], -1)[0, tokens.item() - 1].item(), abs=1e-6)


def test_a_vocabulary_of_many_blocks_has_the_exact_distribution() -> None:
    logits = torch.randn(1, 700, generator=torch.Generator().manual_seed(1)) * 2
    tokens, *_ = choose(logits.expand(40_000, -1), chances(40_000, 700), SamplingSettings())
    exact = torch.softmax(logits[0].double(), -1)
    expected = [*(exact[exact > 1e-3] * 40_000).tolist(), exact[exact <= 1e-3].sum().item() * 40_000]
    counts = torch.bincount(tokens, minlength=700)
    seen = [*counts[exact > 1e-3].tolist(), counts[exact <= 1e-3].sum().item()]
    assert chisquare(seen, expected).pvalue > 1e-3


@given(st.integers(0, 10_000))
@settings(max_examples=50, deadline=None)
def test_noise_in_the_logits_hardly_ever_changes_a_choice(seed: int) -> None:
    """Over a flat vocabulary, where an edge of the distribution function would move past many tokens."""
    noise = torch.Generator().manual_seed(seed)
    logits = torch.randn(20, 50_000, generator=noise)
    numbers = chances(20, 50_000, seed)
    one, *_ = choose(logits, numbers, SamplingSettings())
    other, *_ = choose(logits + 1e-6 * torch.randn(logits.shape, generator=noise), numbers, SamplingSettings())
    assert one.tolist() == other.tolist()
