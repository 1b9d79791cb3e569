"""When two rows ask the same question, and proof that two sets of rows share none."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable
from typing import Any

from tasks.runtime.errors import OverlapError
from tasks.runtime.rows import Row

_LISTED = 10


def normal_text(text: str) -> str:
    """A text without case, white space at its ends or beyond one space, and Unicode's alternative spellings (NFKC)."""
    return " ".join((text if text.isascii() else unicodedata.normalize("NFKC", text)).casefold().split())


def question_keys(messages: list[dict[str, Any]]) -> list[str]:
    """The questions a conversation holds: for each user turn, the digest of all user turns up to it.

    Texts count as `normal_text`. The last key is what a prompt asks.
    """
    keys, digest = [], hashlib.sha256()
    for message in messages:
        if message.get("role") == "user":
            digest.update(normal_text(str(message.get("content"))).encode("utf-8", "replace") + b"\x00")
            keys.append(digest.hexdigest())
    return keys


def all_questions(rows: Iterable[Row]) -> set[str]:
    """Every question in `rows` (prompt or chat)."""
    return {key for row in rows for key in question_keys(row["messages"])}


def assert_disjoint(evaluation: Iterable[Row], others: Iterable[Row]) -> dict[str, int]:
    """Check that no evaluation item is also in `others`, by id or by question; returns how many rows were compared.

    Raises:
        OverlapError: listing the ids that are shared.
    """
    asked: dict[str, str] = {}
    ids: set[str] = set()
    for row in evaluation:
        ids.add(row["id"])
        for key in question_keys(row["messages"]):
            asked[key] = row["id"]
    compared, shared = 0, []
    for row in others:
        compared += 1
        if row["id"] in ids:
            shared.append(row["id"])
        elif same := [asked[key] for key in question_keys(row["messages"]) if key in asked]:
            shared.append(f"{row['id']} (asks what {same[0]} asks)")
    if shared:
        more = f" and {len(shared) - _LISTED} more" if len(shared) > _LISTED else ""
        raise OverlapError(
            f"{len(shared)} rows are also evaluation items: {', '.join(shared[:_LISTED])}{more}; "
            "remove them from the training data or from the evaluation items"
        )
    return {"evaluation": len(ids), "compared": compared}
