"""Words of any language, and their runs as numbers: equal numbers for equal runs, and only for them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.data.ngrams import ngrams, spoken, words_of

WORDS = st.sampled_from(["a", "b", "ab", "ä", "我", "", "a\x00", "🙂"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't  PANIC, \tit's 3 + 5!", ["don", "t", "panic", "it", "s", "3", "+", "5"]),
        ("Ｆｕｌｌ width ﬁne — “quoted”…", ["full", "width", "fine", "quoted"]),
        ("我喜欢cats。", ["我", "喜", "欢", "cats"]),
        ("ภาษา", ["ภ", "า", "ษ", "า"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("Te\u0301st שָׁלוֹם", ["tést", "שָׁלוֹם"]),
        ("zero\u200b width\x07", ["zero", "width"]),
        ("?! …", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_the_quick_way_for_ascii_is_the_same(text: str) -> None:
    assert words_of(text + " é")[:-1] == words_of(text)


def test_a_turn_says_its_reasoning_and_calls_too() -> None:
    call = {"type": "function", "function": {"name": "add", "arguments": {"a": 1}}}
    message = {"role": "assistant", "content": "Eight.", "reasoning_content": "Three and five", "tool_calls": [call]}
    assert words_of(spoken(message))[:4] == ["three", "and", "five", "eight"]
    assert "add" in words_of(spoken(message))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(WORDS, max_size=8), max_size=6), st.integers(1, 4))
def test_runs_are_numbered_as_tuples_would_be(texts: list[list[str]], n: int) -> None:
    runs, counts = ngrams(texts, n)
    tuples = [[tuple(text[i : i + n]) for i in range(len(text) - n + 1)] for text in texts]
    assert counts.tolist() == [len(own) for own in tuples]
    flat = [run for own in tuples for run in own]
    assert len(runs) == len(flat)
    assert len(np.unique(runs)) == len(set(flat)) == len(set(zip(flat, runs.tolist(), strict=True)))


def test_numbers_are_the_same_everywhere() -> None:
    assert ngrams([["to", "be", "or"]], 2)[0].tolist() == ngrams([["x"], ["to", "be", "or", "not"]], 2)[0].tolist()[:2]
    assert ngrams([["to", "be"]], 2)[0].tolist() == [734337129015533613]
