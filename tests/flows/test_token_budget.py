"""The night's token budget through the whole flow: never exceeded, and what is over when it is spent ends well."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flows.nightly import nightly_rsf
from flows.parameters import check_parameters
from tasks.registry.nights import last_night
from tasks.runtime.rows import read_rows
from tasks.runtime.store import Store

pytestmark = pytest.mark.usefixtures("prefect_server")
PROMPTS, LONGEST = 6, 5


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def asked(name: str, question: str, answer: int) -> dict[str, Any]:
    turns = [{"role": "user", "content": question}]
    return {"id": name, "messages": turns, "reference": str(answer), "verifier": "number", "family": "sums"}


@pytest.mark.parametrize(
    ("budget", "status"),
    [(LONGEST - 1, "no_training"), (100, "refused")],
    ids=["nothing can be drawn", "spent in the first round"],
)
def test_a_night_that_runs_out_of_tokens(budget: int, status: str, tmp_path: Path, tiny_model: Path) -> None:
    train = [asked(f"t{n}", f"How many birds are {n} and {n + 3}?", 2 * n + 3) for n in range(PROMPTS)]
    items = [asked(f"e{n}", f"What is {n * 7} plus {n + 50}?", n * 8 + 50) for n in range(30)]
    parameters: dict[str, Any] = {
        "lineage": "budget",
        "rounds": 2,
        "model": str(tiny_model),
        "store": str(tmp_path / "store"),
        "data": {
            "train_file": write(tmp_path / "train.jsonl", train),
            "evaluation_file": write(tmp_path / "items.jsonl", items),
            "train_prompts": PROMPTS,
            "evaluation_items": 20,
            "warm_rows": 0,
        },
        "sampling": {"engine": "tests.flows.engines:sometimes_right", "max_tokens": LONGEST},
        "budget": {"token_budget": budget},
        "training": {"epochs": 1},
        "evaluation": {"engine": "tests.flows.engines:only_the_base_is_right"},
    }
    told = nightly_rsf(**check_parameters(nightly_rsf, parameters))
    assert told["status"] == status
    state = last_night(Store(parameters["store"]), "budget")
    assert state is not None
    assert state.pass_rates is not None
    assert state.pass_rates.rows == (PROMPTS if budget > LONGEST else 0)
    tokens = 0
    for file in tmp_path.glob("store/objects/samples/*/manifest.json"):
        kind, settings = json.loads(file.read_text())["config"]["$model"]
        if kind == "SamplingSettings" and settings["temperature"]:  # drawn, and not for the evaluation
            tokens += sum(row["token_count"] for row in read_rows(file.parent))
    assert 0 <= budget - tokens < LONGEST
