"""Turns that are more than words: thoughts that templates rewrite or drop, calls of tools and their results."""

from __future__ import annotations

from tasks.chat.labels import label_rows
from tasks.chat.settings import RenderSettings
from tests.chat.families import FAMILIES
from tests.chat.test_families import assistant, labels, reason, runs, user

# --- thoughts --------------------------------------------------------------------------------------------------------

THOUGHTS = [
    user("2+2?"),
    assistant("Four.", reasoning_content="Two and two."),
    user("3+3?"),
    assistant("<think>\nThree and three.\n</think>\n\nSix."),
]
OPEN = "<|im_start|>assistant\n"


def test_qwen3_thoughts_are_trained_turn_by_turn() -> None:
    family = FAMILIES["qwen3"]
    first, second = labels(family, THOUGHTS)
    assert runs(family, first) == ["<think>\nTwo and two.\n</think>\n\nFour.<|im_end|>"]
    assert runs(family, second) == ["<think>\nThree and three.\n</think>\n\nSix.<|im_end|>"]
    # The second prompt shows the first answer without its thought, as a server's would.
    assert family.tokenizer.decode(second["input_ids"]).startswith(
        f"<|im_start|>user\n2+2?<|im_end|>\n{OPEN}Four.<|im_end|>\n<|im_start|>user\n3+3?<|im_end|>\n{OPEN}<think>"
    )
    (last,) = labels(family, THOUGHTS, "last")
    assert (last["id"], last["input_ids"], last["labels"]) == ("a", second["input_ids"], second["labels"])


def test_qwen3_row_ids_name_the_message_and_marks_are_heeded() -> None:
    family = FAMILIES["qwen3"]
    assert [row["id"] for row in labels(family, THOUGHTS)] == ["a#1", "a#3"]
    marked = [THOUGHTS[0], THOUGHTS[1] | {"train": False}, *THOUGHTS[2:]]
    (only,) = labels(family, marked)
    assert runs(family, only) == ["<think>\nThree and three.\n</think>\n\nSix.<|im_end|>"]
    marked = [*THOUGHTS[:3], THOUGHTS[3] | {"train": False}]
    (only,) = labels(family, marked)
    assert (only["id"], runs(family, only)) == ("a#1", ["<think>\nTwo and two.\n</think>\n\nFour.<|im_end|>"])


def test_harmony_ends_each_trained_answer_with_return() -> None:
    family = FAMILIES["harmony"]
    messages = [user("2+2?"), assistant("Four.", thinking="Two and two."), user("3+3?"), assistant("Six.")]
    first, second = labels(family, messages)
    assert runs(family, first) == [
        "<|channel|>analysis<|message|>Two and two.<|end|><|start|>assistant<|channel|>final<|message|>Four.<|return|>"
    ]
    assert runs(family, second) == ["<|channel|>final<|message|>Six.<|return|>"]
    text = family.tokenizer.decode(second["input_ids"])
    assert "analysis<|message|>" not in text
    assert "<|channel|>final<|message|>Four.<|end|><|start|>user" in text


def test_harmony_weighs_prompts_and_not_an_answer_that_is_marked() -> None:
    family = FAMILIES["harmony"]
    messages = [user("2+2?"), assistant("Five.", train=False), user("3+3?"), assistant("Six.")]
    settings = RenderSettings(prompt_loss_weight=0.25)
    (row,) = label_rows(family.tokenizer, [{"id": "a", "messages": messages}], settings)
    pieces: list[tuple[float, list[int]]] = []
    for token, weight in zip(row["input_ids"], row["loss_weights"], strict=True):  # type: ignore[index]
        if not pieces or pieces[-1][0] != weight:
            pieces.append((weight, []))
        pieces[-1][1].append(token)
    texts = [(weight, family.tokenizer.decode(ids)) for weight, ids in pieces]
    assert texts[0] == (0.0, "<|start|>")  # nothing predicts it
    assert texts[1][1].endswith("2+2?<|end|><|start|>assistant")
    assert texts[2:] == [
        (0.0, "<|channel|>final<|message|>Five.<|end|>"),
        (0.25, "<|start|>user<|message|>3+3?<|end|><|start|>assistant"),
        (1.0, "<|channel|>final<|message|>Six.<|return|>"),
    ]


