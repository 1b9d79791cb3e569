"""Answers that go round in circles. A model trained on its own loops loops more (Xu et al. 2022, arXiv 2206.02369).

`loops`: somewhere in the answer, to its end or not, a unit of at most 100 words is said five times or more in a row, 25
words at least (words without signs). The unit must have a word of two letters or more, be one number of two digits or more,
or be an equation: rows of zeros are a board, "10 + 10 + 10 + …" is a sum, closing brackets are code. Or a single word of 60
letters or more is itself such a unit of at most 20 letters ("hahaha…"). Where the answer is JSON, each text in it is judged
by itself: a list may have the same entry, or the same moves, many times over.

`repeats`: more than `repeated_share` of the words lie in runs of 20 words that the answer had said before. It is the
"duplicate n-gram" rule of Gopher (Rae et al. 2021, arXiv 2112.11446, table A1) with longer runs and a larger share: that
one is for web pages, and its runs of 5–10 words with shares of 10–15 % would drop proofs by cases and songs. A run counts
when it has eight different words of two letters or more: a list of moves ("Move disk 1 from Peg 2 to Peg 3 …") repeats
itself by nature.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from tasks.data.ngrams import ngrams
from tasks.select.filters.settings import FilterSettings
from tasks.select.filters.texts import Asked, Said, code_blocks, is_word
from tasks.verify.answers import tagged_answers

_LONGEST_UNIT, _COPIES, _LEAST_WORDS = 100, 5, 25
_LONG_WORD = 60
_WORD_LOOP = re.compile(rf"([^\W\d_]{{1,20}}?)\1{{{_COPIES - 1},}}[^\W\d_]{{0,20}}")
_RUN, _VARIETY = 20, 8
# Ordinary texts repeat few runs of five words; a loop of 25 words repeats at least this many.
_LEAST_REPEATED = _LEAST_WORDS - 4 - _LEAST_WORDS // _COPIES


def loops(said: Said, asked: Asked, settings: FilterSettings) -> bool:
    """Whether the answer says a short unit many times in a row."""
    return _loops(said) and any(map(_loops, _texts(said)))


def _loops(said: Said) -> bool:
    if any(_WORD_LOOP.fullmatch(word) for word in said.words if len(word) >= _LONG_WORD):
        return True
    return said.repeated_runs >= _LEAST_REPEATED and _has_loop(said.words)


def repeats(said: Said, asked: Asked, settings: FilterSettings) -> bool:
    """Whether most of the answer was said before in it."""

    def mostly(text: Said) -> bool:
        return text.repeated_runs >= _LEAST_REPEATED and repeated_share(text.words) > settings.repeated_share

    return mostly(said) and any(map(mostly, _texts(said)))


def _texts(said: Said) -> Iterator[Said]:
    """The texts that an answer is made of: itself, or, where it holds JSON, the texts in that, and what stands around it."""
    rest = said.text
    for written in (*tagged_answers(said.visible), *code_blocks(said.visible), said.visible.strip()):
        if written[:1] in ("[", "{") and written in rest:
            try:
                data = json.loads(written)
            except (ValueError, RecursionError):
                continue
            rest = rest.replace(written, "\n")
            yield from map(Said, _strings(data))
    yield Said(rest)


def _strings(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict | list):
        for value in data.values() if isinstance(data, dict) else data:
            yield from _strings(value)


def repeated_share(words: list[str]) -> float:
    """The share of the words in runs of 20 that occur earlier in the text, 0–1."""
    runs, _ = ngrams([words], _RUN)
    if not len(runs):
        return 0.0
    _, first, nth = np.unique(runs, return_index=True, return_inverse=True)
    again = np.flatnonzero(first[nth] != np.arange(len(runs)))
    covered = np.zeros(len(words), bool)
    for start in again.tolist():
        if len(set(filter(is_word, words[start : start + _RUN]))) >= _VARIETY:
            covered[start : start + _RUN] = True
    return float(covered.mean())


def _has_loop(words: list[str]) -> bool:
    _, numbered = np.unique(np.array(words, dtype=object), return_inverse=True)
    spoken = np.cumsum([0, *(word[0].isalnum() for word in words)])
    for unit in range(1, min(_LONGEST_UNIT, len(words) // _COPIES) + 1):
        same = np.concatenate([[False], numbered[unit:] == numbered[:-unit], [False]])
        starts, ends = np.flatnonzero(np.diff(same.astype(np.int8))).reshape(-1, 2).T
        # A run of equal pairs from a to b is one text of period `unit` from a to b + unit.
        long = (ends - starts + unit >= unit * _COPIES) & (spoken[ends + unit] - spoken[starts] >= _LEAST_WORDS)
        if any(_is_speech(words[start : start + unit]) for start in starts[long].tolist()):
            return True
    return False


def _is_speech(unit: list[str]) -> bool:
    if any(map(is_word, unit)) or (len(set(unit)) == 1 and len(unit[0]) > 1 and unit[0].isdecimal()):
        return True
    return "=" in unit and sum(word[0].isdecimal() for word in unit) > 1
