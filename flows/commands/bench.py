"""``winnow bench``: how much Winnow costs against doing the same work without it.

Run: ``winnow bench overhead``
"""

from __future__ import annotations

import json as jsonlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.commands.run import DEMO_PROFILE, REFUSED
from flows.terminal import emit

if TYPE_CHECKING:
    from rich.table import Table

LIMIT = 0.15
# The run under measurement has a server, a database and a cache of its own, whatever the caller's environment says.
_CALLERS_OWN = ("PREFECT_API_DATABASE_CONNECTION_URL", "PREFECT_API_URL", "PREFECT_HOME", "PREFECT_PROFILES_PATH")

app = typer.Typer(help="Winnow and a peer on the same work, in one run.", no_args_is_help=True)


@app.callback()
def bench() -> None:
    """Keep `overhead` a subcommand while it is the only one."""


@app.command()
def overhead(
    profile: Annotated[Path, typer.Option(help="YAML file with the parameters of nightly-rsf.")] = DEMO_PROFILE,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on standard output.")] = False,
) -> None:
    """What orchestration costs: a whole night from nothing, against the seconds inside its stages.

    `ours` is the wall time of the command (start of Python and of Prefect's server included), `peer` the summed compute of
    its stages, `ratio` ours / peer, and `limit_share` the part of the wall time that is not compute; it should be at most
    0.15. The home is a fresh one, so nothing is read from a cache; only the embedded model's conversion, done once a
    machine, is taken from the caller's home.
    """
    from tasks.runtime.home import winnow_home

    winnow_home().mkdir(parents=True, exist_ok=True)
    # Beside what it is to be like: a temporary folder may lie in memory, and a night's models are gigabytes.
    with tempfile.TemporaryDirectory(prefix="bench-", dir=winnow_home()) as home:
        _lend_models(profile, Path(home))
        wall, result = _timed_run(profile, Path(home))
    workload = _workload(profile.stem, wall, result)
    emit({"workloads": [workload]}, json, _table(workload))


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
    from tasks.runtime.errors import WinnowError

    environment = {name: value for name, value in os.environ.items() if name not in _CALLERS_OWN}
    environment["WINNOW_HOME"] = str(home)
    # The store is the fresh home's, also when the profile names a shared one.
    command = [sys.executable, "-m", "flows", "run", "nightly-rsf", "--profile", str(profile), "--set", "store=''", "--json"]
    started = time.monotonic()
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    wall = time.monotonic() - started
    # A night that refuses its model took as long as one that promotes it, and ends with the same code as bad input.
    if done.returncode not in (0, REFUSED) or not done.stdout.strip():
        raise WinnowError(f"the measured run ended with exit code {done.returncode}; what is wrong stands above")
    result: dict[str, Any] = jsonlib.loads(done.stdout)
    return wall, result


def _workload(name: str, wall: float, result: dict[str, Any]) -> dict[str, Any]:
    compute = result["seconds"]["compute"]
    return {
        "name": name,
        "ratio": wall / compute,
        "ours": wall,
        "peer": compute,
        "unit": "seconds",
        "limit_share": (wall - compute) / wall,
        "peak_bytes": result["peak_bytes"],
    }


def _table(workload: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table("profile", title="winnow bench overhead", title_justify="left")
    for name in ("wall", "compute in stages", "ratio", "overhead", "at most", "largest stage"):
        table.add_column(name, justify="right")
    table.add_row(
        workload["name"],
        f"{workload['ours']:.1f} s",
        f"{workload['peer']:.1f} s",
        f"{workload['ratio']:.3f}",
        f"{workload['limit_share']:.1%}",
        f"{LIMIT:.0%}",
        f"{workload['peak_bytes'] / (1 << 30):.2f} GiB",
    )
    return table
