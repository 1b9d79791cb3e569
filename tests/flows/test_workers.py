"""Shards side by side: whoever works on them, in whatever cut, and whatever is killed meanwhile, the same draws come out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from prefect.settings import PREFECT_API_URL

from flows import workers
from flows.workers import WorkersSettings, check_workers
from tasks.runtime.errors import ConfigurationError
from tasks.sample.settings import SamplingSettings
from tests.flows.shards import drawn, planned

ROOT = Path(__file__).parents[2]
SAMPLED = {"max_tokens": 6}
SLOW = {"engine": "tests.flows.shards:slow", "shard_prompts": 2}


@pytest.fixture(scope="module")
def whole(prefect_server: None, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """All prompts in one shard, by one worker, with a model."""
    return drawn(str(tmp_path_factory.mktemp("whole")), str(tiny_model), {}, SAMPLED | {"shard_prompts": 64})


@pytest.fixture(scope="module")
def unhurried(prefect_server: None, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The slow engine's draws, quickly and undisturbed."""
    folder = tmp_path_factory.mktemp("unhurried")
    return drawn(str(folder), str(tiny_model), {}, SLOW | {"engine": "tests.sample.plugins:echo", "shard_prompts": 64})


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    """Where the slow engine says that it has begun."""
    return tmp_path / "store" / "marks"


@pytest.mark.parametrize(("size", "count"), [(1, 1), (1, 2), (7, 1), (7, 2), (64, 2)])
def test_shards_and_workers_change_no_draw(
    whole: dict[str, Any], tiny_model: Path, tmp_path: Path, size: int, count: int
) -> None:
    cut = SAMPLED | {"shard_prompts": size}
    found = drawn(str(tmp_path), str(tiny_model), {"count": count}, cut)
    assert found["digest"] == whole["digest"]
    assert found["logprobs"] == pytest.approx(whole["logprobs"], abs=1e-4)
    assert outcomes(found) == {"run"}


@pytest.mark.usefixtures("prefect_server")
def test_who_works_is_no_part_of_a_key_nor_of_a_plan(tiny_model: Path, tmp_path: Path) -> None:
    cut = SLOW | {"engine": "tests.sample.plugins:echo", "shard_prompts": 4}
    found = drawn(str(tmp_path), str(tiny_model), {"count": 2}, cut)
    again = drawn(str(tmp_path), str(tiny_model), {"count": 1}, cut)
    assert (again["digest"], again["shards"]) == (found["digest"], found["shards"])
    assert outcomes(again) == {"cached"}
    plan = planned(str(tmp_path), str(tiny_model), {"runner": "dask", "count": 8}, cut)
    assert {entry["key"] for entry in plan} == {entry["key"] for entry in found["journal"]}
    pairs = [entry["label"].split(" round 1, ") for entry in plan[1:]]
    assert pairs == [[step, f"shard {shard}"] for shard in range(3) for step in ("sample", "verify")]


def test_a_killed_run_loses_no_draw_and_repeats_none(
    unhurried: dict[str, Any], tiny_model: Path, tmp_path: Path, marks: Path
) -> None:
    arguments = {"store": str(tmp_path / "store"), "model": str(tiny_model), "workers": {"count": 2}, "sampling": SLOW}
    environment = {**os.environ, "PREFECT_API_URL": PREFECT_API_URL.value()}
    command = [sys.executable, "-m", "tests.flows.shards", json.dumps(arguments)]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: begun(marks, "p004"))
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    found = drawn(**arguments | {"workers": {"count": 1}})
    assert found["digest"] == unhurried["digest"]
    assert found["draws"] == [[f"p{number:03d}", draw] for number in range(9) for draw in range(2)]
    by_label = {entry["label"]: entry["outcome"] for entry in found["journal"]}
    sampled = [by_label[f"sample round 1, shard {shard}"] for shard in range(5)]
    assert "cached" in sampled[:2], "two workers had both begun; one had finished, or the third would not have begun"
    assert sampled[4] == "run"


@pytest.mark.parametrize("runner", ["dask", "ray"])
def test_a_killed_worker_of_a_cluster_loses_no_draw(
    unhurried: dict[str, Any], tiny_model: Path, tmp_path: Path, marks: Path, runner: str
) -> None:
    killed: list[int] = []

    def kill() -> None:
        wait_for(lambda: begun(marks, "p001"))
        # The stage's parent is the server that it was forked from, and that one's the worker.
        server = int(next(marks.glob("began-p001-*")).name.rpartition("-")[2])
        worker = psutil.Process(server).parent()
        assert worker is not None
        worker.kill()
        killed.append(worker.pid)

    killer = threading.Thread(target=kill)
    killer.start()
    found = drawn(str(tmp_path / "store"), str(tiny_model), {"runner": runner, "count": 2}, SLOW)
    killer.join()
    assert killed
    assert found["digest"] == unhurried["digest"]
    assert outcomes(found) == {"run"}, "the runner gave the shard to another worker"
    spent = [entry for entry in found["journal"] if entry["label"].startswith("sample")]
    assert all(entry["compute"] >= 0.3 and entry["peak_bytes"] > 1 << 20 for entry in spent), "what a worker's stages cost"
    wait_for(lambda: not any(psutil.pid_exists(int(mark.name.rpartition("-")[2])) for mark in marks.iterdir()))


def test_a_cancelled_run_ends_the_stages_of_its_threads(
    unhurried: dict[str, Any], tiny_model: Path, tmp_path: Path, marks: Path
) -> None:
    def interrupt() -> None:
        wait_for(lambda: begun(marks, "p000"))
        os.kill(os.getpid(), signal.SIGINT)

    # What a shell starts in the background ignores Ctrl-C, and Python then leaves it so.
    before_the_test = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Thread(target=interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            drawn(str(tmp_path / "store"), str(tiny_model), {"count": 2}, SLOW | {"shard_prompts": 400}, prompts=800)
    finally:
        signal.signal(signal.SIGINT, before_the_test)
    since = time.time() - next(marks.glob("began-p000-*")).stat().st_mtime
    assert since < 20, "a shard takes 120 seconds"
    before = len(list(marks.iterdir()))
    time.sleep(1.2)
    assert len(list(marks.iterdir())) == before


def test_settings_that_cannot_work_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"choose workers\.runner dask or ray"):
        WorkersSettings(address="tcp://there:8786")
    launching = SamplingSettings(engine="endpoint", endpoint={"launch": "serve {model} --port {port}"})
    check_workers(WorkersSettings(), launching)
    with pytest.raises(ConfigurationError, match="every worker would start a server"):
        check_workers(WorkersSettings(runner="ray"), launching)
    monkeypatch.setitem(workers._MODULES, "dask", ("prefect_dask", "not_installed_at_all"))
    with pytest.raises(ConfigurationError, match=r"needs not_installed_at_all: pip install 'winnow\[dask\]'"):
        check_workers(WorkersSettings(runner="dask"), SamplingSettings())


def outcomes(found: dict[str, Any]) -> set[str]:
    return {entry["outcome"] for entry in found["journal"]}


def begun(marks: Path, prompt: str) -> bool:
    return any(marks.glob(f"began-{prompt}-*"))


def wait_for(ready: Callable[[], bool], seconds: float = 240) -> None:
    until = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.05)
