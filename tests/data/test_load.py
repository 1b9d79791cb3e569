"""From any source to rows: what they are is told from the records, and what is no row says where it stood."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.data.load import load, load_kind, sound_rows
from tasks.data.records import Fault
from tasks.runtime.errors import ConfigurationError, DataError
from tasks.runtime.rows import write_rows
from tests.validate.rows import chat, label, prompt, sample, without

SHARED = Path(__file__).parents[3] / "shared" / "data"
VERDICT = {"sample_id": "p/1/0", "verifier": "exact", "verifier_version": "1", "state": "accepted", "score": 1.0, "reason": ""}


def lines(path: Path, *rows: Any) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("kind", "row"),
    [("chat", chat()), ("prompts", prompt()), ("labels", label()), ("samples", sample()), ("verdicts", VERDICT)],
)
def test_our_own_rows_are_known_and_left_as_they_are(tmp_path: Path, kind: str, row: dict[str, Any]) -> None:
    loaded = load(lines(tmp_path / "rows.jsonl", row))
    assert (loaded.kind, loaded.format, list(loaded.rows)) == (kind, kind, [row])
    write_rows(tmp_path, kind, [row])
    for place in (tmp_path / "rows-00000.parquet", tmp_path):
        loaded = load(place)
        assert (loaded.kind, list(loaded.rows)) == (kind, [row])
    assert list(load(tmp_path / "rows.jsonl", kind).rows) == [row]


def test_a_row_without_a_name_is_called_after_its_source(tmp_path: Path) -> None:
    (row,) = load(lines(tmp_path / "mine.jsonl", without(chat(), "source"))).rows
    assert row == {**chat(), "source": "mine"}
    packed = tmp_path / "riddles.jsonl.gz"
    packed.write_bytes(gzip.compress(json.dumps({**prompt(), "family": None}).encode()))
    (row,) = load(packed).rows
    assert row == {**prompt(), "family": "riddles"}


def test_nested_parquet_as_datasets_writes_it(tmp_path: Path) -> None:
    rows = [{**chat("a"), "metadata": {"level": 3}}, chat("b")]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "nested.parquet")
    assert list(load(tmp_path / "nested.parquet").rows) == rows


def test_what_is_no_record_is_a_fault_among_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(chat()).encode() + b'\n\n{"id": \n"\xff"\n')
    first, broken, undecodable = load(path).rows
    assert first == chat()
    assert isinstance(broken, Fault)
    assert isinstance(undecodable, Fault)
    assert (broken.code, broken.place) == ("broken_json", f"{path}:3")
    assert (undecodable.code, undecodable.place) == ("broken_json", f"{path}:4")


def test_other_formats_become_rows(tmp_path: Path) -> None:
    loaded = load(SHARED / "gsm8k" / "test.jsonl")
    rows = list(loaded.rows)
    assert (loaded.kind, loaded.format, len(rows)) == ("prompts", "gsm8k", 1319)
    assert (rows[0]["reference"], rows[0]["verifier"]) == ("18", "number")
    tasks = [
        {"instruction": "Add.", "input": "2, 3", "output": "5"},
        {"instruction": "Greet.", "input": "", "output": "Hello!"},
    ]
    (tmp_path / "tasks.json").write_text(json.dumps(tasks, indent=2))
    loaded = load(tmp_path / "tasks.json")
    assert (loaded.kind, loaded.format) == ("chat", "alpaca")
    assert [row["messages"][-1] for row in loaded.rows] == [{"role": "assistant", "content": text} for text in ("5", "Hello!")]


def test_sources_that_hold_nothing_to_use(tmp_path: Path) -> None:
    for content in ("", "\n\n"):
        (tmp_path / "rows.jsonl").write_text(content)
        with pytest.raises(DataError, match=r"rows\.jsonl holds no rows"):
            load(tmp_path / "rows.jsonl")
    with pytest.raises(DataError, match=r"rows\.jsonl"):
        load(lines(tmp_path / "rows.jsonl", "no json", "none either"))
    with pytest.raises(DataError, match=r"rows\.jsonl.*colour"):
        load(lines(tmp_path / "rows.jsonl", {"colour": "red"}))
    with pytest.raises((ConfigurationError, DataError), match="chats"):
        load(lines(tmp_path / "rows.jsonl", chat()), "chats")
    with pytest.raises(DataError, match=r"holds chat rows \(format chat\), and prompts rows are needed here"):
        load_kind(tmp_path / "rows.jsonl", "prompts")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ('{"id": "b", "mess', "rows.jsonl:2: .*broken_json.*; correct or remove it"),
        ("[1]", "row 2: a list, not an object"),
        (prompt("b", answer="8"), "row 2: unknown fields answer; a prompts row has"),
        (without(prompt("b"), "reference"), "row 2: no reference; a prompts row needs"),
        (prompt("b", reference=8), "row 2: reference is a int, expected string"),
        (prompt("b", messages="3 + 5"), "row 2: messages must be a list of objects"),
        (prompt("b", messages=["3 + 5"]), "row 2: messages must be a list of objects"),
    ],
)
def test_a_command_that_needs_every_row_names_the_first_that_is_none(row: Any, said: str, tmp_path: Path) -> None:
    path = lines(tmp_path / "rows.jsonl", prompt("a"), row, prompt("c"))
    with pytest.raises(DataError, match=said):
        list(sound_rows(path, "prompts"))
    assert list(sound_rows(lines(path, prompt("a")), "prompts")) == [prompt("a")]


def test_samples_and_verdicts_of_others_need_a_few_fields_only(tmp_path: Path) -> None:
    for kind, row in (
        ("samples", {"sample_id": "a/0", "prompt_id": "a", "text": "8", "finish_reason": "stop"}),
        ("verdicts", {"sample_id": "a/0", "state": "accepted"}),
    ):
        assert list(sound_rows(lines(tmp_path / "rows.jsonl", row), kind)) == [row]


@pytest.mark.parametrize("row", [without(prompt(verifier="judge"), "reference"), prompt(verifier="judge", reference=None)])
def test_a_prompt_whose_verifier_needs_no_reference_has_an_empty_one(tmp_path: Path, row: dict[str, Any]) -> None:
    (read,) = sound_rows(lines(tmp_path / "rows.jsonl", row), "prompts")
    assert read == prompt(verifier="judge", reference="")


@pytest.mark.parametrize("verifier", ["number", "no such", "os:system", 5])
def test_any_other_prompt_must_have_one(tmp_path: Path, verifier: Any) -> None:
    with pytest.raises(DataError, match="row 1: no reference; a prompts row needs"):
        list(sound_rows(lines(tmp_path / "rows.jsonl", without(prompt(verifier=verifier), "reference")), "prompts"))
