"""A night's warm-start rows from several sources of different formats, through the real tasks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from prefect import flow

from flows.night import Night
from flows.nightly import nightly_rsf
from flows.parameters import check_parameters
from flows.pools import pool
from flows.settings import NightSettings
from tasks.data.settings import DataSettings
from tasks.runtime.errors import ConfigurationError
from tasks.runtime.models import source_digest
from tasks.runtime.references import DatasetRef
from tasks.runtime.rows import read_rows, write_rows
from tasks.runtime.run import Run, current_run, running
from tasks.runtime.store import Store
from tasks.runtime.task import results_in
from tasks.train.task import import_base_model

pytestmark = pytest.mark.usefixtures("prefect_server")


def _item(store: Store) -> DatasetRef:
    question = [{"role": "user", "content": "What is the capital of France?"}]
    row = {"id": "e1", "messages": question, "reference": "Paris", "verifier": "exact", "family": "capitals"}
    with store.draft() as draft:
        ref: DatasetRef = store.publish(draft, "prompts", counts={"rows": write_rows(draft, "prompts", [row])})
    return ref


def _settings(**data: Any) -> NightSettings:
    import inspect

    given = {name: field.default for name, field in inspect.signature(nightly_rsf.fn).parameters.items()}
    return NightSettings(**{**given, "data": DataSettings(**data)})


def test_warm_rows_are_mixed_from_several_sources_without_tonights_items(tmp_path: Path, tiny_model: Path) -> None:
    alpaca = [{"instruction": f"Name the number {n} in words.", "input": "", "output": f"word {n}"} for n in range(30)]
    alpaca.append({"instruction": "What is the capital of France?", "input": "", "output": "Paris"})
    (tmp_path / "alpaca.json").write_text(json.dumps(alpaca))
    turns = [[{"from": "human", "value": f"Count to {n}"}, {"from": "gpt", "value": f"1 to {n}"}] for n in range(40)]
    (tmp_path / "sharegpt.jsonl").write_text("".join(json.dumps({"conversations": turn}) + "\n" for turn in turns))
    sources = [
        {"address": str(tmp_path / "alpaca.json"), "name": "a", "weight": 1},
        {"address": str(tmp_path / "sharegpt.jsonl"), "name": "s", "weight": 1, "cap": 10},
    ]
    settings = _settings(warm_mix={"sources": sources, "duplicates": {"near": "off"}})
    run = Run("test/pools", Store(str(tmp_path / "store")))

    @flow(name="pools-test", persist_result=False)
    def body() -> Any:
        with running(run), results_in(run):
            base = import_base_model(str(tiny_model), "tiny", source_digest(tiny_model), "float32")
            night = Night(settings, 1, None, None, "float32", base, base, items=_item(run.store))
            made = pool(night, "warm")
            assert pool(night, "warm") is made
            assert made is not None
            return made, list(read_rows(current_run().store.open(made))), sorted(night.validated)

    made, rows, validated = body()
    assert {row["source"] for row in rows} == {"a", "s"}
    assert len(rows) == made.counts["rows"] == 20  # equal weights, and ten rows at most of one
    assert made.counts["evaluation_item"] == 1
    assert validated == ["warm source 1", "warm source 2"]


def test_a_file_and_a_mix_are_refused_together() -> None:
    data = {"warm_file": "w.jsonl", "warm_mix": {"sources": [{"address": "a.jsonl"}]}}
    with pytest.raises(ConfigurationError, match="put the file among the sources"):
        check_parameters(nightly_rsf, {"data": data})
