"""OpenAssistant's message trees → conversations: the path that people ranked best, or every path.

A tree is a prompt, the replies to it, the replies to those … The upstream files hold a tree a line, or a message a row;
rows of one tree stand together there, and are put back into their tree here. Deleted messages and those that did not pass
review are cut out with everything below them, and so are questions that nobody answered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tasks.data.formats.format import Unconvertible, columns
from tasks.data.records import Fault, Record
from tasks.runtime.rows import Row

_ROLES = {"prompter": "user", "assistant": "assistant"}
_COMPLETE = "ready_for_export"
_LARGEST = 10_000  # messages of one tree: an unsorted file must not fill the memory (the largest real tree has hundreds)
_TREE = "message_tree_id prompt"
_MESSAGE = "message_id message_tree_id text role"
_ABOUT_A_MESSAGE = (
    "parent_id user_id created_date lang review_count review_result deleted rank synthetic model_name detoxify emojis labels "
    "events replies"
)
_LICENCE = "Apache-2.0"
_CITATION = "Köpf et al., OpenAssistant Conversations: Democratizing Large Language Model Alignment, 2023, arXiv 2304.07327"


def whole_trees(records: Iterable[Record | Fault]) -> Iterator[Record | Fault]:
    """Message rows put together into trees; trees, faults and anything else passed on. Holds one tree at a time."""
    rows: list[Record] = []
    for record in records:
        message = isinstance(record, Record) and _is_message(record.value)
        if rows and not (message and _tree_of(record) == _tree_of(rows[0]) and len(rows) < _LARGEST):
            yield from _tree(rows)
            rows = []
        if message:
            rows.append(record)  # type: ignore[arg-type]
        else:
            yield record
    if rows:
        yield from _tree(rows)


def _is_message(value: Any) -> bool:
    if not isinstance(value, dict) or value.get("prompt") is not None:
        return False
    named = all(isinstance(value.get(name), str) for name in ("message_id", "message_tree_id"))
    return named and isinstance(value.get("parent_id"), str | None)


def _tree_of(record: Any) -> Any:
    return record.value["message_tree_id"]


def _tree(rows: list[Record]) -> Iterator[Record | Fault]:
    """One tree of its message rows, and a fault for each row that has no place in it."""
    nodes: dict[str, Row] = {}
    sound: list[Record] = []
    for row in rows:
        number = row.value["message_id"]
        if number in nodes:
            yield Fault("duplicate_id", row.place, "another message of the tree has its message_id", row.value)
        else:
            nodes[number] = {**row.value, "replies": []}
            sound.append(row)
    root: Record | None = None
    for row in sound:
        if parent := nodes.get(row.value.get("parent_id") or ""):
            parent["replies"].append(nodes[row.value["message_id"]])
        elif root is None and not row.value.get("parent_id"):
            root = row
    reached = _below(nodes[root.value["message_id"]]) if root else set()
    for row in sound:
        if row.value["message_id"] not in reached:
            detail = "it does not reply to a message of its tree that stands beside it; sort the rows by message_tree_id"
            yield Fault("format_mismatch", row.place, detail, row.value)
    if root:
        about = {name: root.value[name] for name in ("message_tree_id", "tree_state") if name in root.value}
        yield Record(root.place, {**about, "prompt": nodes[root.value["message_id"]]})


def _below(message: Row) -> set[str]:
    """The ids of a message and of all replies below it."""
    left, found = [message], set[str]()
    while left:
        message = left.pop()
        found.add(message["message_id"])
        left += message["replies"]
    return found


_trees = columns(
    _TREE,
    _MESSAGE,
    uses=_ABOUT_A_MESSAGE,
    knows="tree_state origin",
    ids="message_tree_id",
    gather=whole_trees,
    licence=_LICENCE,
    citation=_CITATION,
)


@_trees
def oasst(record: Row) -> list[Row]:
    """One row a tree: at each turn the best-ranked reply."""
    replies = _kept(record)
    path = [record["prompt"]]
    while below := replies.get(id(path[-1])):
        path.append(min(below, key=_rank))
    return [_row(path)] if len(path) > 1 else []


@_trees
def oasst_all(record: Row) -> list[Row]:
    """One row a path from the prompt to a last answer. Paths share turns: as training data they repeat them."""
    replies = _kept(record)
    rows, open_paths = [], [[record["prompt"]]]
    while open_paths:
        path = open_paths.pop()
        below = replies.get(id(path[-1]), [])
        open_paths += [[*path, reply] for reply in reversed(below)]
        if not below and len(path) > 1:
            rows.append(_row(path))
    return rows


def _kept(record: Row) -> dict[int, list[Row]]:
    """Message (by identity) → its replies that may be used: sound ones, and of the user's those with a sound answer.

    Raises:
        Unconvertible: nothing may be used, or a message is not one.
    """
    if record.get("tree_state") not in (None, _COMPLETE):
        raise Unconvertible("nothing_converted", "the tree is not complete: its tree_state is not ready_for_export")
    root = record.get("prompt")
    if "prompt" not in record:
        raise Unconvertible("field_type", "message_id, message_tree_id or parent_id is not text")
    if not isinstance(root, dict):
        raise Unconvertible("field_type", f"prompt is a {type(root).__name__}, not a message")
    replies: dict[int, list[Row]] = {}
    order, at = [root], 0
    expected = {id(root): "prompter"}
    while at < len(order):
        message = order[at]
        at += 1
        below = _checked(message, expected[id(message)])
        replies[id(message)] = [reply for reply in below if _sound(reply)]
        expected |= {id(reply): _other(message) for reply in below}
        order += below
    for message in reversed(order):  # from the leaves up, so that a question's answers are known before the question
        if message["role"] == "assistant":
            replies[id(message)] = [question for question in replies[id(message)] if replies[id(question)]]
    if not _sound(root) or not replies[id(root)]:
        raise Unconvertible("nothing_converted", "deleted, not passed by review, or without an answer")
    return replies


def _other(message: Row) -> str:
    return "assistant" if message["role"] == "prompter" else "prompter"


def _checked(message: Row, role: str) -> list[Row]:
    """The replies of a message whose fields are right. Raises `Unconvertible`."""
    for name, kind, what in (
        ("text", str, "text"),
        ("role", str, "text"),
        ("deleted", bool | None, "true or false"),
        ("review_result", bool | None, "true or false"),
        ("rank", int | None, "a number"),
        ("message_id", str | None, "text"),
        ("replies", list | None, "a list of messages"),
    ):
        value = message.get(name)
        if value is None and kind is str:
            raise Unconvertible("field_missing", f"no {name} in a message")
        if not isinstance(value, kind):  # type: ignore[arg-type]
            raise Unconvertible("field_type", f"{name} of a message is a {type(value).__name__}, not {what}")
    if message["role"] not in _ROLES:
        raise Unconvertible("role_unknown", f"the role of a message is none of {', '.join(_ROLES)}")
    if message["role"] != role:
        raise Unconvertible("role_order", "a message and a reply to it have the same role, or the first is not the prompter's")
    replies: list[Row] = message.get("replies") or []
    if not all(isinstance(reply, dict) for reply in replies):
        raise Unconvertible("field_type", "replies of a message are not all messages")
    return replies


def _sound(message: Row) -> bool:
    """Kept, and passed by review. Exports leave nulls out, so no `review_result` means: not reviewed."""
    return not message.get("deleted") and message.get("review_result") is True


def _rank(message: Row) -> tuple[bool, int]:
    """Rank 0 is the best; messages that were not ranked come last, in the order of the file."""
    rank = message.get("rank")
    return rank is None, rank or 0


def _row(path: list[Row]) -> Row:
    turns = [{"role": _ROLES[message["role"]], "content": message["text"]} for message in path]
    about = {"message_id": path[-1].get("message_id"), "lang": path[0].get("lang")}
    if models := sorted({str(message.get("model_name")) for message in path if message.get("synthetic")}):
        about["synthetic"] = models
    return {"messages": turns, "metadata": {name: value for name, value in about.items() if value is not None}}
