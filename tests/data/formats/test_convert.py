"""What each format's records become, column by column, oddities included."""

from __future__ import annotations

import datetime
import decimal
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.data.formats.convert import about, convert, kind_of
from tasks.data.formats.format import Unconvertible, columns
from tasks.data.load import load
from tasks.data.records import Fault, Record
from tasks.runtime.errors import ConfigurationError, UnknownPluginError
from tasks.runtime.rows import Row, read_rows, write_rows
from tasks.validate.check import check_rows
from tests.data.formats.examples import CALL, EXAMPLES, OWN, TOOL, UPSTREAM, said, spoken

ROOT = Path(__file__).parents[3]
SHARED = ROOT.parent / "shared" / "data"


def records(*values: Any) -> list[Record]:
    return [Record(f"rows:{number}", value) for number, value in enumerate(values, 1)]


def rows_of(name: str, *values: Any) -> list[Any]:
    return list(convert(name, records(*values), "src"))


def example(name: str, index: int = 0) -> Any:
    """The row, or rows, of an example."""
    made = rows_of(name, EXAMPLES[name][index])
    return made[0] if len(made) == 1 else made


def talk(*turns: str) -> list[Row]:
    """``"user: text"`` … as messages."""
    return [dict(zip(("role", "content"), turn.split(": ", 1), strict=True)) for turn in turns]


@pytest.mark.parametrize("name", UPSTREAM)
def test_examples_become_rows_that_pass_every_check(name: str, tmp_path: Path) -> None:
    rows = rows_of(name, *EXAMPLES[name])
    assert not [row for row in rows if isinstance(row, Fault)]
    assert len(rows) >= len(EXAMPLES[name])
    accepted, rejects = check_rows(kind_of(name), rows)
    assert (rejects, accepted) == ([], rows)
    write_rows(tmp_path, kind_of(name), rows)
    assert list(read_rows(tmp_path)) == rows


@pytest.mark.parametrize("name", OWN)
def test_our_own_rows_are_passed_on_whatever_they_are(name: str) -> None:
    odd: list[Any] = [*EXAMPLES[name], {}, [], None, "text", 3]
    assert rows_of(name, *odd) == odd
    assert kind_of(name) == name


def test_instructions() -> None:
    with_input = example("alpaca")
    assert with_input == {
        "id": "src-1",
        "messages": talk("user: Add the numbers.\n\n2, 3", "assistant: 5"),
        "source": "src",
    }
    assert example("alpaca", 1)["messages"][0]["content"] == "Name a colour."
    spoken_before = talk("system: Be kind.", "user: Hi", "assistant: Yes?", "user: Greet me.", "assistant: Hello!")
    assert example("alpaca", 2)["messages"] == spoken_before
    assert example("alpaca_gpt4") == with_input
    assert example("dolly")["messages"][0]["content"] == "When was it built?\n\nThe bridge [1] is of 1890."
    assert example("dolly")["family"] == "closed_qa"
    assert example("evol_instruct", 1)["messages"] == talk("user: Sort 3, 1, 2.", "assistant: 1, 2, 3")


@pytest.mark.parametrize(
    "beside", ["", "  \n", None, "<noinput>", "No input", "no_input", "No Input Required.", "(no input needed)"]
)
def test_no_input_is_no_input(beside: str | None) -> None:
    (row,) = rows_of("alpaca", {"instruction": "Say hi.", "input": beside, "output": "Hi."})
    assert row["messages"][0]["content"] == "Say hi."
    (row,) = rows_of("alpaca", {"instruction": "Say hi.", "input": "No input devices?", "output": "Hi."})
    assert row["messages"][0]["content"] == "Say hi.\n\nNo input devices?"


def test_orca_has_a_system_turn_only_when_it_says_something() -> None:
    assert [message["role"] for message in example("orca")["messages"]] == ["user", "assistant"]
    assert example("orca", 1)["messages"][0] == {"role": "system", "content": "Explain your steps."}
    (row,) = rows_of("orca", {"system": "Be right.", "question": "a", "response": "b"})
    assert row["messages"][0]["content"] == "Be right."
    assert example("orca")["id"] == "niv.1"


def test_self_instruct_becomes_a_row_an_instance() -> None:
    hot, wet = example("self_instruct")
    assert (hot["id"], wet["id"]) == ("seed_task_0/0", "seed_task_0/1")
    assert wet["messages"] == talk("user: Give the opposite.\n\nwet", "assistant: dry")
    assert hot["metadata"] == {"name": "opposites", "is_classification": False}
    assert example("self_instruct", 1)["id"] == "seed_task_1"


