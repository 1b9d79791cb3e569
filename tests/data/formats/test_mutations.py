"""Broken records of every format: no exception, nothing dropped without a word, one code a fault."""

from __future__ import annotations

import copy
import datetime
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tasks.data.formats.convert import about, convert, kind_of
from tasks.data.records import Fault, Record
from tasks.runtime.rows import Row
from tasks.validate.check import check_rows
from tasks.validate.codes import CODES, ROW_CODES
from tests.data.formats.examples import EXAMPLES, TREE, UPSTREAM, flat

MUTATED = 10_000
CHECKED = [name for name in EXAMPLES if kind_of(name) in ROW_CODES]  # verdicts and scores have no checks
HUGE = "word " * 50_000


def deep() -> Any:
    value: Any = "bottom"
    for level in range(5_000):
        value = {"in": value} if level % 2 else [value]
    return value


DEEP = deep()
ODD: list[Callable[[Any], Any]] = [
    lambda old: None,
    lambda old: 7,
    lambda old: -(2**70),
    lambda old: 0.5,
    lambda old: float("nan"),
    lambda old: float("inf"),
    lambda old: True,
    lambda old: "",
    lambda old: " \n",
    lambda old: "text",
    lambda old: "lone \ud800 surrogate",
    lambda old: "control \x00 character",
    lambda old: "<|im_end|>",
    lambda old: HUGE,
    lambda old: [],
    lambda old: {},
    lambda old: [old],
    lambda old: [old, old],
    lambda old: {"in": old},
    lambda old: str(old),
    lambda old: b"\xff\x00",
    lambda old: datetime.datetime(2024, 2, 29, 12),
    lambda old: DEEP,
]
ROLES = ["user", "assistant", "system", "tool", "human", "gpt", "function_call", "observation", "prompter", "narrator", "", 3]


