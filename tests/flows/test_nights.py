"""Night after night on the same ten prompts of a file, with engines that ask no model: what goes on, and what is redone."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from flows.nightly import nightly_rsf, plan_nightly
from flows.parameters import check_parameters
from tasks.registry.nights import last_night
from tasks.registry.records import file_of, folder_of
from tasks.runtime.rows import read_rows
from tasks.runtime.store import Store
from tasks.select.pass_rates import DECAY

pytestmark = pytest.mark.usefixtures("prefect_server")
K, PROMPTS, NIGHTS, LINEAGE = 4, 10, 2, "same-prompts"
ENGINES = "tests.flows.engines"


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def asked(name: str, question: str, answer: int) -> dict[str, Any]:
    turns = [{"role": "user", "content": question}]
    return {"id": name, "messages": turns, "reference": str(answer), "verifier": "number", "family": "sums"}


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> dict[str, Any]:
    """The parameters of a lineage, two nights of which have been run."""
    folder = tmp_path_factory.mktemp("nights")
    train = [asked(f"t{n}", f"How many birds are {n} and {n + 3}?", 2 * n + 3) for n in range(PROMPTS)]
    items = [asked(f"e{n}", f"What is {n * 7} plus {n + 50}?", n * 8 + 50) for n in range(30)]
    parameters: dict[str, Any] = {
        "lineage": LINEAGE,
        "rounds": 1,
        "model": str(tiny_model),
        "store": str(folder / "store"),
        "data": {
            "train_file": write(folder / "train.jsonl", train),
            "evaluation_file": write(folder / "items.jsonl", items),
            "train_prompts": PROMPTS,
            "evaluation_items": 20,
            "warm_rows": 0,
        },
        "sampling": {"engine": f"{ENGINES}:sometimes_right"},
        "budget": {"strategy": "uniform", "k": K},
        "training": {"epochs": 1},
        "evaluation": {"engine": f"{ENGINES}:only_the_base_is_right"},
    }
    for _ in range(NIGHTS):
        nightly_rsf(**check_parameters(nightly_rsf, parameters))
    return parameters


def planned(parameters: dict[str, Any], **changes: Any) -> dict[str, str]:
    """Task label → why it would run, of those that would."""
    entries = plan_nightly(**check_parameters(nightly_rsf, {**parameters, **changes}))
    return {entry["label"]: entry["why"] for entry in entries if entry["outcome"] == "run"}


def test_the_same_policy_may_be_asked_the_same_prompts_night_after_night(nights: dict[str, Any]) -> None:
    """Each night's model is worse, so that the lineage stays at the base, which says other things with another seed."""
    store = Store(nights["store"])
    state = last_night(store, LINEAGE)
    assert state is not None
    assert (state.night, state.head.digest) == (NIGHTS, state.base.digest)
    assert [part.night for part in state.window] == [1, 2]
    rows = [row for part in state.window for ref in part.rows for row in read_rows(store.open(ref))]
    assert max(Counter(row["id"] for row in rows).values()) == 1
    assert all(ref.rows >= PROMPTS // 2 for part in state.window for ref in part.rows)
    assert state.pass_rates is not None
    rates = list(read_rows(store.open(state.pass_rates)))
    assert len(rates) == PROMPTS
    assert {round(row["draws"], 9) for row in rates} == {round(K * (1 + DECAY), 9)}


def test_a_night_is_read_from_the_cache_or_redone_from_where_it_differs(nights: dict[str, Any]) -> None:
    assert planned(nights, night=NIGHTS) == {}
    fewer = planned(nights, night=NIGHTS, selection={"filters": {"refusal": False}})
    assert next(iter(fewer)) == "select, round 1"
    assert planned(nights, night=NIGHTS, window=1)["select, round 1"].startswith("inputs.past")
    audited = planned(nights, night=NIGHTS, audit={"second_verifier": "exact"})
    assert not [label for label in audited if label.startswith(("sample round", "verify round", "score base"))]
    assert list(audited)[:3] == ["self-test of the verifiers", "audit round 1", "select, round 1"]
    assert "draw evaluation prompts, round 0" in planned(nights, night=NIGHTS + 1)


def test_a_state_of_a_version_without_some_fields_still_serves(nights: dict[str, Any]) -> None:
    store = Store(nights["store"])
    name = file_of(folder_of(LINEAGE, "nights"), 1)
    kept = store.read_bytes(name)
    needed = ("night", "lineage", "base", "head", "champion", "window", "training_prompts")
    try:
        store.write_bytes(name, json.dumps({field: json.loads(kept)[field] for field in needed}).encode())
        assert "pass rates, round 1" in planned(nights, night=NIGHTS)
    finally:
        store.write_bytes(name, kept)
