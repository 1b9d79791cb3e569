"""What the UI shows of a step in progress: a progress artifact with the whole line, read back from the server."""

from pathlib import Path

import pytest
from prefect import flow
from prefect.client.orchestration import get_client

from tasks.runtime.references import ReportRef
from tasks.runtime.run import Run, current_run, running
from tasks.runtime.store import Store
from tasks.runtime.task import in_stage, results_in, winnow_task
from tests.runtime.stage_functions import chatter

pytestmark = pytest.mark.usefixtures("prefect_server")


@winnow_task(version="1", label="chatter")
def chatting(lines: int) -> ReportRef:
    in_stage("chatter", chatter, lines)
    store = current_run().store
    with store.draft() as draft:
        (draft / "told.txt").write_text("30 lines")
        return store.publish(draft, "report")


def test_the_artifact_has_share_and_line(home: Path, tmp_path: Path) -> None:
    @flow
    def talk() -> None:
        run = Run(name="talk", store=Store(str(tmp_path / "store")))
        with running(run), results_in(run):
            chatting(30)

    talk()
    with get_client(sync_client=True) as client:
        found = client.request("POST", "/artifacts/filter", json={"artifacts": {"type": {"any_": ["progress"]}}}).json()
    assert [100.0, "chatter: 30/30 lines, n"] in [[one["data"], one["description"]] for one in found]
