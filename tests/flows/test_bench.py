"""``winnow bench overhead`` short of a whole night: what it reports, and what it leaves behind when the night fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flows.commands.bench import _workload

ROOT = Path(__file__).parents[2]


def test_the_share_is_what_is_not_compute() -> None:
    result: dict[str, Any] = {"seconds": {"wall": 190.0, "compute": 180.0}, "peak_bytes": 7}
    assert _workload("demo", 200.0, result) == {
        "name": "demo",
        "ratio": pytest.approx(200 / 180),
        "ours": 200.0,
        "peer": 180.0,
        "unit": "seconds",
        "limit_share": pytest.approx(0.1),
        "peak_bytes": 7,
    }


@pytest.mark.parametrize(
    ("text", "said"), [(None, "cannot be read"), ("model: nowhere/at/all\n", "no model at 'nowhere/at/all'")]
)
def test_a_night_that_cannot_run_is_an_error_and_leaves_nothing(tmp_path: Path, text: str | None, said: str) -> None:
    profile, home = tmp_path / "profile.yaml", tmp_path / "home"
    if text is not None:
        profile.write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "flows", "bench", "overhead", "--profile", str(profile), "--json"],
        cwd=ROOT,
        env=os.environ | {"WINNOW_HOME": str(home)},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert done.stdout == ""
    assert said in done.stderr
    assert list(home.glob("bench-*")) == []