def test_gsm8k_becomes_prompts() -> None:
    row = example("gsm8k")
    answer = EXAMPLES["gsm8k"][0]["answer"]
    assert row == {
        "id": "src-1",
        "messages": talk("user: A box has 1,000 pens, another 125. How many?"),
        "reference": "1125",
        "verifier": "number",
        "family": "gsm8k",
        "metadata": {"answer": answer},
    }
    assert kind_of("gsm8k") == "prompts"
    (last,) = rows_of("gsm8k", {"question": "a", "answer": "#### 3 is wrong\n#### 4"})
    assert last["reference"] == "4"


def test_sharegpt() -> None:
    assert example("sharegpt")["messages"] == talk(
        "user: Hi there", "assistant: Hello!", "user: What is 2 + 2?", "assistant: 4"
    )
    cut = example("sharegpt", 1)
    assert cut["messages"] == talk("user: Go on", "assistant: Then it ended.")
    assert cut["metadata"] == {"turns_before_first_question": 1}
    assert example("sharegpt", 2)["messages"] == talk("user: Who?", "assistant: Me.")
    assert example("sharegpt", 3)["messages"] == [
        *talk("system: Be brief.", "user: Name a tree."),
        {"role": "assistant", "content": "Oak.", "train": True},
    ]
    tools = example("sharegpt", 4)
    call = {"type": "function", "function": {"name": "add", "arguments": {"a": 2, "b": 3}}}
    assert tools["messages"][0] == {"role": "system", "content": "Use tools."}
    assert tools["messages"][2:4] == [{"role": "assistant", "content": "", "tool_calls": [call]}, *talk("tool: 5")]
    assert tools["tools"] == [{"type": "function", "function": {"name": "add", "parameters": {}}}]
    assert "metadata" not in tools


@pytest.mark.parametrize("role", ["gpt", "chatgpt", "bing", "bard", "assistant", "model", "GPT", " Assistant"])
def test_the_assistant_has_many_names(role: str) -> None:
    (row,) = rows_of("sharegpt", {"conversations": [{"from": "human", "value": "a"}, {"from": role, "value": "b"}]})
    assert row["messages"][1] == {"role": "assistant", "content": "b"}


def test_an_empty_system_turn_says_nothing() -> None:
    (row,) = rows_of("sharegpt", {"conversations": [{"from": "system", "value": " "}, *said("a", "b")], "system": "S"})
    assert row["messages"] == talk("system: S", "user: a", "assistant: b")
    (row,) = rows_of("sharegpt", {"conversations": [{"from": "system", "value": "T"}, *said("a", "b")], "system": "S"})
    assert row["messages"] == talk("system: T", "user: a", "assistant: b")
    assert row["metadata"] == {"system": "S"}


def test_saved_web_pages_are_not_trained_on() -> None:
    page = '<div class="markdown prose w-full"><p>Yes</p></div>'
    (fault,) = rows_of("sharegpt", {"conversations": said("a", page)})
    assert fault.code == "content_unsupported"
    (row,) = rows_of("sharegpt", {"conversations": said("Write HTML.", "<div>a</div>")})
    assert row["messages"][1]["content"] == "<div>a</div>"


def test_data_sets_in_the_manner_of_sharegpt() -> None:
    row = example("openhermes")
    assert row["messages"][0] == {"role": "system", "content": "You are terse."}
    assert (row["id"], row["source"], row["family"]) == ("src-1", "airoboros2.2", "orca")
    assert row["metadata"] == {"skip_prompt_formatting": False}
    assert example("openhermes", 1)["metadata"] == {"idx": 7, "title": "yes"}
    assert example("evol_instruct_v2")["id"] == "0WqsNDg"
    row = example("magpie")
    assert (row["id"], row["family"]) == ("11-22", "Information seeking")
    assert row["metadata"] == {
        "model": "some-model",
        "gen_input_configs": {"temperature": 1.0, "top_p": 1.0, "seed": None},
        "other_task_category": ["Education"],
        "difficulty": "easy",
        "instruct_reward": -3.5,
        "repeat_count": 0,
        "language": "EN",
    }
    (row,) = rows_of("magpie", {"uuid": "1", "instruction": "a", "response": "b", "instruction_2": "c", "response_2": "d"})
    assert row["messages"] == talk("user: a", "assistant: b", "user: c", "assistant: d")
    (row,) = rows_of("magpie", {"uuid": "1", "instruction": "other", "response": "b", "conversations": said("a", "b")})
    assert row["metadata"] == {"instruction": "other"}


def test_lists_of_texts() -> None:
    row = example("lima", 1)
    assert row["messages"] == talk("user: Hi", "assistant: Hello.", "user: Bye", "assistant: Goodbye.")
    assert row["source"] == "multi_turn"
    (fault,) = rows_of("lima", {"conversations": ["A question of the test part"], "source": "test"})
    assert fault.code == "nothing_converted"
    assert (example("ultrachat")["id"], len(example("ultrachat")["messages"])) == ("0", 4)
    row = example("ultrachat_200k")
    assert (row["id"], "metadata" in row) == ("f0e1", False)
    (row,) = rows_of("ultrachat_200k", {"prompt": "other", "messages": spoken("a", "b")})
    assert row["metadata"] == {"prompt": "other"}


