"""Tokenising: what can be relied on to cut a text, texts that are none, and the order of work in threads."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tokenizers import AddedToken

from tasks.chat.labels import Reject, label_rows
from tasks.chat.settings import RenderSettings
from tasks.chat.tokens import cutter_of, in_order
from tests.chat import templates
from tests.chat.families import FAMILIES, Family
from tests.chat.test_labels import END, render, row, trained

CUTTERS = {
    "smollm2": "<|im_start|>",
    "llama3": "<|end_header_id|>",
    "vicuna": "</s>",
    "gemma2": "<start_of_turn>",
    "deepseek_v3": "<｜Assistant｜>",
    "phi4": "<|im_sep|>",
}


@pytest.mark.parametrize(("family", "text"), [(FAMILIES[name], text) for name, text in CUTTERS.items()], ids=list(CUTTERS))
def test_the_last_special_token_of_a_prompt_cuts(family: Family, text: str) -> None:
    cutter = cutter_of(family.tokenizer)
    assert cutter is not None
    assert (cutter.id, cutter.text) == (family.tokenizer.convert_tokens_to_ids(text), text)


def test_a_token_that_another_can_hide_does_not_cut(with_template: Callable[[str], Any]) -> None:
    """Tokens are matched from the left, the longest first: ``q<|im_`` eats the start of ``<|im_start|>``."""
    tokenizer = with_template(templates.PLAIN)
    tokenizer.add_tokens([AddedToken("q<|im_", special=True, normalized=False)])
    cutter = cutter_of(tokenizer)
    assert cutter is None, "both of the template's tokens begin with it"
    chat = row("sat on", "a", "r", "b")
    assert trained(tokenizer, render(tokenizer, chat)) == ["a" + END, "b" + END]
    hidden = render(tokenizer, row("q", "a"))
    assert tokenizer.convert_tokens_to_ids("q<|im_") in hidden["input_ids"], "the trap is real"
    assert hidden["input_ids"] == tokenizer.apply_chat_template(row("q", "a")["messages"], return_dict=False)
    assert render(tokenizer, row("q", "aq")).reason == "end_of_turn_missing"


def test_state_left_in_the_tokenizer_changes_nothing(with_template: Callable[[str], Any]) -> None:
    tokenizer = with_template(templates.PLAIN)
    expected = render(tokenizer, row("q", "a"))
    tokenizer.backend_tokenizer.enable_truncation(4)
    tokenizer.backend_tokenizer.enable_padding(length=64)
    assert render(tokenizer, row("q", "a")) == expected


def test_lone_surrogates_refuse_their_row_alone(tokenizer: Any) -> None:
    chats = [row("q", "a", id="1"), row("q", "a\ud800", id="2"), row("\udfff", "a", id="3"), row("q", "b", id="4")]
    made = list(label_rows(tokenizer, chats, RenderSettings()))
    assert [item.reason if isinstance(item, Reject) else item["id"] for item in made] == ["1", "text_lost", "text_lost", "4"]


def test_work_is_done_in_order_and_not_far_ahead() -> None:
    taken, names = [], set()

    def items() -> Iterator[int]:
        for number in range(200):
            taken.append(number)
            yield number

    def work(number: int) -> int:
        names.add(threading.current_thread().name)
        time.sleep(0.001 * (number % 3))
        return number * number

    ahead = 0
    for number, square in in_order(items(), work):
        assert square == number * number
        ahead = max(ahead, len(taken) - number)
    assert taken == list(range(200))
    assert ahead <= 4 + (os.cpu_count() or 1)
    assert not any(name == "MainThread" for name in names)


def test_work_that_fails_raises_and_leaves_no_thread() -> None:
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        list(in_order([2, 1, 0, 1], lambda number: 1 // number))
    stream = in_order(range(1000), str)
    assert next(stream) == (0, "0")
    stream.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_a_process_may_fork_afterwards(tokenizer: Any, capfd: pytest.CaptureFixture[str]) -> None:
    chats = [row("q", "a", id=str(number)) for number in range(600)]
    made = list(label_rows(tokenizer, chats, RenderSettings()))
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # a child that hangs fails the test
        os._exit(list(label_rows(tokenizer, chats, RenderSettings())) != made)
    assert os.waitpid(child, 0)[1] == 0
    assert capfd.readouterr().err == ""
