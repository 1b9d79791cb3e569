"""Whether the tool calls of a conversation are well-formed and answered (OpenAI's chat format, as templates read it)."""

from __future__ import annotations

from typing import Any

from tasks.runtime.rows import Row


def tool_calls_sound(row: Row) -> bool:
    """Whether every tool call can be written by a template, and every answer belongs to a call.

    A call is an object ``{"type": "function", "function": {"name": text, "arguments": object}, "id"?}`` of an assistant
    turn, of one of the row's `tools` when it has any; the turns after it answer each call once, by id where calls have
    ids, else in order. A call that ends the conversation waits for its answer rightly. Where no turn has `tool_calls` or
    `tool_call_id`, calls are written in the text, as older data sets do, and there is nothing to check.

    Args:
        row: a chat or prompt row whose shape is right.
    """
    tools, messages = row.get("tools") or [], row["messages"]
    names = [_name(tool) for tool in tools]
    if None in names:
        return False
    if not any(message.get("tool_calls") or message.get("tool_call_id") for message in messages):
        return True
    waiting: list[str | None] = []
    for message in messages:
        if message["role"] == "tool":
            if not _answers(message, waiting):
                return False
            continue
        calls = message.get("tool_calls") or []
        if waiting or message.get("tool_call_id") or (calls and message["role"] != "assistant"):
            return False
        if not all(_call(call, names) for call in calls):
            return False
        waiting = [call.get("id") for call in calls]
        given = [name for name in waiting if name is not None]
        if len(given) != len(set(given)):
            return False
    return True


def _name(tool: dict[str, Any]) -> str | None:
    """What a tool definition calls its function: ``{"type": "function", "function": {"name": …}}`` or ``{"name": …}``."""
    inner = tool.get("function", tool)
    name = inner.get("name") if isinstance(inner, dict) else None
    return name if isinstance(name, str) and name.strip() else None


def _call(call: Any, names: list[str | None]) -> bool:
    if not isinstance(call, dict) or not isinstance(call.get("id"), str | None) or call.get("type") not in (None, "function"):
        return False
    function = call.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("arguments"), dict):
        return False
    name = _name(call)
    return name is not None and (not names or name in names)


def _answers(message: Row, waiting: list[str | None]) -> bool:
    """Whether a tool turn answers one of the waiting calls, which it takes off the list."""
    answered = message.get("tool_call_id")
    if answered in waiting:
        waiting.remove(answered)
    elif waiting and (answered is None or None in waiting):
        waiting.remove(None if None in waiting else waiting[0])
    else:
        return False
    return True