def test_messages_of_openai() -> None:
    row = example("messages", 1)
    arguments = {"name": "add", "arguments": {"a": 2, "b": 3}}
    assert row["messages"] == [
        {"role": "system", "content": "Use tools."},
        {"role": "user", "content": "2 + 3, and 4 + 5?", "name": "ann"},
        {
            "role": "assistant",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": arguments},
                {"id": "c2", "type": "function", "function": {"name": "add", "arguments": {"a": 4, "b": 5}}},
            ],
            "content": "",
        },
        {"role": "tool", "content": "9", "tool_call_id": "c2"},
        {"role": "tool", "content": "5", "tool_call_id": "c1"},
        {"role": "assistant", "content": "5 and 9."},
    ]
    assert row["tools"] == [{"type": "function", "function": TOOL}]
    assert row["metadata"] == {"parallel_tool_calls": True}
    older = example("messages", 2)
    assert older["messages"][1:] == [
        {"role": "assistant", "tool_calls": [{"type": "function", "function": arguments}], "content": ""},
        {"role": "tool", "content": "5", "name": "add"},
        {"role": "assistant", "content": "5", "train": True},
        {"role": "user", "content": "Are you sure?"},
        {"role": "assistant", "content": "No.", "train": False},
    ]
    assert older["tools"] == row["tools"]


def test_what_a_message_may_hold_besides() -> None:
    turns = [
        {"role": "user", "content": "a", "weight": 0, "language": "en", "toxic": False, "redacted": None},
        {"role": "assistant", "content": "b", "thinking": "hm", "train": False},
        {"role": "user", "content": "c"},
        {"role": "assistant", "content": None, "refusal": "I won't.", "tool_calls": [], "images": []},
    ]
    (row,) = rows_of("messages", {"messages": turns})
    assert row["messages"] == [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b", "train": False, "reasoning_content": "hm"},
        {"role": "user", "content": "c"},
        {"role": "assistant", "content": "I won't."},
    ]
    assert row["metadata"] == {"turns": {"0": {"language": "en", "toxic": False}}}


def test_tulu_keeps_its_names() -> None:
    row = example("tulu3")
    assert row == EXAMPLES["tulu3"][0]


def test_preference_pairs() -> None:
    assert example("preference") == {
        "id": "src-1",
        "messages": talk("user: Name a bird.", "assistant: A wren."),
        "source": "src",
        "metadata": {"rejected": "A bat."},
    }
    whole = example("preference", 1)
    assert whole["messages"] == talk("user: Name a fish.", "assistant: A pike.")
    assert whole["metadata"] == {"score_chosen": 9.0, "score_rejected": 2.0, "rejected": "A whale."}
    assert whole["id"] == "p1"
    shared = [*talk("user: Hi"), {"role": "assistant", "content": "Hello.", "train": False}]
    assert example("preference", 2)["messages"] == [*shared, *talk("user: Bye", "assistant: Goodbye.")]
    text = example("preference", 3)
    assert text["messages"] == [*shared, *talk("user: Name a bee.", "assistant: A bumblebee.")]
    assert text["metadata"] == {"rejected": "A fly."}
    told = talk("system: Be right.", "user: 2 + 2?", "assistant: 4")
    assert example("preference", 4)["messages"] == told
    (row,) = rows_of("preference", {"prompt": "2 + 2?", "chosen": told, "rejected": [*told[:2], *talk("assistant: 5")]})
    assert (row["messages"], row["metadata"]) == (told, {"rejected": "5"})


def test_preference_pairs_that_part_early_or_not_at_all() -> None:
    pair = {"chosen": spoken("a", "b", "c", "d"), "rejected": spoken("a", "x", "y", "z"), "prompt": "q"}
    (row,) = rows_of("preference", pair)
    assert row["messages"] == spoken("a", "b", "c", "d")
    assert row["metadata"] == {"prompt": "q", "rejected": spoken("a", "x", "y", "z")[1:]}
    (row,) = rows_of("preference", {"prompt": "q", "chosen": "same", "rejected": "same", "messages": spoken("q", "other")})
    assert row["messages"] == talk("user: q", "assistant: same")
    assert row["metadata"] == {"rejected": "same", "messages": spoken("q", "other")}
    (fault,) = rows_of("preference", {"chosen": "a", "rejected": "b"})
    assert fault.code == "field_missing"
    (row,) = rows_of("preference", {"instruction": "Add.", "input": "1, 2", "chosen": "3", "rejected": "4"})
    assert row["messages"][0]["content"] == "Add.\n\n1, 2"


