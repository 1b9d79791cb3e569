"""A flow of Winnow tasks, small enough to read; as a program it runs once and prints its journal.

``python -m tests.runtime.task_functions STORE OPTIONS SIZE``
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from prefect import flow
from pydantic import BaseModel

from tasks.runtime.errors import PassingFaultError
from tasks.runtime.references import DatasetRef, ReportRef
from tasks.runtime.rows import read_rows, write_rows
from tasks.runtime.run import Run, current_run, running
from tasks.runtime.store import Store
from tasks.runtime.task import attempt, in_stage, results_in, winnow_task


class Size(BaseModel):
    rows: int = 3


def write_chat(folder: Path, rows: int) -> int:
    return write_rows(folder, "chat", ({"id": str(number), "messages": [], "source": "test"} for number in range(rows)))


@winnow_task(version="1", label="make {size.rows} rows")
def make(size: Size) -> DatasetRef:
    store = current_run().store
    with store.draft() as draft:
        count = in_stage("make", write_chat, draft, size.rows)
        return store.publish(draft, "chat", config=size, counts={"rows": count})


@winnow_task(version="1", label="count rows")
def count(rows: DatasetRef) -> ReportRef:
    store = current_run().store
    total = sum(1 for _ in read_rows(store.open(rows)))
    with store.draft() as draft:
        (draft / "count").write_text(str(total))
        return store.publish(draft, "report", inputs={"rows": rows}, counts={"rows": total})


@winnow_task(version="1", label="falter", retries=1)
def falter(rows: DatasetRef) -> DatasetRef:
    if attempt() == 1:
        raise PassingFaultError("this once")
    return rows


@winnow_task(version="1", label="give up")
def give_up(number: int) -> DatasetRef:
    Path(current_run().store.root, f"tried-{attempt()}").touch()
    raise ValueError("a data error is not tried again")


def run_tasks(store: Store, rows: int, *, planning: bool = False, faltering: bool = False) -> list[dict[str, Any]]:
    """One run; its journal."""
    run = Run("tests/small", store, planning=planning)

    def body() -> None:
        made = make(Size(rows=rows))
        count(made)
        if faltering:
            falter(made)

    @flow(name="small")
    def small() -> None:
        with running(run), results_in(run):
            body()

    if planning:
        with running(run):
            body()
    else:
        small()
    return run.entries


if __name__ == "__main__":
    from tests.runtime import task_functions

    made = task_functions.run_tasks(Store(sys.argv[1], json.loads(sys.argv[2])), int(sys.argv[3]))
    print(json.dumps(made))
