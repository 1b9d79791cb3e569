"""Limits that a profile sets: tokens, without tokenising every row, and languages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.runtime.errors import ConfigurationError
from tasks.validate.check import check_rows
from tasks.validate.facts import Facts
from tasks.validate.languages import row_languages
from tasks.validate.lengths import TokenCounter
from tasks.validate.messages import said_bytes
from tasks.validate.settings import ValidationSettings
from tests.chat.families import FAMILIES
from tests.chat.families.conversations import conversations
from tests.validate.rows import chat, prompt, talk

U, A = "user", "assistant"
WORDS = "the house is old and the garden behind it is green"


def tokens(tokenizer: Any, row: dict[str, Any], prompts: bool = False) -> int:
    messages = [{"role": message["role"], "content": message["content"]} for message in row["messages"]]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompts)
    return len(tokenizer(text, add_special_tokens=False)["input_ids"])


def codes(kind: str, rows: list[Any], tokenizer: Any, **limits: Any) -> list[list[str]]:
    facts = Facts(control_texts=(), tokenizer=tokenizer)
    return [reject["codes"] for reject in check_rows(kind, rows, facts, ValidationSettings(**limits))[1]]


@pytest.mark.parametrize("name", ["smollm2", "llama2", "gemma2"])
def test_limits_are_exact(name: str) -> None:
    tokenizer = FAMILIES[name].tokenizer
    row = talk((U, WORDS), (A, "It is é 😀 here."))
    count = tokens(tokenizer, row)
    assert codes("chat", [row], tokenizer, max_tokens=count, min_tokens=count) == []
    assert codes("chat", [row], tokenizer, max_tokens=count - 1) == [["too_long"]]
    assert codes("chat", [row], tokenizer, min_tokens=count + 1) == [["too_short"]]
    asked = prompt()
    count = tokens(tokenizer, asked, prompts=True)
    assert codes("prompts", [asked], tokenizer, max_tokens=count, min_tokens=count) == []
    assert codes("prompts", [asked], tokenizer, max_tokens=count - 1) == [["too_long"]]


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(sorted(FAMILIES)), row=conversations(), limit=st.integers(1, 400))
def test_rows_out_of_doubt_are_right_without_tokenising(name: str, row: dict[str, Any], limit: int) -> None:
    counter = TokenCounter(FAMILIES[name].tokenizer, "chat")
    (count,) = counter.counts([row])
    short, long = counter.outside([row], [said_bytes("chat", row)], limit, limit)
    # A template that refuses the row is another check's business.
    assert (bool(short[0]), bool(long[0])) == ((count < limit, count > limit) if count else (False, False))


def test_only_rows_in_doubt_are_tokenised(monkeypatch: pytest.MonkeyPatch) -> None:
    counter = TokenCounter(FAMILIES["smollm2"].tokenizer, "chat")
    seen: list[str] = []
    monkeypatch.setattr(counter, "counts", lambda rows: seen.extend(row["id"] for row in rows) or np.full(len(rows), 5))
    rows = [talk((U, WORDS * size), (A, "yes"), id=f"r{size}") for size in (1, 4, 60)]
    said = [said_bytes("chat", row) for row in rows]
    counter.outside(rows, said, 8, 400)
    assert seen == ["r60"]
    seen.clear()
    counter.outside([*rows, chat("tool", tools=[{"name": "f"}])], [*said, b""], 0, 4_000)
    assert seen == ["tool"], "a template may write anything about tools"


def test_a_limit_without_a_tokenizer_is_refused_and_not_left_out() -> None:
    with pytest.raises(ConfigurationError, match="need a tokenizer"):
        check_rows("chat", [chat()], Facts(), ValidationSettings(max_tokens=10))


# --- languages -------------------------------------------------------------------------------------------------------

GERMAN = "Das Haus ist alt, und der Garten hinter dem Haus ist grün und groß."
FRENCH = "La maison est vieille et le jardin derrière la maison est très grand."


@pytest.mark.parametrize(
    ("row", "language"),
    [
        (talk((U, "q"), (A, WORDS)), "en"),
        (talk((U, WORDS), (A, GERMAN)), "de"),
        (talk((U, "q"), (A, "Ja."), (U, "q"), (A, GERMAN)), "de"),
        (talk((U, FRENCH), (A, "42")), None),
        (talk((U, FRENCH), (A, "Paris.")), None),
        (talk((U, "q"), (A, "1234567890 + 1234567890 = 2469135780")), None),
        (talk((U, "q"), (A, "今日は天気がいいので、散歩に行きましょう。公園で友達と会います。")), "ja"),
        (chat(metadata={"language": "pt_BR"}), "pt"),
        (chat(metadata={"language": "DE-at"}), "de"),
        (chat(metadata={"language": 3}), None),
        (chat(metadata={"language": " "}), None),
    ],
)
def test_languages_of_rows(row: dict[str, Any], language: str | None) -> None:
    assert row_languages("chat", [row]) == [language]


def test_prompts_are_judged_by_what_the_user_says() -> None:
    assert row_languages("prompts", [prompt(messages=[{"role": U, "content": FRENCH}])]) == ["fr"]


def test_only_rows_clearly_in_another_language_are_rejected() -> None:
    rows = [talk((U, "q"), (A, text), id=text) for text in (WORDS, GERMAN, FRENCH, "4")]
    rejects = check_rows("chat", rows, settings=ValidationSettings(languages=["en", "de"]))[1]
    assert [(reject["id"], reject["codes"]) for reject in rejects] == [(FRENCH, ["language_other"])]
    assert not check_rows("chat", rows)[1], "any language, where none is asked for"
