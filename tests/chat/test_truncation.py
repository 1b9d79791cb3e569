"""Rows that are too long: dropped, shortened by whole exchanges, or an error; never without a label."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.chat.labels import Reject, Rendering, label_rows, renderings
from tasks.chat.settings import RenderSettings
from tasks.runtime.errors import DataError
from tests.chat import templates
from tests.chat.test_labels import END, render, row, trained

LONG = row("one " * 20, "1", "two " * 20, "2", "three", "3", system="Be brief.")


def shortened(tokenizer: Any, chat: dict[str, Any], max_tokens: int, mask: str = "assistant") -> Rendering:
    asked = RenderSettings(mask=mask, max_tokens=max_tokens, too_long="left_context")  # type: ignore[arg-type]
    (made,) = renderings(tokenizer, [chat], asked)
    return made


def test_exchanges_are_left_out_at_the_start_and_the_system_message_stays(tokenizer: Any) -> None:
    whole = render(tokenizer, LONG)
    length = len(whole["input_ids"])
    assert shortened(tokenizer, LONG, length) == Rendering("a", [whole])
    made = shortened(tokenizer, LONG, length - 1)
    (kept,) = made.rows
    assert (kept["id"], made.left_out) == ("a", 2)
    assert kept == render(tokenizer, {"id": "a", "messages": [LONG["messages"][0], *LONG["messages"][3:]]})
    assert trained(tokenizer, kept) == ["2" + END, "3" + END]
    (least,) = shortened(tokenizer, LONG, len(kept["input_ids"]) - 1).rows
    assert trained(tokenizer, least) == ["3" + END]
    assert "Be brief." in tokenizer.decode(least["input_ids"])


def test_the_trained_turn_is_kept_whole_or_the_row_is_dropped(tokenizer: Any) -> None:
    chat = row("q", "a", "r", "b " * 50, "s", "c")
    chat["messages"][5]["train"] = False
    made = shortened(tokenizer, chat, 80)
    assert made.reject is not None, "what follows the last trained turn counts too"
    assert made.reject.reason == "too_long"
    assert shortened(tokenizer, row("q", "a " * 50), 40).reject == Reject("a", "too_long", "84 tokens, 40 allowed")


def test_a_shorter_row_begins_with_a_question(tokenizer: Any) -> None:
    messages = [
        *(("user", "w " * 30), ("user", "and"), ("assistant", "a " * 30), ("tool", "t"), ("assistant", "b")),
        *(("user", "q"), ("assistant", "c")),
    ]
    chat = {"id": "a", "messages": [{"role": role, "content": text} for role, text in messages]}
    made = shortened(tokenizer, chat, 60)
    assert (made.left_out, trained(tokenizer, made.rows[0])) == (5, ["c" + END])


def test_each_turn_of_a_thinking_template_is_shortened_for_itself(with_template: Callable[[str], Any]) -> None:
    thinking = with_template(templates.THINKING)
    chat = row("one " * 20, "1", "two " * 20, "2", "three", "3")
    lengths = [len(made["input_ids"]) for made in label_rows(thinking, [chat], RenderSettings())]
    made = shortened(thinking, chat, lengths[0])
    assert [one["id"] for one in made.rows] == ["a#1", "a#3", "a#5"]
    assert [trained(thinking, one)[0][-len(END) - 1 :] for one in made.rows] == [f"{turn}{END}" for turn in "123"]
    assert all(len(one["input_ids"]) <= lengths[0] for one in made.rows)
    assert made.left_out == 4


def test_an_error_names_the_row_and_its_length(tokenizer: Any) -> None:
    chats = [row("q", "a", id="fine"), row("q " * 50, "a", id="long")]
    stream = label_rows(tokenizer, chats, RenderSettings(max_tokens=50, too_long="error"))
    assert next(stream)["id"] == "fine"  # type: ignore[index]
    with pytest.raises(DataError, match=r"'long' has \d+ tokens, 50 allowed; raise max_tokens"):
        next(stream)


TURNS = st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=6)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(turns=TURNS, system=st.booleans(), share=st.floats(0.1, 1.1), mask=st.sampled_from(["assistant", "last", "full"]))
def test_as_much_is_kept_as_fits(tokenizer: Any, turns: list[tuple[int, int]], system: bool, share: float, mask: str) -> None:
    chat = row(*("w " * length for turn in turns for length in turn), system="Be brief." if system else None)
    allowed = max(8, int(share * len(render(tokenizer, chat, mask)["input_ids"])))
    made = shortened(tokenizer, chat, allowed, mask)
    for exchanges in range(len(turns)):
        kept = chat["messages"][:system] + chat["messages"][system + 2 * exchanges :]
        expected = render(tokenizer, chat | {"messages": kept}, mask, allowed)
        if not isinstance(expected, Reject):
            assert made == Rendering("a", [expected], left_out=2 * exchanges)
            return
    assert made.reject is not None
    assert made.reject.reason == "too_long"
