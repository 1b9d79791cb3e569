"""Whether a row has the fields of its kind, with values of the right types. All other checks may then rely on it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from tasks.data.records import Fault
from tasks.runtime.rows import Row
from tasks.validate.codes import ROW_CODES

# U+FFFD marks a decoding that went wrong, the others are control characters that no keyboard types.
_DAMAGED = re.compile("[\ud800-\udfff\ufffd\ufffe\uffff\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")
# Not even writable as UTF-8. A model's own output is held to this alone: half a character is its mistake, not the
# data's.
_SURROGATE = re.compile("[\ud800-\udfff]")
# No damaged text is without one of these once it is JSON: escapes, DEL, the lead bytes of U+0080–U+009F and of
# U+FFC0–U+FFFF. ``null`` is how orjson writes NaN.
_SIGNS_OF_DAMAGE = (b"\\u00", b"\\b", b"\x7f", b"\xc2", b"\xef\xbf", b"null")
_PLAIN = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_SUBCLASS
# Fields with data of any shape in them, and those of a message.
_OPEN, _OPEN_IN_MESSAGE = ("metadata", "tools"), "tool_calls"


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _identifier(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _identifiers(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_identifier, value))


def _integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _integers(value: Any) -> bool:
    # A row of token ids can be long: type() over a set is much quicker than a test for each.
    return isinstance(value, list) and set(map(type, value)) <= {int} and all(-(2**31) <= x < 2**31 for x in _ends(value))


def _ends(value: list[int]) -> tuple[int, ...]:
    return (min(value), max(value)) if value else ()


def _numbers(value: Any) -> bool:
    # Numbers that are not finite have a code of their own; integers that no float holds are no weights.
    if not (isinstance(value, list) and set(map(type, value)) <= {int, float}):
        return False
    return all(abs(x) < 2**63 for x in value if type(x) is int)


def _weight(value: Any) -> bool:
    return _number(value) and 0 < value < math.inf


def _object(value: Any) -> bool:
    return isinstance(value, dict)


def _objects(value: Any) -> bool:
    return isinstance(value, list) and all(map(_object, value))


def _messages(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_message, value))


def _message(value: Any) -> bool:
    if not (isinstance(value, dict) and isinstance(value.get("role"), str) and isinstance(value.get("content"), str)):
        return False
    return len(value) == 2 or (
        isinstance(value.get("train"), bool | None)
        and isinstance(value.get("tool_calls"), list | None)
        and all(isinstance(value.get(name), str | None) for name in _MESSAGE_TEXTS)
    )


Check = Callable[[Any], bool]

# kind → field → (test, required)
FIELDS: dict[str, dict[str, tuple[Check, bool]]] = {
    "chat": {
        "id": (_identifier, True),
        "messages": (_messages, True),
        "source": (_text, True),
        "family": (_text, False),
        "tools": (_objects, False),
        "weight": (_weight, False),
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
        "loss_weights": (_numbers, False),
        "weight": (_number, False),
        "members": (_identifiers, False),
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
        "logprob": (_number, False),  # an endpoint may not tell it
        "sampling_logprob": (_number, False),
        "finish_reason": (_text, True),
    },
}
ID_FIELD = {"chat": "id", "prompts": "id", "labels": "id", "samples": "sample_id"}
_MESSAGE_TEXTS = ("reasoning_content", "name", "tool_call_id")
_MESSAGE_FIELDS = {"role", "content", "train", "tool_calls", *_MESSAGE_TEXTS}


def problems(kind: str, row: Any) -> dict[str, str]:
    """What is wrong with the row's shape: code → the place, in words. Empty: every field can be relied on.

    Args:
        kind: a key of `FIELDS`.
        row: anything at all, or a `Fault`, which has the one code it came with.
    """
    if isinstance(row, Fault):
        return {row.code if row.code in ROW_CODES[kind] else "broken_row": row.detail}
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
    if unknown := row.keys() - FIELDS[kind].keys():
        found["field_unknown"] = sorted(map(str, unknown))
    if "messages" in FIELDS[kind] and not found:
        inner = {str(name) for message in row["messages"] if len(message) > 2 for name in message.keys() - _MESSAGE_FIELDS}
        if inner:
            found["field_unknown"] = [f"messages.{name}" for name in sorted(inner)]
    if not found:
        found = _unwritable(kind, row)
    return {code: ", ".join(places) for code, places in found.items()}


def _unwritable(kind: str, row: Row) -> dict[str, list[str]]:
    """Fields whose text is damaged, and open fields that are not JSON."""
    if "messages" not in FIELDS[kind]:
        damage = _SURROGATE if kind == "samples" else _DAMAGED
        texts = {name: value for name, value in row.items() if isinstance(value, str)}
        texts |= {"members": "\n".join(row.get("members") or ())}
        names = [name for name, text in texts.items() if damage.search(text)]
        return {"bad_unicode": names} if names else {}
    if odd := [place for place, value in _open_values(row) if not _is_json(value)]:
        return {"field_type": [f"{place} (not plain JSON)" for place in odd]}
    try:
        text = orjson.dumps(row, option=_PLAIN)
    except TypeError:  # a lone surrogate; or an integer of more than 64 bits, which is sound
        pass
    else:
        if not any(sign in text for sign in _SIGNS_OF_DAMAGE):
            return {}
    return _damaged(row)


def _damaged(row: Row) -> dict[str, list[str]]:
    bad = [name for name, value in row.items() if isinstance(value, str) and _DAMAGED.search(value)]
    if any(_DAMAGED.search(text) for message in row["messages"] for text in texts_in(message)):
        bad.append("messages")
    bad += [name for name in _OPEN if any(_SURROGATE.search(text) for text in texts_in(row.get(name)))]
    return {"bad_unicode": bad} if bad else {}


def _open_values(row: Row) -> Iterator[tuple[str, Any]]:
    yield from ((name, row[name]) for name in _OPEN if row.get(name) is not None)
    for message in row["messages"]:
        if len(message) > 2 and message.get(_OPEN_IN_MESSAGE):
            yield f"messages.{_OPEN_IN_MESSAGE}", message[_OPEN_IN_MESSAGE]


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False, sort_keys=True)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def texts_in(value: Any) -> Iterator[str]:
    """Every text inside of JSON data, names included, in no order."""
    left = [value]  # no recursion: data may be nested as deep as Python can
    while left:
        value = left.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            left += value
            left += value.values()
        elif isinstance(value, list):
            left += value


def row_id(kind: str, row: Any) -> str:
    """The row's id, or as good a name as there is for a row without one."""
    if isinstance(row, Fault):
        return row.place
    value = row.get(ID_FIELD[kind]) if isinstance(row, dict) else None
    return value if isinstance(value, str) else ""
