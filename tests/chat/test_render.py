"""What serving sends, and what ends a turn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.chat.render import (
    TemplateRefusedError,
    control_texts,
    end_of_turn,
    end_of_turn_id,
    generation_prompt_ids,
    render_prompt,
)
from tasks.chat.tokenizer import load_tokenizer
from tasks.runtime.errors import ConfigurationError
from tests.chat import templates

USER = [{"role": "user", "content": "hello"}]


def test_a_prompt_ends_where_the_assistant_begins(tokenizer: Any) -> None:
    ids = render_prompt(tokenizer, USER)
    text = tokenizer.decode(ids)
    assert text.endswith("<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n")
    assert ids == tokenizer(text, add_special_tokens=False)["input_ids"]


def test_our_marks_do_not_reach_the_template(tokenizer: Any) -> None:
    assert render_prompt(tokenizer, [{**USER[0], "train": False}]) == render_prompt(tokenizer, USER)


@pytest.mark.parametrize("template", [templates.PLAIN, *templates.BLOCKS, templates.THINKING, templates.CLOSED_TWICE])
def test_the_end_of_a_turn_comes_from_the_template(template: str, with_template: Callable[[str], Any]) -> None:
    assert end_of_turn(with_template(template)).text == "<|im_end|>"


def test_the_end_of_a_turn_need_not_be_eos(with_template: Callable[[str], Any]) -> None:
    tokenizer = with_template(templates.PLAIN.replace("<|im_end|>", "<|endoftext|>"))
    assert end_of_turn_id(tokenizer) == tokenizer.convert_tokens_to_ids("<|endoftext|>") != tokenizer.eos_token_id


def test_generation_prompt(tokenizer: Any, with_template: Callable[[str], Any]) -> None:
    assert tokenizer.decode(generation_prompt_ids(tokenizer)) == "<|im_start|>assistant\n"
    silent = templates.PLAIN.split("{% if add_generation_prompt")[0]
    assert generation_prompt_ids(with_template(silent)) == []


def test_control_texts_are_those_the_template_uses(tokenizer: Any) -> None:
    texts = control_texts(tokenizer)
    assert {"<|im_start|>", "<|im_end|>", "<|endoftext|>"} <= set(texts)
    assert "<filename>" not in texts


def test_messages_a_template_cannot_render(with_template: Callable[[str], Any]) -> None:
    with pytest.raises(TemplateRefusedError, match="no system turns"):
        render_prompt(with_template(templates.REFUSING), [{"role": "system", "content": "s"}, *USER])
    with pytest.raises(TemplateRefusedError, match="no messages"):
        render_prompt(with_template(templates.PLAIN), [])


def test_tokenizers_that_cannot_be_used(tmp_path: Path, tokenizer: Any, with_template: Callable[[str], Any]) -> None:
    with pytest.raises(ConfigurationError, match="no model at"):
        load_tokenizer(tmp_path / "absent")
    tokenizer.save_pretrained(tmp_path / "whole")
    assert render_prompt(load_tokenizer(tmp_path / "whole"), USER) == render_prompt(tokenizer, USER)
    other = with_template(templates.PLAIN)
    other.chat_template = None
    other.save_pretrained(tmp_path / "bare")
    with pytest.raises(ConfigurationError, match="no chat template"):
        load_tokenizer(tmp_path / "bare")
    (tmp_path / "whole" / "tokenizer.json").write_text("{")
    with pytest.raises(ConfigurationError, match="does not load"):
        load_tokenizer(tmp_path / "whole")
