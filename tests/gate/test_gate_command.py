"""``winnow gate`` on real files."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from flows.commands.gate import gate
from tasks.runtime.errors import ContractError, DataError
from tasks.runtime.rows import write_rows
from tests.gate.scoring import Rows, sides

app = typer.Typer()
app.command()(gate)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def jsonl(path: Path, rows: Rows) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + "\n")
    return str(path)


def parquet(folder: Path, rows: Rows) -> str:
    folder.mkdir()
    write_rows(folder, "scores", rows)
    return str(folder / "rows-00000.parquet")


@pytest.mark.parametrize("look", [[], ["--look", "1"]])
def test_promote_is_exit_code_0_and_one_json_object(tmp_path: Path, look: list[str]) -> None:
    ours, theirs = sides(40, 10, 50)
    result = run(
        "--champion", parquet(tmp_path / "a", theirs), "--candidate", jsonl(tmp_path / "b.jsonl", ours), "--json", *look
    )
    assert result.exit_code == 0
    printed = json.loads(result.stdout)
    assert (printed["decision"], printed["wins"], printed["losses"], printed["ties"]) == ("promote", 40, 10, 50)
    assert printed["alpha"] == pytest.approx(0.05 * 6 / math.pi**2 if look else 0.05)
    assert printed["p_value"] < 0.001


@pytest.mark.parametrize(("wins", "losses", "error"), [(0, 0, False), (3, 30, False), (50, 0, True)])
def test_refuse_and_no_decision_are_exit_code_2(tmp_path: Path, wins: int, losses: int, error: bool) -> None:
    ours, theirs = sides(wins, losses, 20)
    if error:
        ours[0]["state"] = "error"
    files = ["--champion", jsonl(tmp_path / "a", theirs), "--candidate", jsonl(tmp_path / "b", ours)]
    result = run(*files, "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["decision"] == ("no_decision" if error else "refuse")
    shown = run(*files)
    assert shown.exit_code == 2
    assert "95 % interval" in shown.stdout


def test_a_folder_of_shards_is_read_whole(tmp_path: Path) -> None:
    ours, theirs = sides(12, 0)
    (tmp_path / "a").mkdir()
    write_rows(tmp_path / "a", "scores", theirs, rows_per_shard=5)
    result = run("--champion", str(tmp_path / "a"), "--candidate", jsonl(tmp_path / "b", ours), "--json")
    assert json.loads(result.stdout)["items"] == 12


def test_files_that_cannot_be_read_say_what_is_wrong(tmp_path: Path) -> None:
    good = jsonl(tmp_path / "good.jsonl", sides(1, 0)[0])
    for name, content, expected in (
        ("missing.jsonl", None, "no score file"),
        ("cut.jsonl", b'{"item_id": "a", "score": 1.0}\n{"item', r"cut.jsonl:2 is not JSON"),
        ("list.jsonl", b"[1]\n", r"list.jsonl:1 is a list"),
        ("bytes.jsonl", b"\xff\xfe\x00", "cannot be read"),
        ("not.parquet", b"PAR1 not really", "cannot be read"),
    ):
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        error = run("--champion", good, "--candidate", str(path)).exception
        assert isinstance(error, DataError)
        assert error.exit_code == 2
        with pytest.raises(DataError, match=expected):
            raise error


def test_unpaired_items_are_refused(tmp_path: Path) -> None:
    ours, theirs = sides(3, 0)
    files = ["--champion", jsonl(tmp_path / "a", theirs[:2]), "--candidate", jsonl(tmp_path / "b", ours)]
    error = run(*files).exception
    assert isinstance(error, ContractError)
    assert "i2" in str(error)
