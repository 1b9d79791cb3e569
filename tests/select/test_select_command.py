"""`winnow select` on the command line (its preference pairs: test_pairs.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.commands.select import select
from tasks.runtime.errors import ConfigurationError, UnknownPluginError
from tests.select.rows import prompt, sample, verdict

TEXTS = ["8", "It is 8", "It must be 8", "It should be 8, I think", "Eight, 8", "9"]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    samples = [sample("a", draw, text) for draw, text in enumerate(TEXTS)]
    verdicts = [verdict(row, "rejected" if row["text"] == "9" else "accepted", 1 - row["draw"] / 10) for row in samples]
    rows = {"samples": samples, "verdicts": verdicts, "prompts": [prompt("a")]}
    return {name: written(tmp_path / f"{name}.jsonl", content) for name, content in rows.items()}


def written(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    data = json.loads(capsys.readouterr().out)
    assert isinstance(data, dict)
    return data


def test_rows_and_reasons(files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, why = tmp_path / "chosen.jsonl", tmp_path / "new" / "why.jsonl"
    select(**files, out=out, cap=1, dropped=why, json=True)
    data = told(capsys)
    assert (data["rows"], data["drawn"], data["dropped_over_cap"], data["dropped_rejected"]) == (1, 6, 4, 1)
    (row,) = map(json.loads, out.read_text().splitlines())
    assert row["messages"][-1] == {"role": "assistant", "content": "8", "train": True}
    dropped = [json.loads(line) for line in why.read_text().splitlines()]
    assert [one["sample_id"] for one in dropped] == ["a/1/5", *(f"a/1/{draw}" for draw in range(1, 5))]
    assert dropped[0] == {"sample_id": "a/1/5", "prompt_id": "a", "reason": "rejected"}


@pytest.mark.parametrize(
    ("options", "texts"),
    [
        ({"rule": "best_of_k"}, TEXTS[:1]),
        ({"rule": "best_of_k", "floor": 1.0}, TEXTS[:1]),
        ({"rule": "threshold", "floor": 0.8}, TEXTS[:3]),
        ({"rule": "top_fraction", "fraction": 0.5}, TEXTS[:2]),
        ({"rule": "rest_em"}, TEXTS[:5]),
        ({"rule": "shortest_correct"}, TEXTS[:1]),
        ({"family_quota": 0, "cap": 10}, TEXTS[:5]),
    ],
)
def test_options(
    options: dict[str, Any], texts: list[str], files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    select(**files, **options, out=tmp_path / "chosen.jsonl", json=True)
    assert told(capsys)["rows"] == len(texts)
    kept = [json.loads(line)["messages"][-1]["content"] for line in (tmp_path / "chosen.jsonl").read_text().splitlines()]
    assert kept == texts


def test_a_profile_and_single_settings(files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    profile, out = tmp_path / "profile.yaml", tmp_path / "chosen.jsonl"
    profile.write_text("selection: {rule: rest_em, cap: 3}\nseed: 1\n")
    select(**files, out=out, profile=profile, json=True)
    assert told(capsys)["rows"] == 3
    select(**files, out=out, profile=profile, cap=2, change=["filters.refusal=false"], json=True)
    assert told(capsys)["rows"] == 2
    with pytest.raises(ConfigurationError, match=r"selection\.cap"):
        select(**files, out=out, cap=-1)
    with pytest.raises(ConfigurationError, match=r"selection\.filters\.loops.*loop"):
        select(**files, out=out, change=["filters.loops=false"])
    with pytest.raises(UnknownPluginError, match="best_of_k"):
        select(**files, out=out, rule="best_of_n")


def test_what_is_known_besides(files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    second = written(tmp_path / "second.jsonl", [{"sample_id": "a/1/0", "state": "rejected"}])
    rates = written(tmp_path / "rates.jsonl", [{"prompt_id": "a", "draws": 8.0, "accepted": 0.5}])
    select(**files, out=tmp_path / "chosen.jsonl", second=second, pass_rates=rates, json=True)
    data = told(capsys)
    assert (data["rows"], data["dropped_audit_disagreed"]) == (4, 1)
    items = written(tmp_path / "items.jsonl", [prompt("item")])
    select(**files, out=tmp_path / "chosen.jsonl", evaluation=[items], past=[str(tmp_path / "chosen.jsonl")], json=True)
    assert told(capsys)["dropped_contaminated"] == 5


def test_for_people(files: dict[str, str], tmp_path: Path) -> None:
    options = [part for name, path in files.items() for part in (f"--{name}", path)]
    result = CliRunner().invoke(app, ["select", *options, "--out", str(tmp_path / "chosen.jsonl"), "--cap", "1"])
    assert result.exit_code == 0, result.output
    assert "over cap" in result.output
    assert "66.7%" in result.output
    assert "1 prompts solved" in result.output
