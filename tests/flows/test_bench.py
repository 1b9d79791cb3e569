"""``winnow bench`` at a small size: what it reports, and what it leaves behind when something fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from flows.benches.conversations import conversations
from flows.benches.overhead import figures
from flows.benches.rendering import two_calls
from flows.commands import bench
from tasks.chat.tokenizer import load_tokenizer

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return load_tokenizer("embedded")


def test_the_share_is_what_is_not_compute() -> None:
    result: dict[str, Any] = {"seconds": {"wall": 190.0, "compute": 180.0}, "peak_bytes": 7}
    assert figures("demo", 200.0, result) == {
        "name": "demo",
        "ratio": pytest.approx(200 / 180),
        "ours": 200.0,
        "peer": 180.0,
        "unit": "seconds",
        "limit_share": pytest.approx(0.1),
        "peak_bytes": 7,
    }


@pytest.mark.parametrize(
    ("text", "said"), [(None, "cannot be read"), ("model: nowhere/at/all\n", "no model at 'nowhere/at/all'")]
)
def test_a_night_that_cannot_run_is_an_error_and_leaves_nothing(tmp_path: Path, text: str | None, said: str) -> None:
    profile, home = tmp_path / "profile.yaml", tmp_path / "home"
    if text is not None:
        profile.write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "flows", "bench", "overhead", "--profile", str(profile), "--json"],
        cwd=ROOT,
        env=os.environ | {"WINNOW_HOME": str(home)},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert done.stdout == ""
    assert said in done.stderr
    assert list(home.glob("bench-*")) == []


@pytest.mark.parametrize("name", ["validate", "render", "data"])
def test_benches_of_rows_measure_both_sides(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINNOW_HOME", str(tmp_path / "home"))
    done = CliRunner().invoke(bench.app, [name, "--rows", "300", "--json"])
    assert done.exit_code == 0, done.output
    workloads = json.loads(done.stdout)["workloads"]
    assert all(one.keys() == {"name", "ratio", "ours", "peer", "unit", "limit_share", "peak_bytes"} for one in workloads)
    assert all(one["ours"] > 0 and one["peer"] > 0 and one["peak_bytes"] > 0 for one in workloads)
    assert list((tmp_path / "home").glob("bench-*")) == []


def test_the_benches_conversations_are_the_same_every_time_and_all_differ() -> None:
    rows = list(conversations(50))
    assert rows == list(conversations(50))
    assert len({message["content"] for row in rows for message in row["messages"]}) == 200


def test_the_two_call_way_trains_answers_and_their_closing_tokens(tokenizer: Any) -> None:
    ids, labels = two_calls(tokenizer, next(conversations(1)), "last", tokenizer.eos_token_id)
    trained = [label for label in labels if label != -100]
    assert trained[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(trained[:-1]) == next(conversations(1))["messages"][-1]["content"]
    assert len(ids) == len(labels)
