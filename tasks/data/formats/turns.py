"""Turns of any upstream spelling → messages: roles, content parts, tool calls, and what says whether a turn is trained."""

from __future__ import annotations

from typing import Any

from tasks.data.formats.calls import legacy_call, tool_calls, written_calls
from tasks.data.formats.format import Unconvertible, plain
from tasks.runtime.rows import Row

_ROLES = {
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "bing", "bard", "model"), "assistant"),
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("tool", "function", "observation", "function_response"), "tool"),
}
_CALL = "function_call"  # a role of ShareGPT-like data sets: the assistant's calls as JSON text
_TEXT_PARTS = ("text", "input_text", "output_text", None)
_MEDIA = ("audio", "image", "images", "video", "videos")
_REASONING = ("reasoning_content", "reasoning", "thinking")
_HANDLED = frozenset(
    ("role", "from", "content", "value", "refusal", "tool_calls", "function_call", "weight", "train", "name", "tool_call_id")
).union(_MEDIA, _REASONING)


def conversation(turns: Any, column: str) -> Row:
    """The messages of a list of turns, each ``{"role", "content"}`` or ``{"from", "value"}``, as a row to be completed.

    What a message of ours has no field for goes into ``metadata["turns"]``, keyed by the number of the turn.

    Args:
        turns: a column's value, anything at all.
        column: its name, for what is said about it.

    Raises:
        Unconvertible: with the code of the first turn that is none.
    """
    if not isinstance(turns, list):
        raise Unconvertible("field_type", f"{column} is a {type(turns).__name__}, not a list of turns")
    if not turns:
        raise Unconvertible("nothing_converted", f"{column} is empty")
    messages: list[Row] = []
    more: dict[str, Row] = {}
    for index, turn in enumerate(turns):
        if type(turn) is dict and len(turn) == 2:  # nearly all turns of nearly all data sets
            content = turn.get("content", turn.get("value"))
            name = turn.get("role", turn.get("from"))
            if type(content) is str and type(name) is str and name in _ROLES:
                messages.append({"role": _ROLES[name], "content": content})
                continue
        message, rest = _message(turn, f"{column}[{index}]")
        messages.append(message)
        if rest:
            more[str(index)] = rest
    return {"messages": messages, "metadata": {"turns": more}} if more else {"messages": messages}


def alternating(texts: Any, column: str) -> Row:
    """A list of texts, the user's and the assistant's by turns, as a row to be completed. Raises `Unconvertible`."""
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise Unconvertible("field_type", f"{column} is not a list of texts")
    if len(texts) < 2:
        raise Unconvertible("nothing_converted", f"{column} has no answer in it")
    return {"messages": [{"role": ("user", "assistant")[index % 2], "content": text} for index, text in enumerate(texts)]}


def with_system(row: Row, system: str, column: str) -> Row:
    """The row with a system turn in front; where it has another one already, `system` goes into its metadata."""
    first = row["messages"][0]
    if not system or (first["role"] == "system" and first["content"] == system):
        return row
    if first["role"] == "system":
        return {**row, "metadata": {column: system, **row.get("metadata", {})}}
    return {**row, "messages": [{"role": "system", "content": system}, *row["messages"]]}


def _message(turn: Any, place: str) -> tuple[Row, Row]:
    """A message of any spelling, and the fields of it that ours do not have."""
    if not isinstance(turn, dict):
        raise Unconvertible("field_type", f"{place} is a {type(turn).__name__}, not an object")
    role, called = _role(turn, place)
    for name in _MEDIA:
        if turn.get(name):
            raise Unconvertible("content_unsupported", f"{place} has {name}; only text is trained on")
    message: Row = {"role": role}
    content = turn.get("content", turn.get("value"))
    if called:
        message |= {"content": "", "tool_calls": written_calls(content, place)}
    else:
        if turn.get("tool_calls"):
            message["tool_calls"] = tool_calls(turn["tool_calls"], place)
        elif turn.get("function_call"):
            message["tool_calls"] = [legacy_call(turn["function_call"], place)]
        message["content"] = _said(content, turn.get("refusal"), "tool_calls" in message, place)
    message |= _marks(turn, role, place)
    rest = {str(name): plain(value) for name, value in turn.items() if name not in _HANDLED and value not in (None, [], {}, "")}
    return message, rest


def _role(turn: Row, place: str) -> tuple[str, bool]:
    """The role of a turn, and whether its text is the assistant's calls."""
    name = turn.get("role")
    name = turn.get("from") if name is None else name
    if name is None:
        raise Unconvertible("field_missing", f"no role in {place}")
    if not isinstance(name, str):
        raise Unconvertible("field_type", f"the role of {place} is a {type(name).__name__}, not text")
    name = name.strip().lower()
    if name == _CALL:
        return "assistant", True
    if name not in _ROLES:
        raise Unconvertible("role_unknown", f"the role of {place} is none of {', '.join(_ROLES)}, {_CALL}")
    return _ROLES[name], False


def _said(content: Any, refusal: Any, may_be_silent: bool, place: str) -> str:
    """The text of a turn: as it is, or its parts put together. A refusal is what an assistant without content says."""
    if isinstance(content, str):
        return content if content or not isinstance(refusal, str) else refusal
    if isinstance(content, list):
        return "".join(_part(part, place) for part in content)
    if content is not None:
        raise Unconvertible("field_type", f"the content of {place} is a {type(content).__name__}, not text")
    if isinstance(refusal, str) and refusal:
        return refusal
    if may_be_silent:
        return ""
    raise Unconvertible("field_missing", f"no content in {place}")


def _part(part: Any, place: str) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        raise Unconvertible("field_type", f"a part of {place} is a {type(part).__name__}, not an object")
    kind = part.get("type")
    if kind is not None and not isinstance(kind, str):
        raise Unconvertible("field_type", f"the type of a part of {place} is a {type(kind).__name__}, not text")
    if kind not in (*_TEXT_PARTS, "refusal"):
        raise Unconvertible("content_unsupported", f"a part of {place} is not text; only text is trained on")
    said = part.get("refusal" if kind == "refusal" else "text")
    if said is None:
        raise Unconvertible("field_missing", f"no text in a part of {place}")
    if not isinstance(said, str):
        raise Unconvertible("field_type", f"the text of a part of {place} is a {type(said).__name__}")
    return said


def _marks(turn: Row, role: str, place: str) -> Row:
    """The fields of a message beside what it says: `train`, `name`, `tool_call_id`, `reasoning_content`."""
    marks: Row = {}
    train, weight = turn.get("train"), turn.get("weight")
    if not isinstance(train, bool | None):
        raise Unconvertible("field_type", f"train of {place} is a {type(train).__name__}, not true or false")
    if weight not in (None, 0, 1):
        raise Unconvertible("field_type", f"weight of {place} is neither 0 nor 1")
    if train is not None:
        marks["train"] = train
    elif weight is not None and role == "assistant":
        marks["train"] = bool(weight)
    for name in ("name", "tool_call_id"):
        value = turn.get(name)
        if not isinstance(value, str | None):
            raise Unconvertible("field_type", f"{name} of {place} is a {type(value).__name__}, not text")
        if value:
            marks[name] = value
    thought = next((turn[name] for name in _REASONING if turn.get(name)), None)
    if not isinstance(thought, str | None):
        raise Unconvertible("field_type", f"the reasoning of {place} is a {type(thought).__name__}, not text")
    if thought:
        marks["reasoning_content"] = thought
    return marks
