"""Reading a user's file: its kind, its broken lines, and what cannot be read at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.runtime.errors import DataError
from tasks.runtime.rows import write_rows
from tasks.validate.files import read_file
from tasks.validate.structure import BrokenLine
from tests.validate.rows import chat, label, prompt, sample, without


def jsonl(path: Path, *rows: Any) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(("kind", "row"), [("chat", chat()), ("prompts", prompt()), ("labels", label()), ("samples", sample())])
def test_the_kind_is_told_from_the_fields(tmp_path: Path, kind: str, row: dict[str, Any]) -> None:
    found, rows = read_file(jsonl(tmp_path / "rows.jsonl", row))
    assert (found, list(rows)) == (kind, [row])
    write_rows(tmp_path, kind, [row])
    found, rows = read_file(tmp_path / "rows-00000.parquet")
    assert (found, list(rows)) == (kind, [row])
    found, rows = read_file(tmp_path)
    assert (found, list(rows)) == (kind, [row])


def test_prompts_without_references_are_prompts_still(tmp_path: Path) -> None:
    assert read_file(jsonl(tmp_path / "p.jsonl", without(prompt(), "reference")))[0] == "prompts"


def test_nested_parquet_as_datasets_writes_it(tmp_path: Path) -> None:
    rows = [chat("a"), chat("b")]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "nested.parquet")
    assert list(read_file(tmp_path / "nested.parquet")[1]) == rows


def test_broken_lines_come_with_their_number(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(chat()).encode() + b'\n\n{"id": \n"\xff"\n[1]\n')
    first, broken, undecodable, other = read_file(path)[1]
    assert first == chat()
    assert isinstance(broken, BrokenLine)
    assert isinstance(undecodable, BrokenLine)
    assert (broken.line, undecodable.line) == (3, 4)
    assert other == [1]


def test_a_chat_row_without_source_comes_from_its_file(tmp_path: Path) -> None:
    (row,) = read_file(jsonl(tmp_path / "mine.jsonl", without(chat(), "source")))[1]
    assert row["source"] == "mine.jsonl"


def test_unknown_fields_are_named_and_known_ones_too(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"fields answer, question are those of no known kind.*chat: id, messages, source"):
        read_file(jsonl(tmp_path / "gsm.jsonl", {"question": "q", "answer": "a"}))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no rows"),
        (b"\n\n", "holds no rows"),
        (b"not json\n", "no JSON object in its first lines"),
        (b"PAR1 and then nothing", "cannot be read"),
    ],
)
def test_files_that_are_no_rows(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_file(tmp_path / "file")


def test_places_without_a_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="check the path"):
        read_file(tmp_path / "absent.jsonl")
    with pytest.raises(DataError, match=r"without rows-\*\.parquet"):
        read_file(tmp_path)
    with pytest.raises(DataError, match="known: chat"):
        read_file(jsonl(tmp_path / "a.jsonl", chat()), "chats")
