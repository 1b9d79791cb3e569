"""``winnow serve`` and ``winnow stop``: the nightly run and the ad-hoc form, on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.terminal import emit

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def serve(json: AsJson = False) -> None:
    """Start a local Prefect server and worker and deploy; again: deploy again. WINNOW_PORT sets the port (4200)."""
    from flows.local_server import serve_folder, start

    running = start(lambda line: typer.echo(line, err=True))
    if json:
        logs = str(serve_folder())
        emit({"api_url": running.api_url, "ui_url": running.ui_url, "pids": running.pids, "logs": logs}, True)
        return
    # Not wrapped: the command is there to be copied.
    typer.echo(
        f"Prefect's UI: {running.ui_url}  (logs: {serve_folder()})\n"
        "The nightly run is scheduled. A run now, from the UI: Deployments → ad-hoc → Run → Custom run. From a shell:\n"
        f"  PREFECT_API_URL={running.api_url} .venv/bin/prefect deployment run nightly-rsf/ad-hoc --param seed=1\n"
        "End it all: make stop"
    )


def stop(json: AsJson = False) -> None:
    """End what `winnow serve` started, with everything it runs."""
    from flows.local_server import stop as stop_everything

    ended = stop_everything()
    emit({"ended": ended}, json, f"ended {ended} processes" if ended else "nothing was running")
