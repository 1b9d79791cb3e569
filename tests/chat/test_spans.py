"""What of a text is trained: generation blocks, tools, closings, and weights of prompts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tasks.chat.labels import IGNORED, label_rows
from tasks.chat.render import end_of_call, end_of_earlier_turn, end_of_turn
from tasks.chat.settings import RenderSettings
from tests.chat import templates
from tests.chat.families import FAMILIES
from tests.chat.test_labels import END, render, row, trained

CALL = {"type": "function", "function": {"name": "add", "arguments": {"a": 1}}}
TOOL = {"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": {"type": "object"}}}
CALLING = [
    {"role": "user", "content": "1+1?"},
    {"role": "assistant", "content": "Let me add.", "tool_calls": [CALL, CALL]},
    {"role": "tool", "content": "2", "name": "add"},
    {"role": "assistant", "content": "Two."},
]


def chat(messages: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    return {"id": "a", "messages": messages, "source": "test", **fields}


# --- generation blocks -----------------------------------------------------------------------------------------------


def test_a_block_may_take_in_the_end_of_the_prompt(with_template: Callable[[str], Any]) -> None:
    """As SmolLM3's does: the header is inside, and yet a server writes it."""
    wide = templates.BLOCKS[0].replace(
        "{{ '<|im_start|>assistant\n' }}{% generation %}{{ ", "{% generation %}{{ '<|im_start|>assistant\n' + "
    )
    assert "{% generation %}{{ '<|im_start|>" in wide
    talk = row("q", "a", "r", "b")
    assert render(with_template(wide), talk) == render(with_template(templates.PLAIN), talk)


