"""``winnow bench scale`` at a small size."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from flows.commands import bench


def test_a_round_is_measured_at_a_tenth_and_whole() -> None:
    done = CliRunner().invoke(bench.app, ["scale", "--prompts", "20", "--json"])
    assert done.exit_code == 0, done.output
    small, whole = json.loads(done.stdout)["workloads"]
    assert (small["name"], whole["name"]) == ("2 prompts", "20 prompts")
    assert whole["shards"] == 1
    assert whole["ratio"] == whole["ours"] / whole["peer"]
    assert whole["journal_bytes"] > 0
    assert whole["limit_share"] == whole["peak_bytes"] / (2 << 30)
