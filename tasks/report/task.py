"""The report as a side effect: never cached, safe to repeat."""

from __future__ import annotations

import re

from prefect.artifacts import create_link_artifact, create_markdown_artifact

from tasks.report.markdown import render_markdown
from tasks.report.page import render_html
from tasks.report.summary import RunSummary
from tasks.runtime.run import current_run
from tasks.runtime.task import winnow_task

PAGE, SHORT, SUMMARY = "report.html", "report.md", "summary.json"


@winnow_task(version="1", label="report", side_effect=True, unkeyed=("summary",))
def publish_report(summary: RunSummary) -> str:
    """Write ``report.html``, ``report.md`` and ``summary.json`` into the run's folder, and the artifacts for the UI.

    Returns:
        The page's path; the written summary has it as `report`.
    """
    folder = current_run().folder
    page = folder / PAGE
    summary = summary.model_copy(update={"report": str(page)})
    short = render_markdown(summary)
    page.write_text(render_html(summary), encoding="utf-8")
    (folder / SHORT).write_text(short, encoding="utf-8")
    (folder / SUMMARY).write_text(summary.model_dump_json(indent=1) + "\n", encoding="utf-8")
    key = "report-" + re.sub(r"[^a-z0-9]+", "-", summary.lineage).strip("-")
    about = f"{summary.flow}, lineage {summary.lineage}, night {summary.night}"
    create_markdown_artifact(short, key=key, description=about)
    create_link_artifact(page.as_uri(), link_text="the whole report", key=f"{key}-page", description=about)
    return str(page)
