"""Duplicates: exact ones by what is said, near ones by measured similarity, and nothing else."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.data.duplicates import (
    BUCKET,
    Near,
    bands,
    conversation_key,
    first_of_equals,
    jaccard,
    near_duplicates,
    runs_of,
)
from tasks.data.mix_settings import DuplicateSettings
from tests.validate.rows import chat, talk

SINGLE_WORDS = DuplicateSettings(ngram=1)


def said(*words: str, answer: str = "") -> dict[str, Any]:
    return talk(("user", " ".join(words)), ("assistant", answer), id=words[0] if words else "none")


def near(rows: list[dict[str, Any]], scratch: Path, settings: DuplicateSettings = DuplicateSettings()) -> Near:  # noqa: B008
    found = near_duplicates(iter(rows), len(rows), settings, scratch)
    assert list(scratch.iterdir()) == []
    return found


def similarity(one: dict[str, Any], other: dict[str, Any], settings: DuplicateSettings) -> float:
    return jaccard(*runs_of([one, other], settings))


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"source": "else", "metadata": {"x": 1}}, True),
        (
            {
                "messages": [
                    {"role": "user", "content": " QUESTION\na"},
                    {"role": "assistant", "content": "ａnswer", "train": False},
                ]
            },
            True,
        ),
        ({"messages": [{"role": "user", "content": "question a"}, {"role": "assistant", "content": "answers"}]}, False),
        ({"messages": [{"role": "system", "content": "question a"}, {"role": "assistant", "content": "answer"}]}, False),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, False),
        ({"messages": [*chat()["messages"][:1], {"role": "assistant", "content": "answer", "reasoning_content": "hm"}]}, False),
    ],
)
def test_a_conversation_is_who_says_what(changes: dict[str, Any], same: bool) -> None:
    assert (conversation_key(chat()) == conversation_key(chat(**changes))) is same


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=30))
def test_the_first_of_equals(keys: list[tuple[int, int]]) -> None:
    assert first_of_equals(np.array(keys, np.uint64).reshape(-1, 2)).tolist() == [keys.index(key) for key in keys]


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 0.8, 0.9, 1.0])
def test_bands_find_what_is_at_the_threshold(threshold: float) -> None:
    count, length = bands(threshold)
    assert count * length <= 128
    assert 1 - (1 - threshold**length) ** count >= 0.99


def test_planted_near_duplicates_are_found_and_others_kept(tmp_path: Path) -> None:
    """100 words, of which some are exchanged: the similarity of sets is known, and the threshold lies between two of them."""
    rng, rows, expected = random.Random(0), [], []
    for family in range(150):
        words = [f"w{family}x{number}" for number in range(100)]
        exchanged = rng.choice([5, 9, 11, 13, 20])  # of 100: similarities 95/105 = .905, .835, .802, .77, .667
        rows += [said(*words), said(*words[exchanged:], *(f"new{family}x{number}" for number in range(exchanged)))]
        expected.append((100 - exchanged) / (100 + exchanged))
    found = near(rows, tmp_path, SINGLE_WORDS)
    for family, true in enumerate(expected):
        first, second = 2 * family, 2 * family + 1
        assert found.of[first] == first
        assert found.of[second] == (first if true >= 0.8 else second)
        assert found.similarity[second] == pytest.approx(true if true >= 0.8 else 1)
    assert found.crowded == 0


WORDS = st.lists(st.sampled_from([f"w{number}" for number in range(12)]), max_size=14)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(WORDS.map(lambda words: said(*words)), max_size=25),
    threshold=st.sampled_from([0.5, 0.8, 1.0]),
    ngram=st.integers(1, 3),
)
def test_what_is_left_out_is_as_similar_as_it_says_and_again_nothing_is(
    rows: list[dict[str, Any]], threshold: float, ngram: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    asked = DuplicateSettings(threshold=threshold, ngram=ngram)
    scratch = tmp_path_factory.mktemp("near")
    found = near(rows, scratch, asked)
    kept = [index for index in range(len(rows)) if found.of[index] == index]
    for index, other in enumerate(found.of.tolist()):
        if other != index:
            assert other < index
            assert other in kept
            assert found.similarity[index] == pytest.approx(similarity(rows[index], rows[other], asked))
            assert found.similarity[index] >= threshold
    again = near([rows[index] for index in kept], scratch, asked)
    assert again.of.tolist() == list(range(len(kept)))
    texts = [tuple(np.unique(runs).tolist()) for runs in runs_of(rows, asked)]
    assert len({texts[index] for index in kept}) == len(kept) == len({*texts} & {texts[index] for index in kept})


def test_conversations_or_prompts_are_compared(tmp_path: Path) -> None:
    words = [f"w{number}" for number in range(40)]
    rows = [
        said(*words, answer="a b c d e f g h i j k l m n o p"),
        said(*words, "!", answer="16 17 18 19 20 21 22 23 24 25 26 27"),
    ]
    assert near(rows, tmp_path).of.tolist() == [0, 1]
    found = near(rows, tmp_path, DuplicateSettings(near="prompt"))
    assert (found.of.tolist(), found.similarity.tolist()) == ([0, 0], [1.0, 1.0])


def test_texts_without_spaces_and_short_ones(tmp_path: Path) -> None:
    text = "春眠不觉晓处处闻啼鸟夜来风雨声花落知多少床前明月光疑是地上霜举头望明月低头思故乡"
    rows = [said(text), said(text[:-1] + "园"), said(text[20:]), said("Yes"), said("yes."), said("No"), said("?"), said("!")]
    assert near(rows, tmp_path).of.tolist() == [0, 0, 2, 3, 3, 5, 6, 7]
    assert near([], tmp_path).of.tolist() == []


def test_wording_that_thousands_share_is_compared_with_some_and_told(tmp_path: Path) -> None:
    """Beyond `BUCKET` rows of one wording comparing them all would be quadratic."""
    frame = [f"w{number}" for number in range(70)]
    rows = [said(*frame, *(f"x{row}y{number}" for number in range(20))) for row in range(BUCKET + 200)]
    found = near([*rows, rows[0]], tmp_path, SINGLE_WORDS)
    assert found.of.tolist() == [*range(len(rows)), 0]
    assert 0 < found.crowded < len(rows)


def test_rows_of_one_group_are_not_compared_with_each_other(tmp_path: Path) -> None:
    words = [f"w{number}" for number in range(20)]
    rows = [said(*words), said(*words, "x"), said(*words, "y"), said(*words, "x", "y")]
    found = near_duplicates(iter(rows), 4, SINGLE_WORDS, tmp_path, np.array([7, 7, 1, 1]))
    assert found.of.tolist() == [0, 1, 0, 1]
    assert near_duplicates(iter(rows), 4, SINGLE_WORDS, tmp_path, np.zeros(4)).of.tolist() == [0, 1, 2, 3]
    assert near_duplicates(iter(rows), 4, SINGLE_WORDS, tmp_path).of.tolist() == [0, 0, 0, 0]
