"""A draw's random numbers belong to the draw."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tasks.sample.randomness import derive_seed, generator

seeds = st.integers(0, 2**31 - 1)


@given(seeds, st.text(max_size=20), st.integers(0, 100), st.integers(1, 64))
def test_numbers_depend_only_on_seed_prompt_and_draw(seed: int, prompt: str, draw: int, count: int) -> None:
    whole = generator(seed, prompt, draw).standard_exponential(2 * count)
    stream = generator(seed, prompt, draw)
    assert (whole == [*stream.standard_exponential(count), *stream.standard_exponential(count)]).all()


def test_neighbouring_draws_share_nothing() -> None:
    drawn = [generator(7, prompt, draw).random(50) for prompt in ("a", "b", "0", "1") for draw in range(20)]
    stacked = np.concatenate(drawn)
    assert len(np.unique(stacked)) == len(stacked)
    assert abs(stacked.mean() - 0.5) < 0.02


@given(seeds, seeds)
def test_derived_seeds_differ_by_name_and_fit_every_library(one: int, two: int) -> None:
    names = {derive_seed(one, "sample", night, round) for night in range(5) for round in range(5)}
    assert len(names) == 25
    assert all(0 <= value < 2**31 for value in names)
    assert (derive_seed(one, "x") == derive_seed(two, "x")) == (one == two)
