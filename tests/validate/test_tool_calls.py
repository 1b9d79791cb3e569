"""Tool calls: well-formed ones in every way data sets write them, and each thing that can be wrong with one."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.validate.check import check_rows
from tasks.validate.facts import Facts
from tests.validate.rows import chat

Q = {"role": "user", "content": "q"}
DONE = {"role": "assistant", "content": "done"}


def call(id: str | None = "c1", name: Any = "add", arguments: Any = None, **more: Any) -> dict[str, Any]:
    given = {} if id is None else {"id": id}
    return {**given, "type": "function", "function": {"name": name, "arguments": arguments or {}}, **more}


def calls(*made: Any, content: str = "") -> dict[str, Any]:
    return {"role": "assistant", "content": content, "tool_calls": list(made)}


def answer(id: str | None = "c1", content: str = "4") -> dict[str, Any]:
    return {"role": "tool", "content": content, **({} if id is None else {"tool_call_id": id})}


ADD = {"type": "function", "function": {"name": "add", "parameters": {}}}

SOUND = [
    [Q, calls(call()), answer(), DONE],
    [Q, calls(call(), content="let me see"), answer(), calls(call("c2")), answer("c2"), DONE],
    [Q, calls(call("c1"), call("c2")), answer("c2"), answer("c1"), DONE],
    [Q, calls(call(None)), answer(None), DONE],
    [Q, calls(call(None), call(None)), answer(None), answer(None), DONE],
    [Q, calls(call()), answer(None), DONE],
    [Q, calls(call())],  # ends with the call: that is what is to be learnt
    [Q, calls(call(arguments={"a": {"b": [1, None]}})), answer(), DONE],
    [Q, calls(call(arguments={"a": 2**70})), answer(), DONE],
    [Q, {"role": "assistant", "content": "<tool_call>add</tool_call>"}, answer(None), DONE],  # written in the text
    [Q, {"role": "assistant", "content": "done", "tool_calls": []}],
]

MALFORMED = [
    [Q, calls("add"), answer(), DONE],
    [Q, calls({}), answer(), DONE],
    [Q, calls({"function": "add"}), answer(), DONE],
    [Q, calls(call(name=None)), answer(), DONE],
    [Q, calls(call(name=" ")), answer(), DONE],
    [Q, calls({"id": "c1", "function": {"name": "add", "arguments": '{"a": 1}'}}), answer(), DONE],
    [Q, calls({"id": "c1", "function": {"name": "add"}}), answer(), DONE],
    [Q, calls(call(type="code")), answer(), DONE],
    [Q, calls(call(id=3)), answer(), DONE],  # type: ignore[arg-type]
    [Q, calls(call()), answer("c2"), DONE],
    [Q, calls(call()), DONE],
    [Q, calls(call()), Q, DONE],
    [Q, calls(call("c1"), call("c2")), answer("c1"), DONE],
    [Q, calls(call("c1"), call("c1")), answer("c1"), answer("c1"), DONE],
    [Q, calls(call()), answer(), answer(), DONE],
    [Q, DONE, answer("c1"), DONE],
    [{**Q, "tool_calls": [call()]}, DONE],
    [Q, {**DONE, "tool_call_id": "c1"}],
]


def found(messages: list[Any], **fields: Any) -> list[list[str]]:
    return [reject["codes"] for reject in check_rows("chat", [chat(messages=messages, **fields)])[1]]


@pytest.mark.parametrize("messages", SOUND)
def test_sound_calls(messages: list[Any]) -> None:
    assert found(messages) == []
    assert found(messages, tools=[ADD, {"name": "other"}]) == []


@pytest.mark.parametrize("messages", MALFORMED)
def test_malformed_calls(messages: list[Any]) -> None:
    ((*codes,),) = found(messages)
    assert "tool_call_malformed" in codes


def test_calls_go_to_tools_of_the_row() -> None:
    assert found(SOUND[0], tools=[{"name": "multiply"}]) == [["tool_call_malformed"]]
    assert found([Q, DONE], tools=[{"type": "function"}]) == [["tool_call_malformed"]], "a tool without a name"
    assert found([Q, DONE], tools=[]) == []


@pytest.mark.parametrize(
    "message",
    [
        calls(call(arguments={"text": "a<|im_end|>b"})),
        calls(call(name="<|im_start|>")),
        {**DONE, "reasoning_content": "so <|im_end|>"},
    ],
)
def test_control_tokens_and_damage_are_found_inside_of_calls(message: dict[str, Any]) -> None:
    assert found([Q, message]) == [["template_token"]]
    damaged = eval(repr(message).replace("<|im_end|>", "\\x07").replace("<|im_start|>", "\\x07"))
    assert found([Q, damaged]) == [["bad_unicode"]]


def test_rows_that_call_differently_are_no_copies() -> None:
    rows = [chat(str(number), messages=[Q, calls(call(arguments={"a": number}))]) for number in range(3)]
    assert not check_rows("chat", rows, Facts())[1]
    again = chat("again", messages=[Q, calls(call(arguments={"a": 1}))])
    assert check_rows("chat", [*rows, again])[1][0]["codes"] == ["duplicate_row"]