def test_names_and_what_else_a_record_says() -> None:
    day = datetime.date(2024, 2, 29)
    record = {
        "id": 17,
        "instruction": "a",
        "output": "b",
        "source": "elsewhere",
        "family": "letters",
        "metadata": {"level": 3},
        "made": day,
        "price": decimal.Decimal("1.50"),
        "score": float("nan"),
        "tags": [{"at": day, "odd": float("inf")}],
        "note": None,
    }
    (row,) = rows_of("alpaca", record)
    assert (row["id"], row["source"], row["family"]) == ("17", "elsewhere", "letters")
    assert row["metadata"] == {"level": 3, "made": "2024-02-29", "price": "1.50", "tags": [{"at": "2024-02-29", "odd": None}]}
    assert json.dumps(row)
    first, second, third = rows_of(
        "alpaca",
        {"id": " ", "instruction": "a", "output": "b", "source": ["one", "two"]},
        {"id": None, "instruction": "c", "output": "d", "family": 3},
        {"id": True, "instruction": "e", "output": "f"},
    )
    assert (first["id"], first["source"], first["metadata"]) == ("src-1", "src", {"source": ["one", "two"]})
    assert (second["id"], second["metadata"]) == ("src-2", {"family": 3})
    assert (third.code, third.detail) == ("field_type", "id is a bool, not text")


def test_the_call_of_a_turn_may_be_one_or_several() -> None:
    turns = [{"from": "human", "value": "a"}, {"from": "function_call", "value": json.dumps([CALL, {"name": "stop"}])}]
    (row,) = rows_of("sharegpt", {"conversations": turns})
    calls = [call["function"] for call in row["messages"][1]["tool_calls"]]
    assert calls == [{"name": "add", "arguments": {"a": 2, "b": 3}}, {"name": "stop", "arguments": {}}]


@columns("riddle", kind="prompts", licence="ours", citation="none")
def riddles(record: Row) -> Iterator[Row]:
    if record["riddle"] == "broken":
        raise KeyError("a fault of the plug-in")
    if record["riddle"] == "old":
        raise Unconvertible("nothing_converted", "too old")
    for part in record["riddle"].split("|"):
        yield {"messages": [{"role": "user", "content": part}], "reference": "1", "verifier": "exact", "family": "riddles"}


def undecorated(record: Row) -> Iterable[Row]:
    return [record]


def test_a_format_of_ones_own() -> None:
    name = f"{__name__}:riddles"
    assert kind_of(name) == "prompts"
    one, two, broken, old, none = rows_of(name, {"riddle": "a|b"}, {"riddle": "broken"}, {"riddle": "old"}, {"riddle": None})
    assert (one["id"], two["id"], "source" in one) == ("src-1/0", "src-1/1", False)
    assert (broken.code, broken.detail) == ("broken_row", "the format riddles failed on it with KeyError")
    assert (old.code, old.detail, old.place, old.record) == ("nothing_converted", "too old", "rows:3", {"riddle": "old"})
    assert none.code == "format_mismatch"
    with pytest.raises(ConfigurationError, match="does not say what its columns are; decorate it"):
        kind_of(f"{__name__}:undecorated")
    with pytest.raises(UnknownPluginError, match=r"no format is called 'alpacca'; known: alpaca, .*chat, "):
        convert("alpacca", [], "src")


def test_faults_of_the_source_are_passed_on() -> None:
    fault = Fault("broken_json", "rows:1", "cut off", "{")
    first, second = convert("alpaca", [fault, *records(EXAMPLES["alpaca"][0])], "src")
    assert (first, second["id"]) == (fault, "src-2")


@pytest.mark.parametrize("name", UPSTREAM)
def test_every_format_is_documented(name: str) -> None:
    text = (ROOT / "tasks/data/formats/FORMATS.md").read_text("utf-8")
    sections = dict(re.findall(r"^## `(\w+)`.*?\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE))
    described = about(name)
    assert name in sections, f"FORMATS.md has no section {name}"
    told = " ".join(sections[name].split())
    for said_of_it in (described.licence, described.citation):
        assert said_of_it in told
    assert [column for column in sorted(described.known - {"family"}) if f"`{column}`" not in told] == []


def test_the_published_files_convert_whole() -> None:
    """Where they are: a checkout by itself has its own rows only."""
    for file, name, count in (("gsm8k/test.jsonl", "gsm8k", 1319), ("self_instruct/seed_tasks.jsonl", "self_instruct", 175)):
        if (SHARED / file).exists():
            loaded = load(SHARED / file)
            accepted, rejects = check_rows(loaded.kind, loaded.rows)
            assert (loaded.format, len(accepted), rejects) == (name, count, [])
