"""Random conversations (hypothesis) that try what templates and tokenizers trip over."""

from __future__ import annotations

from itertools import cycle, islice
from typing import Any

from hypothesis import strategies as st

from tests.chat.families.families import FAMILIES

CONTROL = sorted({text for family in FAMILIES.values() for text in (*family.control, *family.added)})
AWKWARD = [
    "\n",
    "\n\n",
    " ",
    "  ",
    "\t",
    "\r\n",
    "\u00a0",
    "\u200b",
    "\u200d",
    "\u202eabc",
    "\ufeff",
    "e\u0301",
    "\u0301",
    "क्षि",
    "שלום",
    "مرحبا",
    "😀",
    "👩‍👩‍👧",
    "🇩🇪",
    "\U0001f44d\U0001f3fd",
    "▁",
    "Ġ",
    "�",
    "ﬁ",
    "İ",
    "[INST]",
    "<<SYS>>",
    "USER:",
    " ASSISTANT:",
    "<|user|>",
    "<|im_",
    "assistant\n",
    "<think>\n",
    "</think>\n\n",
    "<0x0A>",
    "{{ messages }}",
    "{% generation %}",
    "def f(x):\n    return x\n",
    "```python\n1\n```",
]
_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
TEXTS = st.lists(st.one_of(st.sampled_from(AWKWARD), st.sampled_from(CONTROL), _text, st.just("word")), max_size=4).map("".join)


@st.composite
def conversations(draw: st.DrawFn) -> dict[str, Any]:
    """A chat row: mostly user and assistant in turn, up to 50 turns, with every sort of system message and train mark."""
    texts = draw(st.lists(TEXTS, min_size=1, max_size=6))
    count = draw(st.sampled_from([2, 4, 6, 4, 3, 2, 4, 50, 1]))
    first = draw(st.sampled_from(["user"] * 11 + ["assistant"]))
    roles = cycle(["user", "assistant"] if first == "user" else ["assistant", "user"])
    messages: list[dict[str, Any]] = [
        {"role": role, "content": text} for role, text in islice(zip(roles, cycle(texts), strict=False), count)
    ]
    if count > 2 and draw(st.integers(0, 9)) == 0:
        del messages[draw(st.integers(1, count - 1))]  # two of the same role in a row
    for index, mark in draw(st.dictionaries(st.integers(0, 2 * count), st.booleans(), max_size=2)).items():
        if index < len(messages):
            messages[index]["train"] = mark
    system = draw(st.one_of(st.none(), st.none(), st.just(""), TEXTS))
    if system is not None:
        messages.insert(0, {"role": "system", "content": system})
    return {"id": "chat", "messages": messages, "source": "test"}


_values = st.one_of(st.integers(-99, 99), st.booleans(), st.none(), TEXTS, st.lists(TEXTS, max_size=2))
_calls = st.builds(
    lambda name, arguments: {"id": "1", "type": "function", "function": {"name": name, "arguments": arguments}},
    st.sampled_from(["add", "get_weather"]),
    st.dictionaries(TEXTS, _values, max_size=2),
)


@st.composite
def tool_conversations(draw: st.DrawFn) -> dict[str, Any]:
    """A chat row in which questions are answered with the help of tools, some with a thought."""
    messages: list[dict[str, Any]] = []
    for _ in range(draw(st.integers(1, 3))):
        messages.append({"role": "user", "content": draw(TEXTS)})
        for _ in range(draw(st.integers(0, 2))):
            calls = draw(st.lists(_calls, min_size=1, max_size=2))
            messages.append({"role": "assistant", "content": draw(st.just("") | TEXTS), "tool_calls": calls})
            messages += [{"role": "tool", "content": draw(TEXTS), "tool_call_id": "1"} for _ in calls]
        messages.append({"role": "assistant", "content": draw(TEXTS)})
    for message in messages:
        if message["role"] == "assistant" and draw(st.integers(0, 3)) == 0:
            message["reasoning_content"] = draw(TEXTS)
        if draw(st.integers(0, 5)) == 0:
            message["train"] = draw(st.booleans())
    tools = [{"type": "function", "function": {"name": "add", "description": draw(TEXTS), "parameters": {"type": "object"}}}]
    return {"id": "chat", "messages": messages, "source": "test"} | ({"tools": tools} if draw(st.booleans()) else {})
