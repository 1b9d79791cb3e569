"""A short night on the embedded model, run through the command line in a home of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
PROFILE: dict[str, Any] = {
    "lineage": "short",
    "night": 1,
    "seed": 7,
    "rounds": 1,
    "data": {"train_prompts": 24, "warm_rows": 48, "evaluation_items": 48},
    "warm_start": {"epochs": 2},
    "sampling": {"max_tokens": 8, "shard_prompts": 12},
    "budget": {"cap": 8, "repeats": 2},
    "audit": {"second_verifier": "number", "rare_below": 0.3},
    "training": {"epochs": 1},
    "evaluation": {"max_tokens": 12},
}


class Home:
    """A `WINNOW_HOME` that shares the session's converted model."""

    def __init__(self, folder: Path, embedded_model: Path) -> None:
        folder.mkdir()
        (folder / "models").symlink_to(embedded_model.parent)
        self.folder = folder
        self.profile = folder / "short.yaml"
        self.profile.write_text(yaml.safe_dump(PROFILE))
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "WINNOW_"))}
        self.environment = {**kept, "WINNOW_HOME": str(folder)}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """`winnow …` in the background, leading a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "flows", *arguments],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def winnow(self, *arguments: str, expect: tuple[int, ...] = (0,)) -> dict[str, Any]:
        """`winnow … --json` to its end; its one JSON object."""
        process = self.start(*arguments, "--json")
        out, err = process.communicate(timeout=500)
        assert process.returncode in expect, err[-4000:]
        return json.loads(out)

    def night(self, *changes: str) -> dict[str, Any]:
        """The short night; promoted (0) and refused (2) are both outcomes."""
        sets = [part for change in changes for part in ("--set", change)]
        return self.winnow("run", "nightly-rsf", "--profile", str(self.profile), *sets, expect=(0, 2))

    def plan(self, *changes: str) -> dict[str, dict[str, Any]]:
        """Task label → what the plan says of it."""
        sets = [part for change in changes for part in ("--set", change)]
        tasks = self.winnow("plan", "nightly-rsf", "--profile", str(self.profile), *sets)["tasks"]
        return {task["label"]: task for task in tasks}

    def journal(self, run_id: str | None = None) -> list[dict[str, Any]]:
        """The tasks of one run, or of all runs, in order; a line that a kill cut off is left out."""
        entries = []
        for file in sorted(self.folder.glob(f"runs/{run_id or '*'}/tasks.jsonl")):
            for line in file.read_text().splitlines():
                try:
                    entries.append(json.loads(line))
                except ValueError:
                    continue
        return entries
