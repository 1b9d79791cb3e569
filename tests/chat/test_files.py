"""Folders of chat rows to a folder of label rows: counts that add up, and what was left out and why."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tasks.chat.files import DROPPED, render_files
from tasks.chat.labels import label_rows
from tasks.chat.settings import RenderSettings
from tasks.runtime.errors import ContractError, DataError
from tasks.runtime.progress import Progress, listening
from tasks.runtime.rows import read_rows, write_rows
from tests.chat import templates
from tests.chat.test_labels import END, row

ROWS = [
    row("q", "a", id="short"),
    row("only a question", id="silent"),
    row("w " * 60, "one", "x", "two", id="long"),
    row("q", f"a{END}", id="control"),
    row("q " * 90, "a", id="too long"),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer.save_pretrained(folder)
    return folder


def rendered(model: Path, out: Path, rows: list[dict[str, Any]], total: int = 0, **fields: Any) -> Any:
    """Two folders of rows → what `render_files` says."""
    folders = [out / "chat0", out / "chat1"]
    for number, folder in enumerate(folders):
        folder.mkdir(parents=True)
        write_rows(folder, "chat", rows[number::2])
    return render_files(folders, total or len(rows), model, RenderSettings(**fields), out)


def test_each_row_is_rendered_or_dropped(model: Path, tmp_path: Path, tokenizer: Any) -> None:
    settings = {"max_tokens": 60, "too_long": "left_context"}
    heard: list[Progress] = []
    with listening(heard.append):
        done = rendered(model, tmp_path, ROWS, **settings)
    in_order = ROWS[0::2] + ROWS[1::2]
    made = list(read_rows(tmp_path))
    expected = label_rows(tokenizer, in_order, RenderSettings(**settings))
    assert made == [item for item in expected if isinstance(item, dict)]
    assert [item["id"] for item in made] == ["short", "long"]
    assert done["reasons"] == {"no_label": 1, "control_token": 1, "too_long": 1}
    assert done["counts"] == {
        "rows": 2,
        "tokens": sum(len(item["input_ids"]) for item in made),
        "label_tokens": sum(label != -100 for item in made for label in item["labels"]),
        "dropped": 3,
        "shortened": 1,
        "split": 0,
    }
    notes = [json.loads(line) for line in (tmp_path / DROPPED).read_text().splitlines()]
    assert {note["id"]: note["reason"] for note in notes} == {
        "long": "shortened",
        "too long": "too_long",
        "silent": "no_label",
        "control": "control_token",
    }
    assert notes[0]["detail"] == "2 messages at its start were left out"
    assert (heard[-1].done, heard[-1].total, heard[-1].unit) == (5, 5, "rows")


def test_packs_are_counted_as_the_rows_of_the_file(model: Path, tmp_path: Path) -> None:
    done = rendered(model, tmp_path, [row("q", "a", id=str(number)) for number in range(10)], max_tokens=64, pack_tokens=128)
    packs = list(read_rows(tmp_path))
    assert sorted(member for pack in packs for member in pack["members"]) == [str(number) for number in range(10)]
    assert (done["counts"]["rows"], done["counts"]["members"]) == (len(packs), 10)
    assert done["counts"]["tokens"] == sum(len(pack["input_ids"]) for pack in packs)


def test_rows_split_by_the_template_are_counted(with_template: Callable[[str], Any], tmp_path: Path) -> None:
    with_template(templates.THINKING).save_pretrained(tmp_path / "model")
    done = rendered(tmp_path / "model", tmp_path / "out", [row("q", "a", "r", "b", id="1"), row("q", "a", id="2")])
    assert (done["counts"]["rows"], done["counts"]["split"]) == (3, 1)
    assert [item["id"] for item in read_rows(tmp_path / "out")] == ["1#1", "1#3", "2"]


def test_nothing_rendered_is_refused_with_the_reasons(model: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none of 2 rows could be rendered: no_label \(2\)\. too_long: raise max_tokens"):
        rendered(model, tmp_path, [row("a question", id="1"), row("another", id="2")])


def test_rows_that_are_missing_are_noticed(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="6 chat rows were to be rendered, and 5"):
        rendered(model, tmp_path, ROWS, total=6)


def test_an_error_stops_the_rendering(model: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="chat row 'too long' has"):
        rendered(model, tmp_path, ROWS, max_tokens=120, too_long="error")


def test_packs_must_hold_the_longest_row() -> None:
    with pytest.raises(ValidationError, match="raise pack_tokens or lower max_tokens"):
        RenderSettings(max_tokens=512, pack_tokens=256)
    assert RenderSettings(max_tokens=512, pack_tokens=512).pack_tokens == 512
