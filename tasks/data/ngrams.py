"""Texts as words, and runs of n words as 64-bit numbers: what near duplicates and contamination are found by.

Chinese, Japanese, Thai and other scripts put no space between words: there each character counts as a word, so that one
rule serves texts of all languages, mixed ones too.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tasks.data.questions import normal_text

# Thai, Lao, Tibetan, Myanmar, Khmer, kana, Han
UNSPACED = "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
# Marks that belong to the letter before them: accents, Hebrew points, Arabic vowels, the signs of Indic scripts.
_MARKS = "\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0900-\u0dff"
_PUNCTUATION = re.escape(".,;:!?'\"`()[]{}|…„“”‘’«»‹›–—·¿¡。、，；：！？「」『』（）《》【】")
# Signs such as + or = are words of their own: "3 + 5" and "3 - 5" are not the same question.
_INVISIBLE = "\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2060\ufeff"
_WORD = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}](?:[^\W{UNSPACED}]|[{_MARKS}])*|[^\w\s{_PUNCTUATION}{_INVISIBLE}]")
_ASCII_WORD = re.compile(r"\w+|[#$%&*+/<=>@\\^~-]", re.ASCII)  # the same, three times as fast
_FACTOR, _MIX_1, _MIX_2 = (np.uint64(x) for x in (0x9E3779B97F4A7C15, 0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53))
_SHIFT = np.uint64(33)


def spoken(message: Mapping[str, Any]) -> str:
    """All that a turn says: its content, its reasoning and the calls it makes."""
    calls = json.dumps(message["tool_calls"], sort_keys=True, ensure_ascii=False) if message.get("tool_calls") else ""
    return "\n".join(filter(None, (message.get("reasoning_content"), message["content"], calls)))


def words_of(text: str) -> list[str]:
    """The words of a text, without punctuation, case and Unicode's alternative spellings."""
    normal = normal_text(text)
    return (_ASCII_WORD if normal.isascii() else _WORD).findall(normal)


def ngrams(texts: Sequence[Sequence[str]], n: int) -> tuple[np.ndarray, np.ndarray]:
    """All runs of `n` words of some texts; a text with fewer words has none.

    Equal runs have equal numbers, in every process and on every machine; different ones share a number with
    probability 2**-64 or so.

    Args:
        texts: the words of each text.

    Returns:
        The runs' numbers (uint64), text after text and in order, and how many each text has (int64).
    """
    from pandas.util import hash_array

    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    counts = np.maximum(lengths - (n - 1), 0)
    flat = np.array([word for text in texts for word in text], dtype=object)
    if not counts.any():
        return np.empty(0, np.uint64), counts
    hashed = hash_array(flat, categorize=False)
    starts = np.repeat(np.cumsum(lengths) - lengths, counts)
    places = starts + np.arange(len(starts)) - np.repeat(np.cumsum(counts) - counts, counts)
    return folded(hashed[places + step] for step in range(n)), counts


def folded(columns: Iterable[np.ndarray]) -> np.ndarray:
    """One number (uint64) a row, from columns of numbers; their order counts."""
    return _mixed(functools.reduce(lambda sofar, column: sofar * _FACTOR + column, columns))


def _mixed(values: np.ndarray) -> np.ndarray:
    """Spread over all bits (the finalizer of MurmurHash3, 64 bits)."""
    for factor in (_MIX_1, _MIX_2):
        values = (values ^ (values >> _SHIFT)) * factor
    return np.asarray(values ^ (values >> _SHIFT))
