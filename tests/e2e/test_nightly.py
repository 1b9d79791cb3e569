"""The nightly flow as a user runs it: once, again, changed, the next night, and killed."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.e2e.night import Home

KILLS = 2


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, embedded_model: Path) -> Home:
    return Home(tmp_path_factory.mktemp("nightly") / "home", embedded_model)


@pytest.fixture(scope="module")
def first(home: Home) -> dict[str, Any]:
    plan = home.plan()
    assert {task["outcome"] for task in plan.values()} == {"run", "side effect"}
    result = home.night()
    done = {entry["label"] for entry in home.journal(result["run_id"])}
    # How many waves there are, only their answers tell.
    later = {label for label in done if re.search(r"round 1, wave [2-9]", label)}
    assert done - later - {"report", "write night state"} == set(plan)
    assert later, "a prompt that was not solved in the first wave is drawn again"
    return result


def test_the_first_night_prints_what_the_design_promises(home: Home, first: dict[str, Any]) -> None:
    assert first["status"] in ("promoted", "refused")
    assert [stage["name"] for stage in first["stages"]] == ["base", "warm_start", "round_1"]
    assert all(stage["low"] <= stage["accuracy"] <= stage["high"] and stage["items"] == 48 for stage in first["stages"])
    assert (first["status"] == "promoted") == (first["gate"]["decision"] == "promote")
    assert first["tasks"]["run"] > 25
    assert first["tasks"]["failed"] == 0
    assert 0 < first["seconds"]["compute"] < first["seconds"]["wall"]
    assert first["tokens"]["generated"] > 24 * 4
    assert first["tokens"]["trained"] > 48
    page = Path(first["report"]).read_text()
    assert "<html" in page
    assert "How far the verdicts can be trusted" in page
    shown = home.winnow("registry", "show", str(first["champion"]["version"]), "--lineage", "short")
    assert first["champion"]["digest"] in str(shown)


def test_the_same_night_again_is_read_from_the_cache(home: Home, first: dict[str, Any]) -> None:
    again = home.night()
    assert again["tasks"] == {"run": 0, "cached": first["tasks"]["run"] + first["tasks"]["cached"], "failed": 0}
    for part in ("status", "stages", "gate", "champion"):
        assert again[part] == first[part]
    history = home.winnow("registry", "history", "--lineage", "short")
    gates = [entry for entry in history["entries"] if entry["gate"]]
    assert len(gates) == 2, "no decision was taken, and no budget spent, a second time"


def test_a_changed_selection_samples_nothing_anew_and_the_plan_knew(home: Home, first: dict[str, Any]) -> None:
    change = "selection.rule=tests.e2e.selectors:last_one"
    plan = home.plan(change)
    selects = [label for label in plan if label.startswith("select")]
    assert "rule" in plan[selects[0]]["why"]
    assert plan[selects[0]]["outcome"] == "run"
    result = home.night(change)
    outcomes = {entry["label"]: entry["outcome"] for entry in home.journal(result["run_id"])}
    assert outcomes[selects[0]] == "run"
    for label, task in plan.items():
        if task["outcome"] == "cached":
            assert outcomes[label] == "cached", label
        # What waits may turn out to be known: a selection that kept the same rows changes nothing after it.
        if outcomes[label] == "run":
            assert task["outcome"] != "cached", label
    kept = ("self-test of the verifiers", "audit round 1", "train warm start")
    for label in (*kept, "sample round 1, wave 1, shard 0", "sample round 1, wave 1, shard 1"):
        assert plan[label]["outcome"] == outcomes[label] == "cached"


def test_the_second_night_goes_on_from_the_first(home: Home, first: dict[str, Any]) -> None:
    second = home.night("night=0")
    assert [stage["name"] for stage in second["stages"]][:2] == ["base", "head"]
    labels = {entry["label"]: entry["outcome"] for entry in home.journal(second["run_id"])}
    assert "train warm start" not in labels
    assert labels["base model"] == "cached"
    assert labels["draw evaluation prompts, round 0"] == "run"


def test_kill_9_loses_at_most_the_task_in_progress(
    home: Home, first: dict[str, Any], tmp_path: Path, embedded_model: Path
) -> None:
    """The whole process tree is killed at random moments, and run again each time: the result is the undisturbed one's."""
    broken, moments = Home(tmp_path / "home", embedded_model), random.Random(3)
    for _ in range(KILLS):
        process = broken.start("run", "nightly-rsf", "--profile", str(broken.profile))
        before = len(broken.journal())
        while len(broken.journal()) == before and process.poll() is None:  # past the imports, into the tasks
            time.sleep(0.2)
        time.sleep(moments.uniform(0.5, 9))
        kill_tree(process.pid)
        process.communicate()
    result = broken.night()
    assert result["champion"] == first["champion"]
    assert result["stages"] == first["stages"]
    done = Counter(entry["key"] for entry in broken.journal() if entry["outcome"] == "run" and not entry["side_effect"])
    assert max(done.values()) == 1, "a completed unit was computed again"
    assert result["tasks"]["cached"] > 0


def kill_tree(pid: int) -> None:
    """SIGKILL to a process and all its descendants, parents first."""
    with suppress(psutil.NoSuchProcess):
        tree = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        for process in tree:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        psutil.wait_procs(tree, timeout=20)
