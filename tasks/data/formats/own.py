"""Our own kinds of rows: they are formats too, whose records are rows already."""

from __future__ import annotations

from typing import Any

from tasks.data.formats.format import Format
from tasks.runtime.rows import SCHEMAS

_NEEDS = {
    "chat": "id messages",
    "prompts": "messages verifier",
    "labels": "input_ids labels",
    "samples": "sample_id prompt_id",
    "verdicts": "sample_id verifier",
    "pass_rates": "prompt_id draws accepted",
    "scores": "item_id score",
}
_OPENAI_FIELDS = {"weight", "function_call", "refusal", "audio", "annotations", "reasoning", "thinking"}


def _own_columns(record: dict[str, Any]) -> bool:
    return record.keys() <= set(SCHEMAS["chat"].names)


def needs_conversion(record: dict[str, Any]) -> bool:
    """Whether a message of a record is written in a way that OpenAI's format has and our rows do not."""
    messages = record.get("messages")
    return isinstance(messages, list) and any(isinstance(message, dict) and _foreign(message) for message in messages)


def _foreign(message: dict[str, Any]) -> bool:
    calls = message.get("tool_calls")
    return (
        not _OPENAI_FIELDS.isdisjoint(message)
        or message.get("role") in ("developer", "function")
        or isinstance(message.get("content"), list)
        or (message.get("content") is None and bool(calls))
        or (isinstance(calls, list) and any(map(_written_call, calls)))
    )


def _written_call(call: Any) -> bool:
    """Whether the arguments of a tool call are JSON text."""
    function = call.get("function") if isinstance(call, dict) else None
    return isinstance(function, dict) and isinstance(function.get("arguments"), str)


OWN: dict[str, Format] = {
    kind: Format(
        kind=kind,
        needs=(frozenset(needed.split()),),
        knows=frozenset(SCHEMAS[kind].names),
        fits=_own_columns if kind == "chat" else lambda record: True,
        shape="no other columns than a chat row has" if kind == "chat" else "",
    )
    for kind, needed in _NEEDS.items()
}
