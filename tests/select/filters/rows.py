"""A prompt, and one answer to it, as the filters see them."""

from __future__ import annotations

from typing import Any

from tasks.runtime.rows import Row
from tasks.select.filters import filter_reasons
from tasks.select.filters.settings import FilterSettings

QUESTION = "A baker makes 40 rolls in the morning and 44 in the afternoon. How many rolls does she make in all?"


def prompt(question: str = QUESTION, verifier: str = "number", **changes: Any) -> Row:
    turns = [{"role": "system", "content": "You are a helpful assistant."}, {"role": "user", "content": question}]
    return {"id": "p", "messages": turns, "reference": "84", "verifier": verifier, "family": "sums", **changes}


def reason_for(answer: str, asked: Row | None = None, **settings: Any) -> str:
    """The reason that the only answer to a prompt is dropped for; "" when it stays."""
    answers = {"p": [{"sample_id": "p/0/0", "text": answer, "family": "sums", "token_count": 10}]}
    reasons = filter_reasons(answers, {"p": asked or prompt()}, FilterSettings(**settings))
    assert list(reasons) == ["p/0/0"]
    return reasons["p/0/0"]
