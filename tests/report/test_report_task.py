"""Publishing, in a real flow run on Prefect's own test server."""

from __future__ import annotations

from pathlib import Path

import pytest
from prefect import flow
from prefect.client.orchestration import get_client

from tasks.report.summary import RunSummary
from tasks.report.task import publish_report
from tasks.runtime.run import Run, running
from tasks.runtime.store import Store
from tests.report import runs

pytestmark = pytest.mark.usefixtures("prefect_server")


@flow(name="report-only")
def report_only(store: str) -> list[str]:
    run = Run("test/report", Store(store))
    with running(run):
        pages = [publish_report(runs.promoted()), publish_report(runs.promoted())]  # safe to repeat
    assert [entry["outcome"] for entry in run.entries] == ["run", "run"]
    return pages


def test_the_page_is_written_and_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINNOW_HOME", str(tmp_path / "home"))
    first, again = report_only(str(tmp_path / "store"))
    assert first == again
    page = Path(first)
    assert page.is_relative_to(tmp_path / "home" / "runs")
    assert page.read_text().startswith("<!DOCTYPE html>")
    written = RunSummary.model_validate_json(page.with_name("summary.json").read_text())
    assert written == runs.promoted().model_copy(update={"report": first})
    # The journal names the report; it does not repeat it.
    assert len((page.parent / "tasks.jsonl").read_text()) < 2000
    with get_client(sync_client=True) as client:
        artifacts = {artifact.key: artifact for artifact in client.read_artifacts()}
    assert artifacts["report-demo"].type == "markdown"
    assert artifacts["report-demo"].data == page.with_name("report.md").read_text()
    assert page.as_uri() in artifacts["report-demo-page"].data
