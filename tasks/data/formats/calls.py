"""Tool calls and tool definitions of any upstream spelling → the one of our rows: arguments as data, not as text."""

from __future__ import annotations

from typing import Any

from tasks.data.formats.format import Unconvertible
from tasks.data.sources.json_lines import parse_json
from tasks.runtime.rows import Row

_MALFORMED = "tool_call_malformed"


def tool_calls(value: Any, place: str) -> list[Row]:
    """OpenAI's `tool_calls`: ``[{"id"?, "type": "function", "function": {"name", "arguments"}}]``. Raises `Unconvertible`."""
    if not isinstance(value, list):
        raise Unconvertible(_MALFORMED, f"the tool calls of {place} are a {type(value).__name__}, not a list")
    return [_call(call, place) for call in value]


def _call(call: Any, place: str) -> Row:
    if not isinstance(call, dict):
        raise Unconvertible(_MALFORMED, f"a tool call of {place} is a {type(call).__name__}, not an object")
    if call.get("type") not in (None, "function"):
        raise Unconvertible(_MALFORMED, f"a tool call of {place} calls no function")
    made = legacy_call(call.get("function", call), place)
    number = call.get("id")
    if not isinstance(number, str | None):
        raise Unconvertible(_MALFORMED, f"the id of a tool call of {place} is a {type(number).__name__}, not text")
    return {"id": number, **made} if number else made


def legacy_call(function: Any, place: str) -> Row:
    """One call, ``{"name", "arguments"}``, whose arguments are an object or its JSON text. Raises `Unconvertible`."""
    if not isinstance(function, dict):
        raise Unconvertible(_MALFORMED, f"a call of {place} is a {type(function).__name__}, not an object")
    name = function.get("name")
    if not isinstance(name, str) or not name.strip():
        raise Unconvertible(_MALFORMED, f"a call of {place} names no function")
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        arguments = _parsed(arguments, f"the arguments of a call of {place}", _MALFORMED) if arguments.strip() else {}
    if not isinstance(arguments, dict | None):
        raise Unconvertible(_MALFORMED, f"the arguments of a call of {place} are no object")
    return {"type": "function", "function": {"name": name, "arguments": arguments or {}}}


def written_calls(value: Any, place: str) -> list[Row]:
    """Calls as the JSON text of a turn: one object, or a list of them. Raises `Unconvertible`."""
    if isinstance(value, str):
        value = _parsed(value, f"the call of {place}", _MALFORMED)
    calls = value if isinstance(value, list) else [value]
    if not calls:
        raise Unconvertible(_MALFORMED, f"{place} calls nothing")
    return [_call(call, place) for call in calls]


def tools_of(record: Row) -> list[Row]:
    """The tool definitions of a record: its `tools`, or its `functions` of older data sets, as data or as JSON text.

    A bare function (``{"name", "parameters"}``) is wrapped: ``{"type": "function", "function": …}``.

    Raises:
        Unconvertible: they are no list of objects.
    """
    column = "tools" if record.get("tools") else "functions"
    value = record.get(column)
    if isinstance(value, str):
        value = _parsed(value, column, "field_type") if value.strip() else None
    if not value:
        return []
    if not isinstance(value, list) or not all(isinstance(tool, dict) for tool in value):
        raise Unconvertible("field_type", f"{column} is not a list of objects")
    return [tool if "function" in tool or "name" not in tool else {"type": "function", "function": tool} for tool in value]


def _parsed(text: str, what: str, code: str) -> Any:
    try:
        return parse_json(text.encode())
    except (ValueError, RecursionError):
        raise Unconvertible(code, f"{what}: not JSON") from None
