"""`winnow serve` with a real server and worker: the schedule, bounds, a run to its end, and no leftovers."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import psutil
import pytest

from flows.parameters import load_profile
from tasks.sample.settings import SamplingSettings

ROOT = Path(__file__).parents[2]
AD_HOC = load_profile(ROOT / "deployments" / "profiles" / "ad-hoc.yaml")
RUN_SECONDS = 400


class Serving:
    """`winnow serve` in a home of its own on a free port."""

    def __init__(self, home: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.home = home
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        self.environment |= {"WINNOW_HOME": str(home), "WINNOW_PORT": str(port)}
        self.started = self.winnow("serve")
        self.mark = json.loads((home / "serve" / "server.json").read_text())["mark"]
        self.api = httpx.Client(base_url=self.started["api_url"], timeout=30)

    def winnow(self, command: str) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "flows", command, "--json"],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def deployment(self, name: str) -> dict[str, Any]:
        return self.api.get(f"/deployments/name/nightly-rsf/{name}").raise_for_status().json()

    def runs(self, deployment: str) -> list[dict[str, Any]]:
        of = {"deployments": {"id": {"any_": [self.deployment(deployment)["id"]]}}, "sort": "EXPECTED_START_TIME_ASC"}
        return self.api.post("/flow_runs/filter", json=of).raise_for_status().json()

    def run(self, deployment: str, parameters: dict[str, Any]) -> httpx.Response:
        path = f"/deployments/{self.deployment(deployment)['id']}/create_flow_run"
        return self.api.post(path, json={"parameters": parameters})

    def state(self, run: dict[str, Any]) -> str:
        return self.api.get(f"/flow_runs/{run['id']}").raise_for_status().json()["state_type"]

    def logs(self) -> str:
        return (self.home / "serve" / "worker.log").read_text()[-6000:]

    def processes(self) -> list[psutil.Process]:
        """Everything that was started by this `winnow serve`, however it descends from it."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("WINNOW_SERVE") == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    running = Serving(tmp_path_factory.mktemp("home"))
    yield running
    running.winnow("stop")


def eventually(condition: Callable[[], Any], seconds: float, said: Callable[[], str] = str) -> Any:
    """What `condition` gives once it is true; fails with what `said` says when that takes longer."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s\n{said()}"
        time.sleep(0.5)
    return value


def test_the_cron_deployment_yields_scheduled_runs(serving: Serving) -> None:
    def future() -> list[datetime]:
        starts = [run["expected_start_time"] for run in serving.runs("nightly") if run["state_type"] == "SCHEDULED"]
        return [at for at in map(datetime.fromisoformat, starts) if at > datetime.now(UTC)]

    first = min(eventually(future, 60)).astimezone(ZoneInfo("Europe/Berlin"))
    assert (first.hour, first.minute) == (2, 0)


def test_serving_again_deploys_again_and_starts_nothing_twice(serving: Serving) -> None:
    before = serving.deployment("nightly")
    assert serving.winnow("serve") == serving.started
    again = serving.deployment("nightly")
    assert again["id"] == before["id"]
    assert again["updated"] > before["updated"]
    assert [schedule["slug"] for schedule in again["schedules"]] == ["nightly"]


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"rounds": 0}, "'rounds'"),
        ({"seed": -1}, "'seed'"),
        ({"lineage": "no spaces"}, "'lineage'"),
        ({"budget": {"cap": 100_000}}, "'budget.cap'"),
        ({"sampling": {"top": 4}}, "'top'"),
        ({"gate": {"alpha": 2}}, "'gate.alpha'"),
    ],
)
def test_a_bad_parameter_is_refused_before_the_run(serving: Serving, parameters: dict[str, Any], named: str) -> None:
    answer = serving.run("ad-hoc", parameters)
    assert answer.is_client_error
    assert named in answer.json()["detail"]
    assert all(run["parameters"] | parameters != run["parameters"] for run in serving.runs("ad-hoc"))


def test_a_run_with_two_changed_parameters_completes(serving: Serving) -> None:
    run = serving.run("ad-hoc", {"seed": 7, "sampling": {"top_k": 50}}).raise_for_status().json()
    ended = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
    state = eventually(lambda: (state := serving.state(run)) in ended and state, RUN_SECONDS, serving.logs)
    assert state == "COMPLETED", serving.logs()

    # The group that was given in part: its other fields are those of the deployment, not those of the class.
    journals = (serving.home / "runs").glob("*/tasks.jsonl")
    entries = [json.loads(line) for path in journals for line in path.read_text().splitlines()]
    used = [list(_models(entry["parts"]["inputs"], "SamplingSettings")) for entry in entries]
    drawn = [settings for found in used for settings in found if settings["top_k"]]
    assert drawn
    assert all(settings["top_k"] == 50 and settings["max_tokens"] == AD_HOC["sampling"]["max_tokens"] for settings in drawn)
    assert SamplingSettings().max_tokens != AD_HOC["sampling"]["max_tokens"]


def test_stop_leaves_no_process_even_of_a_worker_that_was_killed(serving: Serving) -> None:
    run = serving.run("ad-hoc", {"seed": 8}).raise_for_status().json()
    eventually(lambda: serving.state(run) == "RUNNING" and len(serving.processes()) > 3, 90, serving.logs)
    os.kill(serving.started["pids"]["worker"], signal.SIGKILL)  # its flow run has no parent any more

    assert serving.winnow("stop")["ended"] >= 2

    assert serving.processes() == []
    assert not (serving.home / "serve" / "server.json").exists()
    assert serving.winnow("stop") == {"ended": 0}


def _models(data: Any, name: str) -> Iterator[dict[str, Any]]:
    """The fields of every settings model of that class inside a cache key's parts."""
    if isinstance(data, dict):
        if data.get("$model", [None])[0] == name:
            yield data["$model"][1]
        data = list(data.values())
    if isinstance(data, list):
        for item in data:
            yield from _models(item, name)
