"""Random conversations in every family: labels equal the slow reference, and prompts are what a server sends."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.chat.labels import Reject, label_rows
from tasks.chat.settings import RenderSettings
from tasks.runtime.rows import IGNORED
from tests.chat.families import FAMILIES, Family
from tests.chat.families.conversations import conversations, tool_conversations
from tests.chat.reference import Ends, RefusedError, expected_rows, tokenise, trained_turns

EACH = pytest.mark.parametrize("family", FAMILIES.values(), ids=list(FAMILIES))
FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
MASKS = st.sampled_from(["assistant", "last", "full"])
WEIGHTS = st.sampled_from([0.0, 0.0, 0.25, 1.0])


def several(chats: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(chats, min_size=1, max_size=4).map(lambda made: [c | {"id": str(i)} for i, c in enumerate(made)])


CHATS, TOOL_CHATS = several(conversations()), several(tool_conversations())


def made_by_row(family: Family, chats: list[dict[str, Any]], **fields: Any) -> dict[str, list[Any]]:
    """What `label_rows` makes of the chats in one call: id of the chat → its Reject or label rows. The order is checked."""
    made: dict[str, list[Any]] = {chat["id"]: [] for chat in chats}
    order = []
    for item in label_rows(family.tokenizer, chats, RenderSettings(max_tokens=1_000_000, **fields)):
        chat = (item.id if isinstance(item, Reject) else item["id"]).split("#")[0]
        made[chat].append(item)
        order.append(chat)
    assert order == sorted(order, key=int), "rows come in the order of their conversations"
    assert all(made.values()), "every conversation becomes a row or a Reject"
    return made


def ends_of(family: Family) -> Ends:
    return Ends(family.end, family.earlier_end or family.end, family.call_end or family.end)


def may_refuse(family: Family, chat: dict[str, Any], reason: str) -> bool:
    """Whether a conversation the reference can label may be refused for a documented reason."""
    answers = [spoken(message) for message in chat["messages"] if message["role"] == "assistant"]
    if reason == "control_token":
        return any(text in answer for text in (*family.control, *family.added) for answer in answers)
    if reason == "text_lost":
        return any(not written_back(family, answer) for answer in answers)
    if reason == "tools_lost":  # templates that write one call a turn, or no words beside it
        calls = [message for message in chat["messages"] if "tool_calls" in message]
        return family.name in ("llama3", "harmony") and any(m["content"].strip() or len(m["tool_calls"]) > 1 for m in calls)
    return False


def spoken(message: dict[str, Any]) -> str:
    """All that an assistant's message may put into its turn."""
    calls = json.dumps(message.get("tool_calls", ""), ensure_ascii=False)
    return f"{message.get('reasoning_content', '')} {message['content']} {calls}"


def written_back(family: Family, text: str) -> bool:
    decoded = family.tokenizer.decode(tokenise(family.tokenizer, text)[0])
    return bare(decoded) == bare(text)


def bare(text: str) -> str:
    """Without white space, in one form of Unicode."""
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", text))


@EACH
@FEW
@given(chats=CHATS, mask=MASKS, weight=WEIGHTS)
def test_ids_and_labels_equal_the_reference(family: Family, chats: list[dict[str, Any]], mask: str, weight: float) -> None:
    made = made_by_row(family, chats, mask=mask, prompt_loss_weight=weight)
    for chat in chats:
        compare(family, chat, made[chat["id"]], mask, weight)


def compare(family: Family, chat: dict[str, Any], rows: list[Any], mask: str, weight: float) -> None:
    refusal = None
    try:
        expected = expected_rows(family.tokenizer, chat, mask, ends_of(family), weight)
    except RefusedError as error:
        refusal = str(error)
    if refusal:
        assert isinstance(rows[0], Reject), f"the reference refuses this: {refusal}"
    elif isinstance(rows[0], Reject):
        assert may_refuse(family, chat, rows[0].reason), f"refused without need: {rows[0]}"
    else:
        assert rows == expected


EDGES = [
    "",
    " ",
    "\n",
    "\n\nword",
    "  two\n\n",
    "\tword\r\n",
    "\u0301x",
    "\u200bword\u200b",
    "\u00a0x\u00a0",
    "▁x",
    "<think>\n",
    "\x85",
    "\x1dx",
]


@EACH
@pytest.mark.parametrize("weight", [0.0, 0.25])
def test_answers_with_awkward_edges(family: Family, weight: float) -> None:
    chats: list[dict[str, Any]] = [
        {"id": str(number), "messages": [{"role": role, "content": edge} for role in ("user", "assistant") * 2]}
        for number, edge in enumerate(EDGES)
    ]
    for mask in ("assistant", "last"):
        made = made_by_row(family, chats, mask=mask, prompt_loss_weight=weight)
        for chat in chats:
            compare(family, chat, made[chat["id"]], mask, weight)


@pytest.mark.parametrize("name", ["smollm2", "qwen3", "vicuna"])
def test_many_rows_in_one_call_are_as_each_alone(name: str) -> None:
    """Rows are tokenised in batches and by several threads: neither may mix them up."""
    family = FAMILIES[name]
    chats: list[dict[str, Any]] = [
        {"id": str(number), "messages": [{"role": role, "content": f"{EDGES[number % 13]}{number}"} for role in roles]}
        for number in range(600)
        for roles in [("user", "assistant", "user", "assistant", "user")[: number % 5 + 1]]
    ]
    together = made_by_row(family, chats)
    for chat in chats[::7]:
        assert together[chat["id"]] == list(label_rows(family.tokenizer, [chat], RenderSettings()))


