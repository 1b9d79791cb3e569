"""Each format is told from its columns, or from its values where columns are the same; what is none is refused with a hint."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.data.formats.convert import format_names
from tasks.data.formats.detect import detect
from tasks.data.records import Fault, Record
from tasks.runtime.errors import DataError
from tests.data.formats.examples import EXAMPLES, NAMED, TREE, flat, said, spoken
from tests.validate.rows import chat, prompt


def head(*values: Any) -> list[Record | Fault]:
    return [value if isinstance(value, Fault) else Record(f"rows:{n}", value) for n, value in enumerate(values, 1)]


def test_every_format_has_an_example() -> None:
    assert sorted(EXAMPLES) == format_names()


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_a_format_is_known_by_its_columns(name: str) -> None:
    assert detect(head(*EXAMPLES[name]), "rows.jsonl") == NAMED.get(name, name)
    for record in EXAMPLES[name]:
        assert detect(head(record), "rows.jsonl") == NAMED.get(name, name)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_a_few_broken_records_change_nothing(name: str) -> None:
    broken: list[Any] = [Fault("broken_json", "rows:1", "no"), None, 7, [], {}, "text", {"error": "x", "status": 500}]
    sound = EXAMPLES[name] * 7
    assert detect(head(*broken[:3], *sound, *broken[3:]), "rows.jsonl") == NAMED.get(name, name)


@pytest.mark.parametrize(
    ("name", "record"),
    [
        ("alpaca", {"instruction": "a", "input": "b", "output": "c"}),
        ("oasst", flat(TREE)[0]),
        ("preference", {"chosen": "\n\nHuman: a\n\nAssistant: b", "rejected": "\n\nHuman: a\n\nAssistant: c"}),
        ("preference", {"system": "a", "input": "b", "chosen": "c", "rejected": "d", "generations": ["c", "d"]}),
        ("magpie", {"uuid": "1", "instruction": "a", "response": "b", "model": "m"}),
        ("messages", {"conversation": spoken("a", "b"), "conversation_id": "1", "model": "m"}),
        ("messages", {"id": "1", "messages": spoken("a", "b"), "topic": "t"}),
        ("messages", {"id": "1", "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]}),
        ("chat", {"id": "1", "messages": spoken("a", "b")}),
        ("chat", {"id": "1", "messages": spoken("a", "b"), "source": "someone/else"}),
        ("prompts", {"messages": spoken("a"), "verifier": "exact", "reference": None}),
        ("sharegpt", {"id": "1", "conversations": said("a", "b"), "lang": "en"}),
        ("openhermes", {"conversations": said("a", "b"), "source": "s"}),
        ("lima", {"conversations": ["a", "b"]}),
        ("dolly", {"instruction": "a", "response": "b"}),
        ("orca", {"question": "a", "response": "b", "system": "c"}),
    ],
)
def test_what_other_data_sets_write(name: str, record: dict[str, Any]) -> None:
    assert detect(head(record), "rows.jsonl") == name


def test_one_message_of_openai_among_rows_like_ours_decides() -> None:
    rows = [chat(str(number)) for number in range(50)]
    assert detect(head(*rows), "rows.jsonl") == "chat"
    other = chat("x", messages=[*spoken("a"), {"role": "assistant", "content": "b", "weight": 0}])
    assert detect(head(*rows, other), "rows.jsonl") == "messages"


def test_broken_rows_of_ours_are_still_ours() -> None:
    broken = [chat("a", messages="text"), chat("b", colour="red"), chat("c", source=3), {"id": "d"}]
    assert detect(head(chat("e"), *broken, chat("f"), chat("g"), chat("h")), "rows.jsonl") == "chat"
    assert detect(head(prompt("a", answer="8"), prompt("b", messages=4)), "rows.jsonl") == "prompts"


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ({"colour": "red", "size": 3}, r"rows\.jsonl: no known format has the columns colour, size\. Rename"),
        ({"instruction": "a", "ouput": "b"}, r"evol_instruct \(lacks output \(is it 'ouput'\?\)\)"),
        ({"Instruction": "a", "Output": "b"}, r"Nearest: .*lacks instruction \(is it 'Instruction'\?\)"),
        ({"instruction": "a", "output": None}, r"alpaca \(lacks output \(always null\)\)"),
        ({"question": "a", "answer": "b"}, r"gsm8k \(wants an answer that ends in '#### number'\)"),
        ({"conversations": []}, r"sharegpt \(wants a list of turns with from and value\)"),
        ({"chosen": "a"}, r"preference \(lacks rejected\)"),
        ({"text": "a"}, r"columns text\. .*name the format: alpaca, .*package\.module:function"),
        ({}, "none that is not null"),
    ],
)
def test_unknown_columns_are_refused_with_the_nearest_format(record: dict[str, Any], told: str) -> None:
    with pytest.raises(DataError, match=told):
        detect(head(record), "rows.jsonl")


def test_a_refusal_stays_short() -> None:
    with pytest.raises(DataError) as refused:
        detect(head({"x" * 10_000 + str(number): 1 for number in range(500)}), "rows.jsonl")
    assert len(str(refused.value)) < 5_000
    assert "and 460 more" in str(refused.value)


def test_nothing_to_judge_by() -> None:
    with pytest.raises(DataError, match=r"none of the first 1 records of rows\.jsonl can be read; rows:1: cut off"):
        detect(head(Fault("broken_json", "rows:1", "cut off")), "rows.jsonl")
    with pytest.raises(DataError, match=r"rows\.jsonl holds no objects with named columns, but list"):
        detect(head([1], "a"), "rows.jsonl")
    with pytest.raises(DataError, match="but nothing"):
        detect([], "rows.jsonl")