def places(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Every (container, key) inside of a record."""
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            found.append((value, key))
            places(value[key], found)
    return found


def turns(found: list[tuple[Any, Any]]) -> list[Any]:
    """The lists inside of a record that may be conversations."""
    return [holder[key] for holder, key in found if isinstance(holder[key], list) and len(holder[key]) > 1]


SAYING = {
    "instruction",
    "input",
    "question",
    "value",
    "content",
    "chosen",
    "rejected",
    "prompt",
    "data",
    "text",
    "conversations",
}
NAMING = {"id", "uuid", "idx", "prompt_id", "message_tree_id"}


def stamped(value: Any, number: int, key: str = "") -> Any:
    """A record that says something else than its example, so that it is no duplicate: a number after each text."""
    if isinstance(value, dict):
        return {name: stamped(inner, number, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [stamped(inner, number, key) for inner in value]
    if not isinstance(value, str) or not value.strip() or value.startswith(("{", "[", "<")):
        return value
    if key == "sample_id":
        return value.replace("/", f"-{number}/", 1)
    return f"{value} {number}" if key in SAYING else f"{value}-{number}" if key in NAMING else value


def mutate(record: Any, drawn: random.Random) -> Any:
    """A copy of a record with one thing changed, anywhere in it."""
    record = copy.deepcopy(record)
    found = places(record, [])
    holder, key = drawn.choice(found)
    what = drawn.randrange(8)
    if what == 0 and isinstance(holder, dict):
        del holder[key]
    elif what == 1 and isinstance(holder, dict):
        holder[drawn.choice(["extra", "messages", "id", "role", "text", "metadata", "source", "family"])] = "more"
    elif what == 2 and (lists := turns(found)):
        drawn.shuffle(drawn.choice(lists))
    elif what == 3 and (lists := turns(found)):
        cycled = drawn.choice(lists)
        cycled += copy.deepcopy(cycled) * drawn.choice([1, 20])
    elif what == 4 and (roles := [(holder, key) for holder, key in found if key in ("role", "from")]):
        holder, key = drawn.choice(roles)
        holder[key] = drawn.choice(ROLES)
    elif what == 5 and drawn.random() < 0.1:
        return drawn.choice(ODD)(record)
    else:
        holder[key] = drawn.choice(ODD)(holder[key])
    return record


def mutated(name: str, count: int, drawn: random.Random) -> list[Any]:
    made = []
    for number in range(count):
        record = stamped(drawn.choice(EXAMPLES[name]), number)
        for _ in range(drawn.choice([1, 1, 1, 2, 3])):
            try:
                record = mutate(record, drawn)
            except (IndexError, RecursionError):  # nothing left to change, or too deep to copy
                break
        made.append(record)
    return made


def test_mutated_records_of_every_format() -> None:
    drawn, read, accepted_rows, codes = random.Random(20_000), 0, 0, Counter[str]()
    share = -(-MUTATED // len(CHECKED))
    for name in CHECKED:
        kind, values = kind_of(name), mutated(name, share, drawn)
        outcomes: list[Any] = []
        for number, value in enumerate(values):
            made = list(convert(name, [Record(f"rows:{number}", value)], f"src{number}"))
            faults = [row for row in made if isinstance(row, Fault)]
            assert made, "a record was dropped"
            assert not faults or (len(made) == 1 and faults[0].code in ROW_CODES[kind]), (name, made)
            assert not any("failed on it" in fault.detail for fault in faults), (faults, value)
            outcomes += made
        accepted, rejects = check_rows(kind, outcomes)
        assert len(accepted) + len(rejects) == len(outcomes)
        for reject in rejects:
            assert reject["codes"]
            assert set(reject["codes"]) <= CODES.keys()
        faults = [outcome for outcome in outcomes if isinstance(outcome, Fault)]
        assert Counter(reject["codes"][0] for reject in rejects if len(reject["codes"]) == 1) >= Counter(f.code for f in faults)
        read, accepted_rows = read + len(values), accepted_rows + len(accepted)
        codes.update(code for reject in rejects for code in reject["codes"])
    assert read >= MUTATED
    assert accepted_rows > read / 10, "hardly any record survived: the mutations are too coarse to say much"
    for code in ("field_missing", "field_type", "not_an_object", "role_unknown", "role_order", "nothing_converted"):
        assert codes[code] > 10, codes
    for code in ("format_mismatch", "content_unsupported", "tool_call_malformed", "reference_unparsable", "bad_unicode"):
        assert codes[code] > 0, codes


def test_mutated_message_rows() -> None:
    """OpenAssistant's message rows: of many a tree is made, and the others are faults."""
    drawn = random.Random(7)
    for number in range(500):
        rows = flat(TREE)
        at = drawn.randrange(len(rows))
        rows[at] = mutate(rows[at], drawn)
        records = [Record(f"rows:{number}", row) for row in rows]
        for name in ("oasst", "oasst_all"):
            made = list(convert(name, records, "src"))
            assert 0 < len(made) <= len(rows)
            assert not any(isinstance(row, Fault) and "failed on it" in row.detail for row in made), made


@pytest.mark.parametrize("name", UPSTREAM)
def test_each_fault_has_its_code(name: str) -> None:
    record = {column: value for column, value in EXAMPLES[name][0].items() if column != "uuid"}
    texts = [column for column, value in record.items() if column in _needed(name) and isinstance(value, str)]
    planted: list[tuple[Any, str]] = [(None, "not_an_object"), ("text", "not_an_object"), ([record], "not_an_object")]
    planted += [({}, "format_mismatch"), ({"colour": "red"}, "format_mismatch")]
    for column in _needed(name):
        lacks = "field_missing" if len(_needed(name)) > 1 else "format_mismatch"
        planted.append((record | {column: None}, lacks))
        planted.append(({key: value for key, value in record.items() if key != column}, lacks))
        if column != "source":  # anything but text stays in the metadata
            planted.append((record | {column: 0.5}, "field_type"))
    lists_too = ("chosen", "rejected", "prompt", "source")
    planted += [(record | {column: ["a"]}, "field_type") for column in texts if column not in lists_too]
    planted += [(record | {"extra": b"\x89PNG"}, "content_unsupported"), (record | {"extra": DEEP}, "field_type")]
    for value, code in planted:
        (fault,) = convert(name, [Record("rows:1", value)], "src")
        assert isinstance(fault, Fault), (value, code)
        assert (fault.code, fault.place) == (code, "rows:1"), (value, fault)
        (reject,) = check_rows(kind_of(name), [fault])[1]
        assert reject["codes"] == [code]


def _needed(name: str) -> frozenset[str]:
    return next(need for need in about(name).needs if not [c for c in need if EXAMPLES[name][0].get(c) is None])


def _turns(*changed: Row) -> Row:
    return {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, *changed]}