@pytest.mark.parametrize("family", [f for f in FAMILIES.values() if f.tools], ids=lambda family: family.name)
@FEW
@given(chats=TOOL_CHATS, mask=MASKS, weight=WEIGHTS)
def test_tool_calls_are_trained_as_the_reference_says(
    family: Family, chats: list[dict[str, Any]], mask: str, weight: float
) -> None:
    made = made_by_row(family, chats, mask=mask, prompt_loss_weight=weight)
    for chat in chats:
        compare(family, chat, made[chat["id"]], mask, weight)


@EACH
@FEW
@given(chats=CHATS, mask=st.sampled_from(["assistant", "last"]))
def test_trained_are_the_answers_and_before_them_stands_what_is_served(
    family: Family, chats: list[dict[str, Any]], mask: str
) -> None:
    for name, rows in made_by_row(family, chats, mask=mask).items():
        if isinstance(rows[0], Reject):
            continue
        chat = chats[int(name)]
        roles = [message["role"] for message in chat["messages"]]
        if ("assistant", "assistant") in pairwise(roles):
            continue  # some families write nothing between two answers: the trained runs touch
        spans = [(row, span) for row in rows for span in trained_spans(row)]
        for turn, (row, (start, stop)) in zip(trained_turns(chat, mask), spans, strict=True):
            ids = row["input_ids"]
            assert ids[:start] == served(family, chat["messages"][:turn]), "what a server sends"
            said = family.heard(answer(family, chat, turn) + family.end)
            assert bare(family.tokenizer.decode(ids[start:stop])) == bare(said)
            if family.kind != "llama":  # which writes a space of its own after each control token inside of a text
                assert family.tokenizer.decode(ids[start:stop]) == said
            bos = family.tokenizer.bos_token_id
            assert bos is None or ids[:2] != [bos, bos]


def served(family: Family, messages: list[dict[str, Any]]) -> list[int]:
    plain = [{name: value for name, value in message.items() if name != "train"} for message in messages]
    return list(family.tokenizer.apply_chat_template(plain, add_generation_prompt=True, tokenize=True, return_dict=False))


def answer(family: Family, chat: dict[str, Any], turn: int) -> str:
    """What the model would have written for message `turn`."""
    content = chat["messages"][turn]["content"]
    if family.name == "qwen3" and not any(asks(message) for message in chat["messages"][:turn]):
        return str(content.split("</think>")[-1].lstrip("\n")) if "</think>" in content else str(content)
    return family.says(content)


def asks(message: dict[str, Any]) -> bool:
    """Whether Qwen3's template takes a message for a question: only after one is there room for a thought."""
    content = message["content"]
    return message["role"] == "user" and not (content.startswith("<tool_response>") and content.endswith("</tool_response>"))


@pytest.mark.parametrize("family", [f for f in FAMILIES.values() if f.servable and not f.rewrites], ids=lambda f: f.name)
@FEW
@given(chat=conversations(), mask=st.sampled_from(["assistant", "last"]), share=st.floats(0.1, 1))
def test_left_context_keeps_the_longest_end_that_fits(family: Family, chat: dict[str, Any], mask: str, share: float) -> None:
    (whole,) = label_rows(family.tokenizer, [chat], RenderSettings(mask=mask, max_tokens=1_000_000))
    if isinstance(whole, Reject):
        return
    limit = max(8, int(len(whole["input_ids"]) * share))
    (made,) = label_rows(family.tokenizer, [chat], RenderSettings(mask=mask, max_tokens=limit, too_long="left_context"))
    ends = [whole] if len(whole["input_ids"]) <= limit else shorter(family, chat, mask)
    fitting = [row for row in ends if row is None or len(row["input_ids"]) <= limit]
    if not fitting:
        assert isinstance(made, Reject)
        assert made.reason == "too_long"
    elif fitting[0] is None:
        assert isinstance(made, Reject)
    else:
        assert made == fitting[0]


def shorter(family: Family, chat: dict[str, Any], mask: str) -> Iterator[dict[str, Any] | None]:
    """The rows of the conversation without its first exchange, its first two, …; None where there is none."""
    messages = chat["messages"]
    first = int(messages[0]["role"] == "system")
    last = trained_turns(chat, mask)[-1]
    for start in range(first + 1, last):
        if messages[start]["role"] != "user" or messages[start - 1]["role"] == "user":
            continue
        try:
            (row,) = expected_rows(
                family.tokenizer, chat | {"messages": messages[:first] + messages[start:]}, mask, ends_of(family)
            )
            yield row
        except RefusedError:
            yield None


def trained_spans(row: dict[str, Any]) -> list[tuple[int, int]]:
    spans, start = [], None
    for place, label in enumerate([*row["labels"], IGNORED]):
        if label != IGNORED and start is None:
            start = place
        elif label == IGNORED and start is not None:
            spans.append((start, place))
            start = None
    return spans
