"""Another project's server and the embedded model, started and stopped by the engine itself."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import psutil
import pytest

from tasks.runtime.rows import SCHEMAS
from tasks.sample.requests import uniform_requests
from tasks.sample.settings import SamplingSettings
from tasks.sample.shards import sample_rows
from tests.sample.rows import prompt


def test_end_to_end(embedded_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ignores `n` and `logprobs`, draws only when it is told to, and starts without the net."""
    for name, value in (("HF_HUB_OFFLINE", "1"), ("OMP_NUM_THREADS", "1"), ("WINNOW_HOME", str(tmp_path))):
        monkeypatch.setenv(name, value)
    transformers = Path(sys.executable).with_name("transformers")
    sampling = SamplingSettings(
        engine="endpoint",
        max_tokens=12,
        endpoint={  # type: ignore[arg-type]
            "launch": f"'{transformers}' serve {{model}} --host {{host}} --port {{port}} --dtype {{dtype}}",
            "extra": {"generation_config": json.dumps({"do_sample": True})},
        },
    )
    before, counts = psutil.Process().children(recursive=True), {}
    requests = uniform_requests([prompt(number) for number in range(3)], 2)
    rows = list(sample_rows(embedded_model, requests, sampling, counts, policy="p" * 64, seed=3, round=0, dtype="float32"))
    assert sorted((row["prompt_id"], row["draw"]) for row in rows) == [(f"p{n}", draw) for n in range(3) for draw in range(2)]
    assert len({row["text"] for row in rows}) >= 5
    assert all(row.keys() == set(SCHEMAS["samples"].names) for row in rows)
    assert all(1 <= row["token_count"] <= 12 and row["logprob"] is None for row in rows)
    assert {row["finish_reason"] for row in rows} <= {"stop", "length"}
    assert counts["tokens"] == sum(row["token_count"] for row in rows)
    assert psutil.Process().children(recursive=True) == before
    (log,) = (tmp_path / "servers").iterdir()
    assert "Application shutdown complete" in log.read_text()
