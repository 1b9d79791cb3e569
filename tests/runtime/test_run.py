"""The run's journal: written as it happens, read again after a kill."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.runtime.errors import ConfigurationError
from tasks.runtime.run import Run, abridged, current_run, last_journal, running
from tasks.runtime.store import Store


def entry(label: str, key: str = "k", outcome: str = "run") -> dict[str, Any]:
    return {"label": label, "key": key, "outcome": outcome}


def keep(home: Path, run_id: str, name: str, *entries: dict[str, Any], planning: bool = False) -> Run:
    run = Run(name, Store(str(home / "store")), run_id=run_id, planning=planning)
    with running(run):
        for each in entries:
            run.record(each)
    return run


def test_there_is_a_current_run_inside_only(home: Path) -> None:
    run = Run("nightly", Store(str(home / "store")))
    with running(run):
        assert current_run() is run
    with pytest.raises(ConfigurationError, match="no run in progress"):
        current_run()


def test_the_journal_is_on_disk_as_it_happens(home: Path) -> None:
    run = Run("nightly", Store(str(home / "store")))
    assert last_journal("nightly") == {}
    with running(run):
        run.record(entry("sample 1"))
        assert set(last_journal("nightly")) == {"sample 1"}
        run.record(entry("sample 2", outcome="cached"))
        assert set(last_journal("nightly")) == {"sample 1", "sample 2"}
    assert (run.count("run"), run.count("cached"), run.count("failed")) == (1, 1, 0)


def test_the_most_recent_run_that_got_so_far_counts(home: Path) -> None:
    keep(home, "20260101-1", "nightly", entry("load", "old"), entry("train", "old"))
    keep(home, "20260102-1", "nightly", entry("load", "new"))
    keep(home, "20260103-1", "other", entry("load", "other"))
    assert {label: each["key"] for label, each in last_journal("nightly").items()} == {"load": "new", "train": "old"}


def test_a_plan_leaves_no_trace(home: Path) -> None:
    run = keep(home, "20260101-1", "nightly", entry("load"), planning=True)
    assert run.entries == [entry("load")]
    assert not run.folder.exists()


@pytest.mark.parametrize("cut", [1, 10, 30])
def test_a_cut_off_last_line_costs_itself_only(home: Path, cut: int) -> None:
    run = keep(home, "20260101-1", "nightly", entry("load"), entry("train"))
    journal = run.folder / "tasks.jsonl"
    journal.write_bytes(journal.read_bytes()[: -cut - 1])
    assert set(last_journal("nightly")) == {"load"}


@pytest.mark.parametrize("about", ["", '{"na', None])
def test_a_run_killed_while_it_began_is_passed_over(home: Path, about: str | None) -> None:
    keep(home, "20260101-1", "nightly", entry("load"))
    run = keep(home, "20260102-1", "nightly", entry("train"))
    if about is None:
        (run.folder / "run.json").unlink()
    else:
        (run.folder / "run.json").write_text(about)
    assert set(last_journal("nightly")) == {"load"}


def test_long_lists_are_abridged_and_still_tell_a_change() -> None:
    refs = [{"$ref": ["samples", str(number)]} for number in range(1_000)]
    short = abridged({"inputs": {"samples": refs, "few": refs[:3]}})
    assert short["inputs"]["few"] == refs[:3]
    assert len(json.dumps(short)) < 400
    assert short != abridged({"inputs": {"samples": refs[::-1], "few": refs[:3]}})


def test_journals_are_plain_json_lines(home: Path) -> None:
    run = keep(home, "20260101-1", "nightly", entry("größer"), entry("b"))
    lines = (run.folder / "tasks.jsonl").read_text(encoding="ascii").splitlines()
    assert [json.loads(line)["label"] for line in lines] == ["größer", "b"]