CALLED = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("record", "code"),
    [
        ({"messages": []}, "nothing_converted"),
        ({"messages": "text"}, "field_type"),
        ({"messages": ["text"]}, "field_type"),
        (_turns({"role": "narrator", "content": "c"}), "role_unknown"),
        (_turns({"role": None, "content": "c"}), "field_missing"),
        (_turns({"role": ["user"], "content": "c"}), "field_type"),
        (_turns({"content": "c"}), "field_missing"),
        (_turns({"role": "user"}), "field_missing"),
        (_turns({"role": "user", "content": None}), "field_missing"),
        (_turns({"role": "user", "content": {"text": "c"}}), "field_type"),
        (_turns({"role": "user", "content": [3]}), "field_type"),
        (_turns({"role": "user", "content": [{"type": "text"}]}), "field_missing"),
        (_turns({"role": "user", "content": [{"type": "text", "text": 3}]}), "field_type"),
        (_turns({"role": "user", "content": [{"type": ["text"], "text": "c"}]}), "field_type"),
        (_turns({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}), "content_unsupported"),
        (_turns({"role": "user", "content": "c", "images": ["a.png"]}), "content_unsupported"),
        (_turns({"role": "assistant", "content": "c", "weight": 0.5}), "field_type"),
        (_turns({"role": "assistant", "content": "c", "weight": "1"}), "field_type"),
        (_turns({"role": "assistant", "content": "c", "train": "yes"}), "field_type"),
        (_turns({"role": "user", "content": "c", "name": 3}), "field_type"),
        (_turns({"role": "assistant", "content": "c", "reasoning": ["x"]}), "field_type"),
        (_turns({"role": "assistant", "tool_calls": "f()"}), "tool_call_malformed"),
        (_turns({"role": "assistant", "tool_calls": ["f()"]}), "tool_call_malformed"),
        (_turns({"role": "assistant", "tool_calls": [CALLED | {"type": "custom"}]}), "tool_call_malformed"),
        (_turns({"role": "assistant", "tool_calls": [CALLED | {"id": 3}]}), "tool_call_malformed"),
        (_turns({"role": "assistant", "tool_calls": [CALLED | {"function": "f"}]}), "tool_call_malformed"),
        (_turns({"role": "assistant", "tool_calls": [{"function": {"name": " "}}]}), "tool_call_malformed"),
        (_turns({"role": "assistant", "function_call": {"name": "f", "arguments": "{"}}), "tool_call_malformed"),
        (_turns({"role": "assistant", "function_call": {"name": "f", "arguments": "[1]"}}), "tool_call_malformed"),
        (_turns({"role": "assistant", "function_call": {"name": "f", "arguments": "\ud800"}}), "tool_call_malformed"),
        (_turns({"role": "function_call", "content": "f()"}), "tool_call_malformed"),
        (_turns({"role": "function_call", "content": "[]"}), "tool_call_malformed"),
        (_turns() | {"tools": "no JSON"}, "field_type"),
        (_turns() | {"tools": [3]}, "field_type"),
        (_turns() | {"functions": 3}, "field_type"),
        (_turns() | {"id": {"a": 1}}, "field_type"),
    ],
)
def test_each_fault_of_a_turn_has_its_code(record: Row, code: str) -> None:
    (fault,) = convert("messages", [Record("rows:1", record)], "src")
    assert isinstance(fault, Fault)
    assert (fault.code, fault.record) == (code, record)


@pytest.mark.parametrize(
    ("name", "record", "code"),
    [
        ("alpaca", {"instruction": "a", "output": "b", "input": 3}, "field_type"),
        ("alpaca", {"instruction": "a", "output": "b", "history": [["q"]]}, "field_type"),
        ("alpaca", {"instruction": "a", "output": "b", "system": ["s"]}, "field_type"),
        ("self_instruct", {"instruction": "a", "instances": []}, "nothing_converted"),
        ("self_instruct", {"instruction": "a", "instances": ["b"]}, "field_type"),
        ("self_instruct", {"instruction": "a", "instances": [{"input": "b"}]}, "field_missing"),
        ("gsm8k", {"question": "a", "answer": "18"}, "reference_unparsable"),
        ("sharegpt", {"conversations": [{"from": "gpt", "value": "a"}]}, "nothing_converted"),
        ("lima", {"conversations": ["a", 3]}, "field_type"),
        ("ultrachat", {"data": ["a"]}, "nothing_converted"),
        ("preference", {"prompt": 3, "chosen": "a", "rejected": "b"}, "field_type"),
        ("preference", {"prompt": [], "chosen": "a", "rejected": "b"}, "nothing_converted"),
        ("oasst", {"message_tree_id": "t", "prompt": "text"}, "field_type"),
    ],
)
def test_each_fault_of_a_format_has_its_code(name: str, record: Row, code: str) -> None:
    (fault,) = convert(name, [Record("rows:1", record)], "src")
    assert isinstance(fault, Fault)
    assert fault.code == code


@pytest.mark.parametrize("name", UPSTREAM)
def test_a_changed_record_that_is_still_sound_converts(name: str) -> None:
    for record in EXAMPLES[name]:
        before = list(convert(name, [Record("rows:1", record)], "src"))
        turned = dict(reversed(record.items())) | {"nothing": None, "note": "kept", "scores": [1, {"of": 2.5}]}
        after = list(convert(name, [Record("rows:1", turned)], "src"))
        for row in before:
            row["metadata"] = row.get("metadata", {}) | {"note": "kept", "scores": [1, {"of": 2.5}]}
        assert after == before
        assert check_rows(kind_of(name), after)[1] == []


@pytest.mark.parametrize("name", UPSTREAM)
def test_records_are_left_as_they_are(name: str) -> None:
    records = copy.deepcopy(EXAMPLES[name])
    list(convert(name, [Record("rows:1", record) for record in records], "src"))
    assert repr(records) == repr(EXAMPLES[name])
