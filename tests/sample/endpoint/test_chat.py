"""Reading a reply: what counts, and that nothing in it can do harm."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from tasks.runtime.errors import ConfigurationError
from tasks.runtime.replies import NoReplyError
from tasks.sample.endpoint.chat import Choice, read_choices
from tasks.sample.settings import SamplingSettings
from tests.sample.endpoint.server import choice

SETTINGS = SamplingSettings(stop=["zzz"])
NAMES = ["choices", "message", "content", "finish_reason", "logprobs", "usage", "completion_tokens", "stop"]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
)


def read(*choices: Any, **more: Any) -> list[Choice]:
    return read_choices(json.dumps({"choices": choices, **more}).encode(), 4, SETTINGS, len)


@examples(max_examples=100, deadline=None)
@given(st.binary(max_size=80) | ANYTHING.map(lambda data: json.dumps(data).encode()))
def test_no_reply_makes_it_raise_anything_unnamed(data: bytes) -> None:
    with pytest.raises((NoReplyError, ConfigurationError)):
        read_choices(data, 2, SETTINGS, len)


@examples(max_examples=100, deadline=None)
@given(content=ANYTHING, logprobs=ANYTHING, usage=ANYTHING)
def test_what_is_read_can_be_stored(content: Any, logprobs: Any, usage: Any) -> None:
    one = choice("") | {"message": {"content": content}, "logprobs": {"content": logprobs}}
    try:
        (got,) = read(one, usage=usage)
    except NoReplyError:
        return
    assert type(got.text) is str
    assert 0 <= got.token_count <= SETTINGS.max_tokens
    assert got.logprob is None or got.logprob <= 0


@pytest.mark.parametrize("numbers", [[], [float("nan")], [-1.0, float("-inf")], ["x"], [None]])
def test_half_known_log_probabilities_are_none(numbers: list[Any]) -> None:
    (one,) = read(choice("four", logprobs=numbers))
    assert (one.logprob, one.token_count) == (None, 5)


def test_log_probabilities_rounded_above_zero_are_zero() -> None:
    assert read(choice("a", logprobs=[1e-9]))[0].logprob == 0.0


@pytest.mark.parametrize("usage", [None, {}, [], "many", {"completion_tokens": -1}, {"completion_tokens": True}])
def test_a_useless_number_of_tokens_is_counted_anew(usage: Any) -> None:
    try:
        (one,) = read(choice("four"), usage=usage)
    except NoReplyError:
        assert usage == "many"
        return
    assert one.token_count == 5


def test_no_text_is_an_empty_answer() -> None:
    assert read(choice("") | {"message": {"content": None}}) == [Choice("", 1, None, "stop")]


def test_more_than_asked_for_is_cut() -> None:
    assert [one.text for one in read(*(choice(str(index)) for index in range(6)))] == ["0", "1", "2", "3"]