def test_harmony_closes_calls_and_shows_their_results() -> None:
    family = FAMILIES["harmony"]
    (row,) = labels(family, TOOL_CHAT, tools=TOOLS)
    assert runs(family, row) == [
        ' to=functions.add<|channel|>commentary json<|message|>{"a": 2, "b": 2}<|call|>',
        "<|channel|>final<|message|>Four.<|return|>",
    ]
    text = family.tokenizer.decode(row["input_ids"])
    assert '<|start|>functions.add to=assistant<|channel|>commentary<|message|>"4"<|end|><|start|>assistant' in text


def test_deepseek_r1_trains_what_is_left_of_an_answer() -> None:
    (row,) = labels(FAMILIES["deepseek_r1"], [user("2+2?"), assistant("<think>\nTwo.\n</think>\n\nFour.")])
    assert runs(FAMILIES["deepseek_r1"], row) == ["\n\nFour.<｜end▁of▁sentence｜>"]


# --- tools -----------------------------------------------------------------------------------------------------------

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "add",
            "description": "Adds.",
            "parameters": {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}},
        },
    }
]
CALL = {"id": "1", "type": "function", "function": {"name": "add", "arguments": {"a": 2, "b": 2}}}
TOOL_CHAT = [
    {"role": "system", "content": "Be brief."},
    user("2+2?"),
    assistant("", tool_calls=[CALL]),
    {"role": "tool", "content": "4", "name": "add", "tool_call_id": "1"},
    assistant("Four."),
]
CALLED = '<tool_call>\n{"name": "add", "arguments": {"a": 2, "b": 2}}\n</tool_call><|im_end|>'


def test_qwen25_trains_calls_and_answers_and_not_results() -> None:
    family = FAMILIES["qwen25"]
    (row,) = labels(family, TOOL_CHAT, tools=TOOLS)
    assert runs(family, row) == [CALLED, "Four.<|im_end|>"]
    text = family.tokenizer.decode(row["input_ids"])
    assert '\n\n# Tools\n\n<tools>\n{"type": "function", "function": {"name": "add",' in text
    assert "<|im_start|>user\n<tool_response>\n4\n</tool_response><|im_end|>\n" in text
    assert text == family.tokenizer.apply_chat_template(TOOL_CHAT, tools=TOOLS, tokenize=False)
    (last,) = labels(family, TOOL_CHAT, "last", tools=TOOLS)
    assert runs(family, last) == ["Four.<|im_end|>"]


def test_qwen25_words_before_two_calls() -> None:
    family = FAMILIES["qwen25"]
    (row,) = labels(family, [user("2+2?"), assistant("Wait.", tool_calls=[CALL, CALL])], tools=TOOLS)
    one = CALLED.removesuffix("<|im_end|>")
    assert runs(family, row) == [f"Wait.\n{one}\n{CALLED}"]


def test_qwen3_keeps_the_thoughts_after_the_last_question() -> None:
    """A call and the answer after its result belong to one question: both keep their thoughts, so the row stays whole."""
    family = FAMILIES["qwen3"]
    messages = [*TOOL_CHAT[:2], TOOL_CHAT[2] | {"reasoning_content": "Add."}, *TOOL_CHAT[3:]]
    (row,) = labels(family, messages, tools=TOOLS)
    assert runs(family, row) == [f"<think>\nAdd.\n</think>\n\n{CALLED}", "<think>\n\n</think>\n\nFour.<|im_end|>"]


def test_llama3_calls_and_ipython_results() -> None:
    family = FAMILIES["llama3"]
    (row,) = labels(family, TOOL_CHAT, tools=TOOLS)
    assert runs(family, row) == ['{"name": "add", "parameters": {"a": 2, "b": 2}}<|eot_id|>', "Four.<|eot_id|>"]
    text = family.tokenizer.decode(row["input_ids"])
    assert "<|start_header_id|>system<|end_header_id|>\n\nEnvironment: ipython\nCutting Knowledge Date" in text
    assert "<|start_header_id|>ipython<|end_header_id|>\n\n4<|eot_id|>" in text


def test_llama3_refuses_two_calls_in_a_turn() -> None:
    made = labels(FAMILIES["llama3"], [user("q"), assistant("", tool_calls=[CALL, CALL])], tools=TOOLS)
    assert reason(made) == "template_error"