@pytest.mark.parametrize(
    ("before", "inside", "after"),
    [
        ("m['content'][:1]", "m['content'][1:] + '<|im_end|>'", "''"),
        ("''", "m['content'][:1]", "m['content'][1:] + '<|im_end|>'"),
        ("''", "m['content'] + '<|im_end|>' + 'more'", "''"),
    ],
)
def test_a_block_that_is_not_the_answer_is_refused(
    before: str, inside: str, after: str, with_template: Callable[[str], Any]
) -> None:
    answer = f"{{{{ {before} }}}}{{% generation %}}{{{{ {inside} }}}}{{% endgeneration %}}{{{{ {after} }}}}"
    tokenizer = with_template(
        "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}{% if m['role'] == 'assistant' %}"
        + answer
        + "{% else %}{{ m['content'] + '<|im_end|>' }}{% endif %}{{ '\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    )
    assert render(tokenizer, row("q", "answer")).reason == "blocks_differ"
    assert trained(tokenizer, render(tokenizer, row("q", "answer"), "full")), "the mask full needs no blocks"


# --- closings --------------------------------------------------------------------------------------------------------


def test_closings_that_differ_between_turns() -> None:
    harmony = FAMILIES["harmony"].tokenizer
    assert (end_of_turn(harmony).text, end_of_earlier_turn(harmony).text) == ("<|return|>", "<|end|>")


def test_an_open_last_turn_is_closed_as_earlier_ones_are(with_template: Callable[[str], Any]) -> None:
    template = templates.PLAIN.replace(
        "+ '<|im_end|>\n' }}", "}}{% if not loop.last or m['role'] == 'user' %}{{ '<|im_end|>\n' }}{% endif %}"
    )
    tokenizer = with_template(template)
    assert tokenizer.apply_chat_template(row("q", "a")["messages"], tokenize=False).endswith("assistant\na")
    assert end_of_turn(tokenizer).text == END
    assert render(tokenizer, row("q", "a")).reason == "end_of_turn_missing"


def test_calls_may_end_differently(with_template: Callable[[str], Any]) -> None:
    calls = (
        "{{ tools | tojson if tools }}{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] }}"
        "{% if m.tool_calls %}{{ m.tool_calls | tojson + '<|endoftext|>' }}{% else %}{{ '<|im_end|>' }}{% endif %}"
        "{{ '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    )
    tokenizer = with_template(calls)
    assert (end_of_turn(tokenizer).text, end_of_call(tokenizer).text) == (END, "<|endoftext|>")
    first, second = trained(tokenizer, render(tokenizer, chat(CALLING)))
    assert (first[:11], first[-13:], second) == ("Let me add.", "<|endoftext|>", "Two." + END)


# --- tools -----------------------------------------------------------------------------------------------------------

WRITES_CALLS = "{% for c in m.tool_calls %}{{ c.function.name + '(' + c.function.arguments | tojson + ')' }}{% endfor %}"


@pytest.mark.parametrize(
    ("written", "tools", "refused"),
    [
        (WRITES_CALLS, None, None),
        ("", None, "message 1: the template leaves out"),
        (
            "{% if m.tool_calls %}{{ m.tool_calls[0].function.name }}{% endif %}",
            None,
            "message 1: the template leaves out",
        ),
        (WRITES_CALLS, [TOOL], "does not show the row's tools"),
    ],
)
def test_templates_that_leave_tools_out_are_found_out(
    written: str, tools: Any, refused: str | None, with_template: Callable[[str], Any]
) -> None:
    template = templates.PLAIN.replace(" + '<|im_end|>", f" }}}}{written}{{{{ '<|im_end|>")
    made = render(with_template(template), chat(CALLING, tools=tools))
    if refused is None:
        assert made["id"] == "a"
        return
    assert made.reason == "tools_lost"
    assert refused in made.detail


def test_a_result_or_words_that_are_left_out(with_template: Callable[[str], Any]) -> None:
    calls = templates.PLAIN.replace(" + '<|im_end|>", f" }}}}{WRITES_CALLS}{{{{ '<|im_end|>")
    deaf = calls.replace("m in messages %}", "m in messages if m.role != 'tool' %}")
    assert "message 2: the template leaves out" in render(with_template(deaf), chat(CALLING)).detail
    terse = calls.replace("m['content'] }}", "(m['content'] if not m.tool_calls else '') }}")
    assert "message 1: the template leaves out" in render(with_template(terse), chat(CALLING)).detail


# --- weights of prompts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", ["assistant", "last"])
def test_prompts_weigh_what_the_setting_says(mask: str, tokenizer: Any) -> None:
    talk = row("q", "a", "r", "b")
    alone = render(tokenizer, talk, mask)
    made = render(tokenizer, talk, mask, prompt_loss_weight=0.1)
    assert set(alone) == {"id", "input_ids", "labels"}
    assert made["input_ids"] == alone["input_ids"]
    assert made["labels"] == [IGNORED, *alone["input_ids"][1:]]
    assert made["loss_weights"] == [0.0] + [1.0 if label != IGNORED else 0.1 for label in alone["labels"][1:]]


def test_untrained_messages_have_no_label_beside_weighted_prompts(tokenizer: Any) -> None:
    talk = row("q", "bad", "r", "good", "s", "best")
    talk["messages"][1]["train"] = talk["messages"][2]["train"] = False
    made = render(tokenizer, talk, "last", prompt_loss_weight=0.5)
    silent = [token for token, label in zip(made["input_ids"], made["labels"], strict=True) if label == IGNORED]
    assert tokenizer.decode(silent[1:]) == f"bad{END}<|im_start|>user\nr{END}\n"
    assert all((weight == 0) == (label == IGNORED) for weight, label in zip(made["loss_weights"], made["labels"], strict=True))
    whole = [weight for weight in made["loss_weights"] if weight == 1]
    assert len(whole) == len(tokenizer("best" + END)["input_ids"])


def test_thoughts_are_passed_on() -> None:
    qwen = FAMILIES["qwen3"].tokenizer
    talk = chat([{"role": "user", "content": "q"}, {"role": "assistant", "content": "a", "reasoning_content": "hm"}])
    (made,) = label_rows(qwen, [talk], RenderSettings())
    assert trained(qwen, made) == ["<think>\nhm\n</think>\n\na<|im_end|>"]  # type: ignore[arg-type]
