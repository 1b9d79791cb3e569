"""``winnow demo``, ``winnow run`` and ``winnow plan``: the same flow on a profile, really or on paper."""

from __future__ import annotations

import json as jsonlib
import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from flows.terminal import emit, out
from tasks.runtime.errors import ConfigurationError
from tasks.runtime.home import winnow_home

FLOWS = ("nightly-rsf",)
DEMO_PROFILE = Path(__file__).parents[2] / "deployments" / "profiles" / "demo.yaml"
REFUSED = 2

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on standard output.")]
Profile = Annotated[Path, typer.Option(help="YAML file with the flow's parameters.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="Change one parameter: name=value or group.name=value.")]


def demo(set: Set = None, json: Json = False) -> None:
    """Run the nightly flow on the embedded model (profile deployments/profiles/demo.yaml)."""
    run("nightly-rsf", DEMO_PROFILE, set, json)


def run(
    flow: Annotated[str, typer.Argument(help=f"One of: {', '.join(FLOWS)}.")],
    profile: Profile,
    set: Set = None,
    json: Json = False,
) -> None:
    """Run a flow here, with the parameters of a profile."""
    _use_running_server()
    parameters = _parameters(flow, profile, set)
    from flows.nightly import nightly_rsf
    from tasks.runtime.stage import start_server

    start_server()
    result: dict[str, Any] = nightly_rsf(**parameters)
    if json:
        emit(result, True)
    else:
        from tasks.report.summary import RunSummary

        summary = RunSummary.model_validate_json(Path(result["report"]).with_name("summary.json").read_text())
        _print_summary(summary)
    if result["status"] != "promoted":
        raise typer.Exit(REFUSED)


def plan(
    flow: Annotated[str, typer.Argument(help=f"One of: {', '.join(FLOWS)}.")],
    profile: Profile,
    set: Set = None,
    json: Json = False,
) -> None:
    """List each task with its cache key: would it run or be read, and why. Changes nothing."""
    parameters = _parameters(flow, profile, set)
    from flows.nightly import plan_nightly

    entries = plan_nightly(**parameters)
    table = Table("task", "key", "would", "why", title=f"{flow} on {profile.name}")
    words = {"cached": "[green]be read[/green]", "run": "[yellow]run[/yellow]", "side effect": "run"}
    for entry in entries:
        table.add_row(entry["label"], (entry["key"] or "not known yet")[:12], words[entry["outcome"]], entry["why"])
    emit({"tasks": entries}, json, table)


def _parameters(flow: str, profile: Path, overrides: list[str] | None) -> dict[str, Any]:
    if flow not in FLOWS:
        raise ConfigurationError(f"no flow is called {flow!r}; known: {', '.join(FLOWS)}")
    from flows.nightly import nightly_rsf
    from flows.parameters import check_parameters, load_profile

    return check_parameters(nightly_rsf.fn, load_profile(profile, overrides or []))


def _use_running_server() -> None:
    """Send the run to the server that `make serve` started, if it answers; else Prefect starts one for this run."""
    about = winnow_home() / "serve" / "server.json"
    if "PREFECT_API_URL" in os.environ or not about.exists():
        return
    import httpx

    address = jsonlib.loads(about.read_text())["api_url"]
    try:
        httpx.get(f"{address}/health", timeout=2).raise_for_status()
    except httpx.HTTPError:
        return
    os.environ["PREFECT_API_URL"] = address


def _print_summary(summary: Any) -> None:
    from tasks.report.words import decision_in_words, stage_table

    out.print(stage_table(summary))
    out.print(decision_in_words(summary.gate), highlight=False)
    out.print(f"report: {summary.report}", highlight=False, soft_wrap=True)
