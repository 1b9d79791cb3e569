"""Whether a row has the fields of its kind, with values of the right types. All other checks may then rely on it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# U+FFFD marks a decoding that went wrong, the others are control characters that no keyboard types.
_DAMAGED = re.compile("[\ud800-\udfff\ufffd\ufffe\uffff\x00-\x08\x0e-\x1f\x7f]")
# Not even writable as UTF-8. A model's own output is held to this alone: half a character is its mistake, not the
# data's.
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class BrokenLine:
    """A line of a file that is not JSON: its number (from 1) and the parser's complaint."""

    line: int
    detail: str


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _identifier(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _integers(value: Any) -> bool:
    # A row of token ids can be long: type() over a set is much quicker than a test for each.
    return isinstance(value, list) and set(map(type, value)) <= {int} and all(-(2**31) <= x < 2**31 for x in _ends(value))


def _ends(value: list[int]) -> tuple[int, ...]:
    return (min(value), max(value)) if value else ()


def _object(value: Any) -> bool:
    return isinstance(value, dict)


def _messages(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_message, value))


def _message(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("role"), str)
        and isinstance(value.get("content"), str)
        and isinstance(value.get("train"), bool | None)
    )


Check = Callable[[Any], bool]

# kind → field → (test, required)
FIELDS: dict[str, dict[str, tuple[Check, bool]]] = {
    "chat": {
        "id": (_identifier, True),
        "messages": (_messages, True),
        "source": (_text, True),
        "family": (_text, False),
        "metadata": (_object, False),
    },
    "prompts": {
        "id": (_identifier, True),
        "messages": (_messages, True),
        "reference": (_text, False),  # its absence has a code of its own
        "verifier": (_identifier, True),
        "family": (_identifier, True),
        "metadata": (_object, False),
    },
    "labels": {
        "id": (_identifier, True),
        "input_ids": (_integers, True),
        "labels": (_integers, True),
        "position_ids": (_integers, False),
        "weight": (_number, False),
    },
    "samples": {
        "sample_id": (_identifier, True),
        "prompt_id": (_identifier, True),
        "draw": (_integer, True),
        "round": (_integer, True),
        "policy": (_text, True),
        "seed": (_integer, True),
        "temperature": (_number, True),
        "text": (_text, True),
        "token_count": (_integer, True),
        "logprob": (_number, True),
        "finish_reason": (_text, True),
    },
}
ID_FIELD = {"chat": "id", "prompts": "id", "labels": "id", "samples": "sample_id"}
_MESSAGE_FIELDS = {"role", "content", "train"}


def problems(kind: str, row: Any) -> dict[str, str]:
    """What is wrong with the row's shape: code → the place, in words. Empty: every field can be relied on.

    Args:
        kind: a key of `FIELDS`.
        row: anything at all, or a `BrokenLine`.
    """
    if isinstance(row, BrokenLine):
        return {"broken_json": f"line {row.line}: {row.detail}"}
    if not isinstance(row, dict):
        return {"not_an_object": type(row).__name__}
    found: dict[str, list[str]] = {}
    for name, (test, required) in FIELDS[kind].items():
        value = row.get(name)
        if value is None:
            if required:
                found.setdefault("field_missing", []).append(name)
        elif not test(value):
            found.setdefault("field_type", []).append(name)
    if unknown := set(row) - FIELDS[kind].keys():
        found["field_unknown"] = sorted(map(str, unknown))
    if "messages" in FIELDS[kind] and not found:
        inner = {str(name) for message in row["messages"] for name in message.keys() - _MESSAGE_FIELDS}
        if inner:
            found["field_unknown"] = [f"messages.{name}" for name in sorted(inner)]
    if not found:
        found = _unwritable(kind, row)
    return {code: ", ".join(places) for code, places in found.items()}


def _unwritable(kind: str, row: dict[str, Any]) -> dict[str, list[str]]:
    """Fields whose text is damaged, and metadata that is not JSON."""
    damage = _SURROGATE if kind == "samples" else _DAMAGED
    bad = [name for name, value in row.items() if isinstance(value, str) and damage.search(value)]
    for message in row.get("messages", ()):
        if damage.search(message["content"]) or damage.search(message["role"]):
            bad.append("messages")
            break
    metadata = row.get("metadata")
    if metadata is not None:
        try:
            if _SURROGATE.search(json.dumps(metadata, ensure_ascii=False, allow_nan=False, sort_keys=True)):
                bad.append("metadata")
        except (TypeError, ValueError, RecursionError):
            return {"field_type": ["metadata (not plain JSON)"]}
    return {"bad_unicode": bad} if bad else {}


def row_id(kind: str, row: Any) -> str:
    """The row's id, or as good a name as there is for a row without one."""
    if isinstance(row, BrokenLine):
        return f"line {row.line}"
    value = row.get(ID_FIELD[kind]) if isinstance(row, dict) else None
    return value if isinstance(value, str) else ""
