"""Tasks in a real flow, on both stores: cached by content, across processes; planned; retried by fault."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from prefect import flow

from tasks.runtime.fingerprint import canonical_digest
from tasks.runtime.references import ReportRef
from tasks.runtime.results import cached_result
from tasks.runtime.run import Run, running
from tasks.runtime.store import Store
from tasks.runtime.task import results_in
from tests.runtime.task_functions import give_up, run_tasks

pytestmark = pytest.mark.usefixtures("prefect_server")


def outcomes(entries: list[dict[str, Any]]) -> dict[str, str]:
    return {entry["label"]: entry["outcome"] for entry in entries}


def test_the_same_inputs_are_read_and_others_are_run(store: Store) -> None:
    first = run_tasks(store, 3)
    assert outcomes(first) == {"make 3 rows": "run", "count rows": "run"}
    assert first[0]["compute"] > 0  # its stage's
    assert first[0]["key"] == canonical_digest(first[0]["parts"])
    assert outcomes(run_tasks(store, 3)) == {"make 3 rows": "cached", "count rows": "cached"}
    assert outcomes(run_tasks(store, 4)) == {"make 4 rows": "run", "count rows": "run"}
    found = cached_result(store, first[1]["key"])
    assert isinstance(found, ReportRef)
    assert found.rows == 3


def test_a_result_whose_artifact_is_gone_is_made_anew(store: Store) -> None:
    first = run_tasks(store, 3)
    found = cached_result(store, first[0]["key"])
    assert found is not None
    store.remove(found)
    assert outcomes(run_tasks(store, 3)) == {"make 3 rows": "run", "count rows": "cached"}
    assert store.exists(found)


def test_a_plan_says_what_would_run_and_why(store: Store) -> None:
    assert [entry["why"] for entry in run_tasks(store, 3, planning=True)] == ["not run before", "waits for make 3 rows"]
    run_tasks(store, 3)
    assert outcomes(run_tasks(store, 3, planning=True)) == {"make 3 rows": "cached", "count rows": "cached"}
    plan = run_tasks(store, 4, planning=True)
    assert outcomes(plan) == {"make 4 rows": "run", "count rows": "run"}
    run_tasks(store, 4)
    assert outcomes(run_tasks(store, 4, planning=True)) == {"make 4 rows": "cached", "count rows": "cached"}


def test_another_process_hits_the_same_cache(store: Store) -> None:
    run_tasks(store, 3)
    process = subprocess.run(
        [sys.executable, "-m", "tests.runtime.task_functions", store.uri, json.dumps(store.options), "3"],
        env={**os.environ, "PYTHONHASHSEED": "77"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    assert outcomes(json.loads(process.stdout.splitlines()[-1])) == {"make 3 rows": "cached", "count rows": "cached"}


def test_a_passing_fault_is_tried_again_and_then_kept(tmp_path: Path, home: Path) -> None:
    store = Store(str(tmp_path / "store"))
    assert outcomes(run_tasks(store, 3, faltering=True))["falter"] == "run"
    assert outcomes(run_tasks(store, 3, faltering=True))["falter"] == "cached"


def test_a_data_error_is_not_tried_again(tmp_path: Path, home: Path) -> None:
    store = Store(str(tmp_path / "store"))
    run = Run("tests/give-up", store)

    @flow
    def hopeless() -> None:
        with running(run), results_in(run):
            Path(store.root).mkdir()
            give_up(3)

    with pytest.raises(ValueError, match="not tried again"):
        hopeless()
    assert outcomes(run.entries) == {"give up": "failed"}
    assert [path.name for path in Path(store.root).glob("tried-*")] == ["tried-1"]
