"""Checks of chat and prompt rows, over flat columns of all messages of a chunk."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from tasks.runtime.errors import WinnowError
from tasks.runtime.plugins import plugin_names
from tasks.runtime.rows import Row
from tasks.validate.facts import Facts
from tasks.verify.verdict import reference_problem

log = logging.getLogger("winnow.validate")
Columns = dict[str, np.ndarray]

_ROLES = {"system": 0, "user": 1, "assistant": 2, "tool": 3}
_UNKNOWN, _START = 4, 5
# _FOLLOWS[before, now]: may a turn of role `now` come after one of role `before`? Unknown roles have a code of their
# own.
_FOLLOWS = np.zeros((6, 5), bool)
for _before, _now in [(_START, 0), (_START, 1), (0, 1), (1, 2), (2, 1), (2, 3), (3, 2), (3, 3)]:
    _FOLLOWS[_before, _now] = True
_FOLLOWS[:, _UNKNOWN] = _FOLLOWS[_UNKNOWN, :] = True

_VISIBLE = re.compile("[^\\s\u00ad\u200b-\u200d\u2060\ufeff]")


def check_messages(kind: str, rows: Sequence[Row], facts: Facts) -> Columns:
    """Verdict columns (true: passes) of rows that have the right fields.

    Args:
        kind: ``chat`` or ``prompts``.
        rows: at least one.
    """
    counts = np.array([len(row["messages"]) for row in rows])
    starts = np.concatenate(([0], np.cumsum(counts)[:-1]))
    flat = [message for row in rows for message in row["messages"]]
    roles = np.array([_ROLES.get(message["role"], _UNKNOWN) for message in flat])
    before = np.roll(roles, 1)
    before[starts] = _START
    texts = [message["content"] for message in flat]
    last = roles[starts + counts - 1]
    columns = {
        "role_unknown": np.logical_and.reduceat(roles != _UNKNOWN, starts),
        "role_order": np.logical_and.reduceat(_FOLLOWS[before, roles], starts),
        "empty_turn": np.logical_and.reduceat(np.array([bool(_VISIBLE.search(text)) for text in texts]), starts),
        "template_token": np.logical_and.reduceat(_free_of(texts, facts.control_texts), starts),
    }
    if kind == "chat":
        trained = np.array([message.get("train") is not False for message in flat]) & (roles == _ROLES["assistant"])
        answers = np.logical_or.reduceat(roles == _ROLES["assistant"], starts)
        columns["last_not_assistant"] = last == _ROLES["assistant"]
        columns["nothing_to_train"] = np.logical_or.reduceat(trained, starts) | ~answers
    else:
        columns["last_not_user"] = last == _ROLES["user"]
        columns |= _references(rows)
    return columns


def same_text(kind: str, row: Row) -> str:
    """What makes two rows copies of each other: roles and contents, and for prompts the reference and who checks it."""
    said: list[Any] = [[message["role"], message["content"]] for message in row["messages"]]
    if kind == "prompts":
        said += [row.get("reference"), row["verifier"]]
    return json.dumps(said)


def _free_of(texts: Sequence[str], tokens: Sequence[str]) -> np.ndarray:
    if not tokens:
        return np.ones(len(texts), bool)
    pattern = re.compile("|".join(map(re.escape, tokens)))
    return np.array([pattern.search(text) is None for text in texts])


def _references(rows: Sequence[Row]) -> Columns:
    """Whether each prompt has a reference, a registered verifier, and a reference that this verifier can read."""
    missing, unknown, unread = (np.ones(len(rows), bool) for _ in range(3))
    for index, row in enumerate(rows):
        reference = row.get("reference") or ""
        missing[index] = bool(reference.strip())
        unknown[index] = row["verifier"] in _verifiers()
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
