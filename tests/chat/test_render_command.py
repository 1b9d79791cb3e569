"""`winnow render` as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from flows.commands.render import render
from tasks.chat.labels import label_rows
from tasks.chat.settings import RenderSettings
from tasks.runtime.errors import ConfigurationError, DataError
from tests.chat.test_labels import row

app = typer.Typer()
app.command()(render)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer.save_pretrained(folder)
    return folder


def call(path: Path, folder: Path, *arguments: Any) -> Any:
    return CliRunner().invoke(app, [str(path), "--tokenizer", str(folder), *map(str, arguments)])


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(item) + "\n" for item in rows))
    return path


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
@pytest.mark.parametrize("mask", ["assistant", "last", "full"])
def test_rows_become_label_rows(tmp_path: Path, folder: Path, tokenizer: Any, ending: str, mask: str) -> None:
    chats = [row("q", "a", "r", "b é", id="1"), row("q", "c", id="2")]
    out = tmp_path / "below" / f"labels.{ending}"
    done = call(write(tmp_path / "chat.jsonl", *chats), folder, "--mask", mask, "--out", out, "--json")
    data = json.loads(done.stdout)
    expected = list(label_rows(tokenizer, chats, RenderSettings(mask=mask)))  # type: ignore[arg-type]
    read = pq.read_table(out).to_pylist() if ending == "parquet" else map(json.loads, out.read_text().splitlines())
    assert [{name: item[name] for name in ("id", "input_ids", "labels")} for item in read] == expected
    assert (data["rows"], data["dropped"], data["reasons"]) == (2, 0, {})
    assert data["tokens"] == sum(len(item["input_ids"]) for item in expected)


def test_dropped_rows_are_counted_by_reason(tmp_path: Path, folder: Path) -> None:
    rows = [row("q", "a"), row("only a question"), row("q", "w " * 200), {"id": "3"}]
    path = write(tmp_path / "chat.jsonl", *rows)
    with path.open("a") as file:
        file.write("{broken\n")
    arguments = (path, folder, "--out", tmp_path / "labels.jsonl", "--max-tokens", 100)
    data = json.loads(call(*arguments, "--json").stdout)
    assert data["reasons"] == {"no_label": 1, "too_long": 1, "field_missing": 1, "broken_json": 1}
    assert (data["rows"], data["dropped"]) == (1, 4)
    assert "too_long" in call(*arguments).stdout


def test_nothing_rendered_leaves_nothing_behind(tmp_path: Path, folder: Path) -> None:
    done = call(write(tmp_path / "chat.jsonl", row("a question")), folder, "--out", tmp_path / "labels.parquet")
    assert isinstance(done.exception, DataError)
    assert "no_label (1)" in str(done.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["chat.jsonl"]


def test_wrong_arguments(tmp_path: Path, folder: Path) -> None:
    path = write(tmp_path / "chat.jsonl", row("q", "a"))
    assert "use .jsonl or .parquet" in str(call(path, folder, "--out", tmp_path / "labels.csv").exception)
    assert isinstance(call(path, folder, "--out", path / "labels.jsonl").exception, ConfigurationError)
    assert isinstance(call(path, folder, "--mask", "x", "--out", tmp_path / "l.jsonl").exception, ConfigurationError)
    assert isinstance(call(path, tmp_path / "no", "--out", tmp_path / "l.jsonl").exception, ConfigurationError)
    assert isinstance(call(tmp_path / "no", folder, "--out", tmp_path / "l.jsonl").exception, DataError)
