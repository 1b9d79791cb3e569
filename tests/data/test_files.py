"""Rows in users' files: what is read, and what each kind of bad file says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.data.files import file_chat_rows, file_prompts, file_sha256, read_file
from tasks.data.procedural import Draw
from tasks.data.questions import all_questions
from tasks.data.settings import DataSettings
from tasks.runtime.errors import ConfigurationError, DataError, UnknownPluginError
from tasks.runtime.rows import write_rows


def prompt(name: str, **changed: Any) -> dict[str, Any]:
    turns = [{"role": "user", "content": f"What is {name}?"}]
    return {"id": name, "messages": turns, "reference": "8", "verifier": "number", "family": "sums"} | changed


def write(path: Path, rows: list[Any]) -> str:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return str(path)


FIRST = Draw("train", 1, 0, 0)


def drawn(path: str, count: int = 10, draw: Draw = FIRST, exclude: Any = frozenset()) -> list[str]:
    settings = DataSettings(train_file=path, evaluation_file=path)
    return [row["id"] for row in file_prompts(settings, draw, count, exclude)]


def test_json_lines_parquet_and_artifacts_hold_the_same_rows(tmp_path: Path) -> None:
    rows = [prompt("a", metadata={"level": 3}), prompt("b")]
    folder = tmp_path / "artifact"
    folder.mkdir()
    write_rows(folder, "prompts", rows)
    (tmp_path / "ours.parquet").write_bytes((folder / "rows-00000.parquet").read_bytes())
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "nested.parquet")
    write(tmp_path / "lines.jsonl", [rows[0], "", rows[1]])
    (tmp_path / "marked.ndjson").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "lines.jsonl").read_bytes())
    for name in ("artifact", "ours.parquet", "nested.parquet", "lines.jsonl", "marked.ndjson"):
        assert list(read_file(tmp_path / name, "prompts")) == rows, name


def broken(good: str) -> Callable[[Path], str]:
    return lambda folder: write(folder / "rows.jsonl", [prompt("a"), good, prompt("c")])


BAD: dict[str, tuple[Callable[[Path], str], str]] = {
    "missing": (lambda folder: str(folder / "no.jsonl"), "no.jsonl does not exist; correct the path"),
    "folder that is none": (lambda folder: str(folder), "holds no rows"),
    "empty": (lambda folder: write(folder / "rows.jsonl", []), "holds no rows"),
    "blank": (lambda folder: write(folder / "rows.jsonl", ["", " "]), "holds no rows"),
    "cut off": (broken('{"id": "b", "mess'), r"rows.jsonl:2 is not a JSON line"),
    "not utf-8": (broken('{"id": "b\udcff"}'), "rows.jsonl:2"),
    "deep": (broken("[" * 100_000), "rows.jsonl:2 is not a JSON line"),
    "a list": (broken("[1]"), "rows.jsonl:2: a list, not an object"),
    "unknown field": (broken(json.dumps(prompt("b", answer="8"))), "rows.jsonl:2: unknown fields answer; a prompts row has"),
    "no reference": (broken(json.dumps(prompt("b", reference=None))), "rows.jsonl:2: no reference"),
    "blank reference": (broken(json.dumps(prompt("b", reference="  "))), "prompt 'b' has no reference; give its right answer"),
    "number as reference": (broken(json.dumps(prompt("b", reference=8))), "rows.jsonl:2: reference is a int, expected string"),
    "no messages": (broken(json.dumps(prompt("b", messages="3 + 5"))), "rows.jsonl:2: messages is text and not JSON"),
    "odd messages": (broken(json.dumps(prompt("b", messages=["3 + 5"]))), "rows.jsonl:2: messages must be a list of objects"),
    "nobody asks": (broken(json.dumps(prompt("b", messages=[]))), "prompt 'b' has no user turn"),
    "same id twice": (broken(json.dumps(prompt("a"))), "two rows are called 'a'; give each its own id"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_prompt_file_says_where_and_what_to_change(case: str, tmp_path: Path) -> None:
    make, message = BAD[case]
    if case == "not utf-8":
        path = tmp_path / "rows.jsonl"
        path.write_bytes(json.dumps(prompt("a")).encode() + b'\n{"id": "\xff"}\n')
        named = str(path)
    else:
        named = make(tmp_path)
    with pytest.raises(DataError, match=message):
        drawn(named)


def test_a_file_that_is_no_parquet_and_an_unknown_ending_are_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match=r"rows\.parquet cannot be read"):
        drawn(str(tmp_path / "rows.parquet"))
    with pytest.raises(ConfigurationError, match=r"ending '.csv' is not known; use .jsonl or .parquet"):
        drawn(write(tmp_path / "rows.csv", ["a,b"]))


def test_an_unknown_verifier_lists_those_that_exist(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", [prompt("a", verifier="numbers")])
    with pytest.raises(UnknownPluginError, match="exact, number, reasoning_gym"):
        drawn(path)


def test_rounds_take_different_prompts_until_the_pool_is_used_up(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", [prompt(f"p{i}") for i in range(10)])
    rounds = [drawn(path, 4, Draw("train", 1, number, 0)) for number in range(5)]
    assert all(len(set(taken)) == 4 for taken in rounds)
    assert not set(rounds[0]) & set(rounds[1])
    assert {name for taken in rounds for name in taken} == {f"p{i}" for i in range(10)}
    assert drawn(path, 4, Draw("train", 2, 0, 0)) != rounds[0] == drawn(path, 4, Draw("train", 1, 0, 0))
    assert sorted(drawn(path, 99)) == sorted(f"p{i}" for i in range(10))


def test_prompts_that_are_asked_elsewhere_are_left_out(tmp_path: Path) -> None:
    rows = [prompt(f"p{i}") for i in range(4)]
    path = write(tmp_path / "rows.jsonl", rows)
    assert sorted(drawn(path, exclude=all_questions(rows[:2]))) == ["p2", "p3"]
    with pytest.raises(DataError, match="every prompt is asked elsewhere already"):
        drawn(path, exclude=all_questions(rows))


def test_a_missing_family_is_the_files_name(tmp_path: Path) -> None:
    path = write(tmp_path / "riddles.jsonl", [prompt("a", family=None)])
    (row,) = file_prompts(DataSettings(train_file=path), Draw("train", 1, 0, 0), 1, frozenset())
    assert row["family"] == "riddles"


def test_chat_rows_are_taken_in_order_and_faulty_ones_left_for_validation(tmp_path: Path) -> None:
    rows = [
        {"id": str(i), "messages": [{"role": "user", "content": str(i)}, {"role": "assistant", "content": ""}]}
        for i in range(5)
    ]
    path = write(tmp_path / "warm.jsonl", rows)
    taken = list(file_chat_rows(path, 3, all_questions(rows[:1])))
    assert [row["id"] for row in taken] == ["1", "2", "3"]
    assert {row["source"] for row in taken} == {"warm"}
    with pytest.raises(DataError, match="every row asks an evaluation item's question"):
        list(file_chat_rows(path, 3, all_questions(rows)))


def test_the_digest_is_of_the_content(tmp_path: Path) -> None:
    one, other = write(tmp_path / "a.jsonl", [prompt("a")]), write(tmp_path / "b.jsonl", [prompt("a")])
    assert file_sha256(one) == file_sha256(other) != file_sha256(write(tmp_path / "c.jsonl", [prompt("c")]))
    assert file_sha256("") == ""
    with pytest.raises(DataError, match="does not exist"):
        file_sha256(str(tmp_path / "no.jsonl"))
