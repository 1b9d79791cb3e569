"""Lengths in tokens, exact, without tokenising every row.

A token stands for at least one byte, so a row of fewer bytes than `max_tokens` cannot be too long; and hardly any token
reaches over a space, so a row of more words than `min_tokens` cannot be too short. Only rows in doubt are rendered and
tokenised, in batches.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from tasks.runtime.rows import Row

_BATCH = 1_000
# How many times as many bytes a normalised text may have, unless it is ASCII (Unicode FAQ, "Normalization").
_EXPANSION = {"NFC": 3, "NFD": 3, "NFKC": 11, "NFKD": 11, "Precompiled": 11, "Lowercase": 3, "BertNormalizer": 11}
_NO_EXPANSION = {"Prepend", "Strip", "StripAccents", "Nmt"}
_PLAIN = {"role", "content", "train"}
# Byte-level tokens write the first 33 bytes, white space among them, as the characters from 256 on.
_SPACES = {256 + ord(space): " " for space in " \t\n\v\f\r"}


class TokenCounter:
    """Counts the tokens of rows as one tokenizer and its template render them (prompts: with the generation prompt)."""

    def __init__(self, tokenizer: Any, kind: str) -> None:
        from tasks.chat.render import Renderer

        self.tokenizer, self.prompts, self._renderer = tokenizer, kind == "prompts", Renderer(tokenizer)
        self._expansion = _expansion(_state(tokenizer.backend_tokenizer.normalizer))
        self._words = _words_in_a_token(tokenizer)
        self._overhead = lru_cache(maxsize=4096)(self._template_bytes)

    def counts(self, rows: Sequence[Row]) -> np.ndarray:
        """Tokens of each row; 0 for one that the template refuses, which rendering will refuse as well."""
        counts = np.zeros(len(rows), np.int64)
        texts = [self._text(row["messages"], row.get("tools")) for row in rows]
        written = [index for index, text in enumerate(texts) if text]
        for first in range(0, len(written), _BATCH):
            part = written[first : first + _BATCH]
            encoded = self.tokenizer([texts[index] for index in part], add_special_tokens=False, return_attention_mask=False)
            counts[part] = [len(ids) for ids in encoded["input_ids"]]
        return counts

    def outside(self, rows: Sequence[Row], said: Sequence[bytes], low: int, high: int) -> tuple[np.ndarray, np.ndarray]:
        """Bool [rows] twice: which rows have fewer than `low` tokens, and which more than `high` (0: no limit).

        Args:
            said: `tasks.validate.messages.said_bytes` of each row, whose length bounds that of its texts.
        """
        doubtful = np.zeros(len(rows), bool)
        if low:
            doubtful |= np.array([self._fewest(row) < low for row in rows])
        if high:
            doubtful |= np.array([self._most(row, text) > high for row, text in zip(rows, said, strict=True)])
        short, long = np.zeros(len(rows), bool), np.zeros(len(rows), bool)
        counts = self.counts([rows[index] for index in np.flatnonzero(doubtful).tolist()])
        short[doubtful] = (counts < low) & (counts > 0)
        long[doubtful] = (counts > high) & (high > 0)
        return short, long

    def _fewest(self, row: Row) -> float:
        """A number of tokens that the row has at least: no template leaves out what the user says, but for its ends."""
        words = sum(len(message["content"].encode().split()) for message in row["messages"] if message["role"] == "user")
        return words / self._words

    def _most(self, row: Row, said: bytes) -> float:
        """A number of tokens that the row has at most; infinite when only rendering can tell."""
        messages = row["messages"]
        if row.get("tools") or any(len(message) > 2 and message.keys() - _PLAIN for message in messages):
            return math.inf
        overhead = self._overhead(tuple([message["role"] for message in messages]))
        return len(said) * (1 if said.isascii() else self._expansion) + overhead

    def _template_bytes(self, roles: tuple[str, ...]) -> float:
        """Bytes that the template writes around turns of these roles; infinite when it refuses them."""
        text = self._text([{"role": role, "content": "x"} for role in roles], None)
        return len(text.encode()) + 1 if text else math.inf  # SentencePiece puts one mark before a text

    def _text(self, messages: Sequence[Row], tools: Any) -> str:
        from tasks.chat.render import TemplateRefusedError, plain_messages

        try:
            return self._renderer.text(plain_messages(messages), self.prompts, tools)
        except TemplateRefusedError:
            return ""


def _expansion(normalizer: dict[str, Any] | None) -> float:
    if normalizer is None:
        return 1
    kind = normalizer["type"]
    if kind == "Sequence":
        return math.prod(map(_expansion, normalizer["normalizers"]))
    if kind == "Replace" and normalizer.get("pattern") == {"String": " "} and len(normalizer.get("content", "")) == 1:
        return 1  # SentencePiece's mark for a space, a token at most
    return 1 if kind in _NO_EXPANSION else _EXPANSION.get(kind, math.inf)


def _words_in_a_token(tokenizer: Any) -> float:
    """The most words that one token reaches over; infinite where texts may be shortened before they are cut into tokens."""
    backend = tokenizer.backend_tokenizer
    cutting = json.dumps(_state(backend.pre_tokenizer))
    if backend.normalizer is not None or '"ByteLevel"' not in cutting or '"Removed"' in cutting:
        return math.inf
    return max(len(token.translate(_SPACES).split()) for token in tokenizer.get_vocab())


def _state(part: Any) -> Any:
    """A part of a tokenizer as its description in tokenizer.json."""
    return None if part is None else json.loads(part.__getstate__())
