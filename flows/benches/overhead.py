"""What orchestration costs: a whole night from nothing, against the seconds inside its stages."""

from __future__ import annotations

import json as jsonlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from flows.benches.workload import Workload, workload

# The run under measurement has a server, a database and a cache of its own, whatever the caller's environment says.
CALLERS_OWN = ("PREFECT_API_DATABASE_CONNECTION_URL", "PREFECT_API_URL", "PREFECT_HOME", "PREFECT_PROFILES_PATH")


def bench_overhead(profile: Path) -> Workload:
    """Run a night of `profile` in a home of its own, so that nothing is read from a cache.

    `ours`: seconds of the command (start of Python and of Prefect's server included), `peer`: the summed compute of its
    stages. Only the embedded model's conversion, done once a machine, is taken from the caller's home.

    Raises:
        WinnowError: the night failed; its own messages are on standard error.
    """
    from tasks.runtime.home import winnow_home

    winnow_home().mkdir(parents=True, exist_ok=True)
    # Beside what it is to be like: a temporary folder may lie in memory, and a night's models are gigabytes.
    with tempfile.TemporaryDirectory(prefix="bench-", dir=winnow_home()) as home:
        _lend_models(profile, Path(home))
        wall, result = _timed_run(profile, Path(home))
    return figures(profile.stem, wall, result)


def _lend_models(profile: Path, home: Path) -> None:
    from flows.parameters import load_profile
    from tasks.runtime.home import winnow_home
    from tasks.runtime.models import EMBEDDED, embedded_model_folder

    if load_profile(profile).get("model", EMBEDDED) == EMBEDDED:
        embedded_model_folder()
    if (models := winnow_home() / "models").is_dir():
        (home / "models").symlink_to(models)


def _timed_run(profile: Path, home: Path) -> tuple[float, dict[str, Any]]:
    """Seconds of wall time and what the run printed.

    Raises:
        WinnowError: the run failed; its own messages are on standard error.
    """
    from tasks.runtime.errors import RefusedError, WinnowError

    environment = {name: value for name, value in os.environ.items() if name not in CALLERS_OWN}
    environment["WINNOW_HOME"] = str(home)
    # The store is the fresh home's, also when the profile names a shared one.
    command = [sys.executable, "-m", "flows", "run", "nightly-rsf", "--profile", str(profile), "--set", "store=''", "--json"]
    started = time.monotonic()
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    wall = time.monotonic() - started
    # A night that refuses its model took as long as one that promotes it, and ends with the same code as bad input.
    if done.returncode not in (0, RefusedError.exit_code) or not done.stdout.strip():
        raise WinnowError(f"the measured run ended with exit code {done.returncode}; what is wrong stands above")
    result: dict[str, Any] = jsonlib.loads(done.stdout)
    return wall, result


def figures(name: str, wall: float, result: dict[str, Any]) -> Workload:
    """The workload of a night: `result` is what the run printed; `limit_share` is what of its wall time is not compute."""
    compute = result["seconds"]["compute"]
    return workload(
        name,
        ratio=wall / compute,
        ours=wall,
        peer=compute,
        unit="seconds",
        limit_share=(wall - compute) / wall,
        peak_bytes=result["peak_bytes"],
    )
