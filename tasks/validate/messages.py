"""Checks of chat and prompt rows, over flat columns of all messages of a chunk."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import orjson

from tasks.runtime.errors import WinnowError
from tasks.runtime.plugins import plugin_names
from tasks.runtime.rows import Row
from tasks.validate.facts import Facts
from tasks.validate.structure import texts_in
from tasks.validate.tool_calls import tool_calls_sound
from tasks.verify.verdict import needs_reference, reference_problem

log = logging.getLogger("winnow.validate")
Columns = dict[str, np.ndarray]

_ROLES = {"system": 0, "user": 1, "assistant": 2, "tool": 3}
_ASSISTANT, _UNKNOWN, _START = 2, 4, 5
# _FOLLOWS[before, now]: may a turn of role `now` come after one of role `before`? Unknown roles have a code of their
# own.
_FOLLOWS = np.zeros((6, 5), bool)
for _before, _now in [(_START, 0), (_START, 1), (0, 1), (1, 2), (2, 1), (2, 3), (3, 2), (3, 3)]:
    _FOLLOWS[_before, _now] = True
_FOLLOWS[:, _UNKNOWN] = _FOLLOWS[_UNKNOWN, :] = True

_VISIBLE = re.compile("[^\\s\u00ad\u200b-\u200d\u2060\ufeff]")


def check_messages(kind: str, rows: Sequence[Row], said: Sequence[bytes], facts: Facts) -> Columns:
    """Verdict columns (true: passes) of rows that have the right fields.

    Args:
        kind: ``chat`` or ``prompts``.
        rows: at least one.
        said: `said_bytes` of each.
    """
    counts = np.array([len(row["messages"]) for row in rows])
    starts = np.concatenate(([0], np.cumsum(counts)[:-1]))
    flat = [message for row in rows for message in row["messages"]]
    roles = np.array([_ROLES.get(message["role"], _UNKNOWN) for message in flat])
    before = np.roll(roles, 1)
    before[starts] = _START
    calls = np.array([len(message) > 2 and bool(message.get("tool_calls")) for message in flat])
    visible = np.array([_VISIBLE.search(message["content"]) is not None for message in flat])
    last = roles[starts + counts - 1]
    columns = {
        "role_unknown": np.logical_and.reduceat(roles != _UNKNOWN, starts),
        "role_order": np.logical_and.reduceat(_FOLLOWS[before, roles], starts),
        "empty_turn": np.logical_and.reduceat(visible | calls, starts),
        "template_token": _free_of(facts.control_texts, rows, said),
        "tool_call_malformed": _tools(rows),
    }
    if kind == "chat":
        trained = np.array([message.get("train") is not False for message in flat]) & (roles == _ASSISTANT)
        answers = np.logical_or.reduceat(roles == _ASSISTANT, starts)
        columns["last_not_assistant"] = last == _ASSISTANT
        columns["nothing_to_train"] = np.logical_or.reduceat(trained, starts) | ~answers
    else:
        columns["last_not_user"] = last == _ROLES["user"]
        columns |= _references(rows)
    return columns


def said_bytes(kind: str, row: Row) -> bytes:
    """What makes two rows copies of each other, as JSON: who says what, and for prompts the reference and who checks it."""
    said: list[Any] = [
        [message["role"], message["content"]] if len(message) == 2 else _said(message) for message in row["messages"]
    ]
    if kind == "prompts":
        said += [row.get("reference"), row["verifier"]]
    elif row.get("tools"):
        said.append(row["tools"])
    try:
        return orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # an integer of more than 64 bits, or data nested very deep
        return json.dumps(said, sort_keys=True, ensure_ascii=False).encode()


def _said(message: Row) -> list[Any]:
    more = {name: value for name, value in message.items() if value and name not in ("role", "content", "train")}
    return [message["role"], message["content"], *([more] if more else [])]


def _free_of(tokens: Sequence[str], rows: Sequence[Row], said: Sequence[bytes]) -> np.ndarray:
    """Whether each row is free of all tokens. Their first two bytes, which hardly any row has, say where to look closely."""
    free = np.ones(len(rows), bool)
    if not tokens:
        return free
    signs = sorted({orjson.dumps(token)[1:-1][:2] for token in tokens})
    pattern = re.compile("|".join(map(re.escape, tokens)))
    for index, text in enumerate(said):
        if any(sign in text for sign in signs):
            free[index] = not any(map(pattern.search, texts_in([rows[index]["messages"], rows[index].get("tools")])))
    return free


def _tools(rows: Sequence[Row]) -> np.ndarray:
    plain = [not row.get("tools") and all(len(message) == 2 for message in row["messages"]) for row in rows]
    return np.array([simple or tool_calls_sound(row) for simple, row in zip(plain, rows, strict=True)])


def _references(rows: Sequence[Row]) -> Columns:
    """Whether each prompt has a registered verifier, the reference that it needs, and one that it can read."""
    missing, unknown, unread = (np.ones(len(rows), bool) for _ in range(3))
    for index, row in enumerate(rows):
        reference = row.get("reference") or ""
        unknown[index] = row["verifier"] in _verifiers()
        missing[index] = bool(reference.strip()) or not needs_reference(row["verifier"])
        if missing[index] and unknown[index]:
            unread[index] = _readable(row["verifier"], reference)
    return {"reference_missing": missing, "verifier_unknown": unknown, "reference_unparsable": unread}


@cache
def _verifiers() -> frozenset[str]:
    # Registered names only: a "module:function" in a row would let data choose which code reads a model's text.
    return frozenset(plugin_names("verifiers"))


def _readable(verifier: str, reference: str) -> bool:
    try:
        return not reference_problem(verifier, reference)
    except WinnowError:
        raise
    except Exception as error:  # a plug-in's check that fails on a reference has not read it
        log.info("the reference check of %s failed with %s", verifier, type(error).__name__)
        return False
