"""Verification as a cached unit: read again, made anew for a new version, and killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.settings import get_current_settings

from tasks.runtime.references import DatasetRef
from tasks.runtime.rows import read_rows, write_rows
from tasks.runtime.run import Run, running
from tasks.runtime.store import Store
from tasks.runtime.task import results_in
from tasks.verify.settings import JudgeSettings, VerifySettings
from tasks.verify.task import verify_samples
from tasks.verify.verdict import verifier_versions
from tests.e2e.test_nightly import kill_tree
from tests.verify.killed import verify_shards
from tests.verify.test_rows import prompt, sample

pytestmark = pytest.mark.usefixtures("prefect_server")
ROOT = Path(__file__).parents[2]
OF_A_MODEL, SLOW = "tests.verify.plugins:of_a_model", "tests.verify.plugins:slow"


def publish(store: Store, kind: str, rows: list[dict[str, Any]]) -> DatasetRef:
    with store.draft() as draft:
        count = write_rows(draft, kind, rows)
        ref = store.publish(draft, kind, counts={"rows": count})
    assert isinstance(ref, DatasetRef)
    return ref


def in_flow(store: Store, step: Callable[[], Any]) -> tuple[Any, list[str]]:
    run = Run("test/verify", store)

    @flow(name="verify-test", persist_result=False)
    def body() -> Any:
        with running(run), results_in(run):
            return step()

    return body(), [entry["outcome"] for entry in run.entries]


def test_a_new_version_scores_the_stored_samples_again(tmp_path: Path) -> None:
    """The samples are the same artifact before and after: nothing is drawn anew."""
    store, model = Store(str(tmp_path / "store")), tmp_path / "model"
    prompts = publish(store, "prompts", [prompt("a", verifier=OF_A_MODEL)])
    samples = publish(store, "samples", [sample("a", draw, "8") for draw in range(3)])
    settings = VerifySettings(judge=JudgeSettings(model=str(model)))

    def verified() -> tuple[list[str], list[str]]:
        versions = verifier_versions([OF_A_MODEL], settings)
        ref, outcomes = in_flow(store, lambda: verify_samples(samples, prompts, settings, versions, shard=0, of="round 1"))
        rows = list(read_rows(store.open(ref)))
        assert len({(row["sample_id"], row["verifier"], row["verifier_version"]) for row in rows}) == samples.rows
        return outcomes, sorted({row["verifier_version"] for row in rows})

    model.write_text("first")
    assert verified() == (["run"], ["first"])
    assert verified() == (["cached"], ["first"])
    model.write_text("second")
    assert verified() == (["run"], ["second"])


def test_kill_9_loses_at_most_one_shard(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    names = [f"p{number}" for number in range(40)]
    prompts = publish(store, "prompts", [prompt(name, verifier=SLOW) for name in names])
    shards = [publish(store, "samples", [sample(name, shard, "8") for name in names]) for shard in range(4)]
    references = [ref.model_dump_json() for ref in (prompts, *shards)]
    killed = subprocess.Popen(
        [sys.executable, "-m", "tests.verify.killed", store.uri, *references],
        cwd=ROOT,
        env={**os.environ, "PREFECT_API_URL": str(get_current_settings().api.url)},
        start_new_session=True,
    )

    def done() -> int:
        return sum('"verdicts"' in manifest.read_text() for manifest in Path(store.uri).rglob("manifest.json"))

    while done() < 2:
        assert killed.poll() is None, "it ended before it could be killed"
        time.sleep(0.05)
    kill_tree(killed.pid)
    killed.wait()
    before = done()
    _, outcomes = in_flow(store, lambda: verify_shards(prompts, shards))
    assert outcomes.count("cached") >= before - 1  # the kill may fall between an artifact and the record of its task
    assert outcomes.count("cached") + outcomes.count("run") == len(shards)
    assert outcomes[0] == "cached"
    assert outcomes[-1] == "run"
