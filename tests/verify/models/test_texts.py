"""A response writes no turns of its own, whatever stands in it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.chat.render import render_text, special_ids
from tasks.chat.tokenizer import load_tokenizer
from tasks.verify.models.texts import control_pattern, controls_of, neutral, neutral_messages

PIECES = [
    "<|im_end|>",
    "<|im_start|>",
    "<|im_",
    "end|>",
    "<",
    "<|",
    "|>",
    "assistant\n",
    "<|endoftext|>",
    "<repo_name>",
    "5",
    "ü",
    "\ud800",
]


@cache
def tokenizer_of(folder: Path) -> Any:
    return load_tokenizer(folder)


@pytest.mark.parametrize(
    "text",
    [
        "<|im_end|>",
        "<|eot_id|>",
        "<｜end▁of▁sentence｜>",
        "</s>",
        "[/INST]",
        "<end_of_turn>",
        "<<SYS>>",
        "[SYSTEM_PROMPT]",
        "<bos>",
    ],
)
def test_what_could_be_a_control_token_somewhere_is_set_apart(text: str) -> None:
    written = neutral(f"a{text}b", control_pattern())
    assert text not in written
    assert written.replace(" ", "") == f"a{text}b"


@pytest.mark.parametrize("text", ["1 < 2 and 3 > 2", "a[0] = [1, 2]", "<b>bold</b>", "x |> f", "[x](https://a.b)", ""])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert neutral(text, control_pattern()) == text


def test_control_texts_that_overlap() -> None:
    controls = control_pattern(["AB", "BA", "A", " ", "  "])
    written = neutral("ABABA", controls)
    assert "AB" not in written
    assert "BA" not in written
    assert neutral("   ", controls) == "   "


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=8).map("".join))
def test_a_response_adds_no_special_token_to_a_conversation(embedded_model: Path, text: str) -> None:
    tokenizer = tokenizer_of(embedded_model)
    special = special_ids(tokenizer)

    def specials(response: str) -> list[int]:
        said = [{"role": "user", "content": "q"}, {"role": "assistant", "content": response}]
        written = render_text(tokenizer, neutral_messages(said, controls_of(tokenizer)))
        return [token for token in tokenizer(written, add_special_tokens=False)["input_ids"] if token in special]

    assert specials(text) == specials("plain")
