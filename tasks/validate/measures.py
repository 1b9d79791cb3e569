"""What is measured of each row, beside its verdicts: columns for expectations of one's own. Never a word of its text."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from tasks.runtime.rows import IGNORED, Row

# kind → column → what it is. `tokens` and `language` of chat and prompt rows are measured by the checker.
MEASURES: dict[str, dict[str, str]] = {
    "chat": {
        "turns": "messages of the row",
        "characters": "characters of all messages",
        "tokens": "tokens of the rendered row; needs a tokenizer",
        "trained_share": "share of the characters that trained turns have",
        "language": "ISO 639 code; none where the text is too short to judge",
        "source": "the row's source",
        "family": "the row's family",
    },
    "prompts": {
        "turns": "messages of the row",
        "characters": "characters of all messages",
        "tokens": "tokens of the rendered prompt; needs a tokenizer",
        "language": "ISO 639 code; none where the text is too short to judge",
        "verifier": "who checks the answers",
        "family": "the row's family",
    },
    "labels": {
        "tokens": "tokens of the row",
        "trained_tokens": "tokens with a label",
        "trained_share": "share of the tokens that have a label",
        "members": "rows in the pack; 1 for a row alone",
    },
    "samples": {
        "characters": "characters of the answer",
        "token_count": "tokens of the answer",
        "logprob": "log-probability of the answer",
        "temperature": "temperature of the draw",
        "draw": "number of the draw",
        "round": "round of the draw",
        "finish_reason": "stop or length",
    },
}
CATEGORIES = {"language", "source", "family", "verifier", "finish_reason"}


def measure(kind: str, names: Sequence[str], rows: Sequence[Row]) -> dict[str, np.ndarray]:
    """The named columns [rows] of rows that have the right fields: numbers as float64, categories as text or None."""
    return {name: as_column(name, [_MEASURE[kind, name](row) for row in rows]) for name in names if (kind, name) in _MEASURE}


def as_column(name: str, values: Iterable[Any]) -> np.ndarray:
    """Values as a column of its type. A category's text is kept once, however many rows have it."""
    if name not in CATEGORIES:
        return np.array(list(values), np.float64)
    return np.array([sys.intern(value) if isinstance(value, str) else None for value in values], object)


def blank_column(name: str, rows: int) -> np.ndarray:
    """A column for rows that could not be measured: expectations leave NaN and None out."""
    return np.full(rows, None, object) if name in CATEGORIES else np.full(rows, np.nan)


def _characters(row: Row) -> int:
    return sum(len(message["content"]) for message in row["messages"])


def _spoken_share(row: Row) -> float:
    trained = sum(
        len(message["content"])
        for message in row["messages"]
        if message["role"] == "assistant" and message.get("train") is not False
    )
    return trained / (_characters(row) or 1)


def _trained(row: Row) -> int:
    return sum(label != IGNORED for label in row["labels"])


def _field(name: str) -> Callable[[Row], Any]:
    return lambda row: row.get(name)


_MEASURE: dict[tuple[str, str], Callable[[Row], Any]] = {
    **{(kind, "turns"): lambda row: len(row["messages"]) for kind in ("chat", "prompts")},
    **{(kind, "characters"): _characters for kind in ("chat", "prompts")},
    ("chat", "trained_share"): _spoken_share,
    ("labels", "tokens"): lambda row: len(row["input_ids"]),
    ("labels", "trained_tokens"): _trained,
    ("labels", "trained_share"): lambda row: _trained(row) / (len(row["labels"]) or 1),
    ("labels", "members"): lambda row: len(row.get("members") or [1]),
    ("samples", "characters"): lambda row: len(row["text"]),
    **{("samples", name): _field(name) for name in ("token_count", "logprob", "temperature", "draw", "round", "finish_reason")},
    **{("chat", name): _field(name) for name in ("source", "family")},
    **{("prompts", name): _field(name) for name in ("verifier", "family")},
}
