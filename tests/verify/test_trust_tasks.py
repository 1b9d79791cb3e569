"""The self-test and the audit as tasks: cached by content, and a report in the store even when they halt the run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prefect import flow

from tasks.runtime.errors import SelfTestError
from tasks.runtime.references import DatasetRef
from tasks.runtime.rows import read_rows, write_rows
from tasks.runtime.run import Run, running
from tasks.runtime.store import Store
from tasks.runtime.task import results_in
from tasks.select.pass_rates import updated
from tasks.verify.audit import FILE
from tasks.verify.self_test import REPORT
from tasks.verify.settings import AuditSettings, VerifySettings
from tasks.verify.task import audit_answers, self_test, verify_samples
from tasks.verify.verdict import verifier_versions
from tests.verify.test_audit import sample
from tests.verify.test_self_test import HERE, prompts

pytestmark = pytest.mark.usefixtures("prefect_server")
SETTINGS = VerifySettings()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def in_flow(store: Store, steps: Callable[[], Any]) -> tuple[Any, list[str]]:
    """What the steps return inside a run, and each task's outcome."""
    run = Run("test/trust", store)

    @flow(name="trust-test", persist_result=False)
    def body() -> Any:
        with running(run), results_in(run):
            return steps()

    return body(), [entry["outcome"] for entry in run.entries]


def publish(store: Store, kind: str, rows: list[dict[str, Any]]) -> DatasetRef:
    with store.draft() as draft:
        ref = store.publish(draft, kind, counts={"rows": write_rows(draft, kind, rows)})
    assert isinstance(ref, DatasetRef)
    return ref


def test_a_sound_verifier_s_test_is_read_from_the_cache_and_a_gullible_one_halts_the_run(store: Store) -> None:
    def tested(name: str) -> Any:
        asked = publish(store, "prompts", prompts(name))
        return self_test([asked], SETTINGS, AuditSettings(), verifier_versions([name], SETTINGS))

    report, outcomes = in_flow(store, lambda: tested(f"{HERE}:sound"))
    assert (report.kind, outcomes) == ("report", ["run"])
    assert report.metadata["verifiers"][0]["verdict"] == "pass"
    assert report.metadata["kinds"]
    again, outcomes = in_flow(store, lambda: tested(f"{HERE}:sound"))
    assert (again, outcomes) == (report, ["cached"])
    with pytest.raises(SelfTestError, match="injection") as halted:
        in_flow(store, lambda: tested(f"{HERE}:gullible"))
    place = Path(str(halted.value).partition("the answers are in ")[2].partition(". ")[0].removeprefix("file://"))
    assert place.name == REPORT
    assert json.loads(place.read_text())["mistakes"]


def test_a_round_is_audited_once(store: Store) -> None:
    name, second = "tests.verify.plugins:trivial", f"{HERE}:fussy"
    rows = prompts(name, 3)
    samples = [sample(row["id"], draw, row["reference"]) for row in rows for draw in range(10)]
    versions = verifier_versions([name, second], SETTINGS)

    def night() -> DatasetRef:
        asked, drawn = publish(store, "prompts", rows), publish(store, "samples", samples)
        verdicts = verify_samples(drawn, asked, SETTINGS, versions, shard=0, of="round 1")
        counted = publish(store, "pass_rates", updated((), samples, read_rows(store.open(verdicts))))
        audit = AuditSettings(second_verifier=second, rows=7)
        made = audit_answers([drawn], [verdicts], asked, counted, SETTINGS, audit, versions, 1)
        assert isinstance(made, DatasetRef)
        return made

    audited, outcomes = in_flow(store, night)
    assert outcomes == ["run", "run"]
    assert (audited.kind, audited.rows, audited.counts["random"], audited.counts["disagreed"]) == ("verdicts", 7, 7, 0)
    assert audited.metadata["deciles"] == [{"decile": 9, "judged": 7, "agreed": 7}]
    assert len((store.open(audited) / FILE).read_text().splitlines()) == 7
    again, outcomes = in_flow(store, night)
    assert (again, outcomes) == (audited, ["cached", "cached"])
