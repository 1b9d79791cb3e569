"""Rounds drawn by several models, through the real tasks and the embedded engine: each says one word, its own."""

from __future__ import annotations

import inspect
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from prefect import flow

from flows import draws, policies
from flows.night import Night
from flows.nightly import nightly_rsf, plan_nightly
from flows.settings import NightSettings
from tasks.runtime.errors import ConfigurationError
from tasks.runtime.models import save_model, source_digest
from tasks.runtime.references import DatasetRef, ModelRef
from tasks.runtime.rows import read_rows, write_rows
from tasks.runtime.run import Run, running
from tasks.runtime.store import Store
from tasks.runtime.task import results_in
from tasks.sample.budget.settings import BudgetSettings, PolicySettings
from tasks.sample.settings import SamplingSettings
from tasks.train.task import import_base_model
from tasks.verify.verdict import verifier_versions
from tests.sample.embedded.models import WORDS, random_model, word_tokenizer

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("prefect_server")


def says(word: str, folder: Path) -> Path:
    """A Llama whose layers do nothing: what comes next depends on the last token alone, and after <answer> it is `word`."""
    import torch

    model = random_model("llama", len(WORDS))
    end, answer = WORDS.index("<end>"), WORDS.index("<answer>")
    following = torch.full((len(WORDS),), end)
    following[answer] = WORDS.index(word)
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        model.model.embed_tokens.weight.copy_(torch.eye(len(WORDS), model.config.hidden_size))
        model.lm_head.weight.zero_()
        model.lm_head.weight[following, torch.arange(len(WORDS))] = 10.0
    folder.mkdir()
    save_model(model, word_tokenizer(), folder)
    return folder


def asked(name: str, word: str, family: str) -> dict[str, Any]:
    turns = [{"role": "user", "content": f"is {word}"}]
    return {"id": name, "messages": turns, "reference": word, "verifier": "exact", "family": family}


ROWS = [
    *(asked(f"s{number}", "seven", "sevens") for number in range(6)),
    *(asked(f"e{number}", "eight", "eights") for number in range(6)),
    *(asked(f"f{number}", "seven", "few") for number in range(2)),
]


def a_round(
    tmp_path: Path, choice: str, sampling: dict[str, Any] | None = None, **budget: Any
) -> tuple[dict[str, str], list[dict[str, Any]], Any]:
    """Which word each policy's digest stands for, the samples of a round, and what a probe found."""
    given = {name: field.default for name, field in inspect.signature(nightly_rsf.fn).parameters.items()}
    probe = PolicySettings(choice=choice, prompts=6, draws=2)
    settings = NightSettings(
        **{
            **given,
            "sampling": SamplingSettings(max_tokens=3, shard_prompts=64, **(sampling or {})),
            "budget": BudgetSettings(strategy="uniform", policies=probe, **budget),
        }
    )
    run = Run("test/policies", Store(str(tmp_path / "store")))

    @flow(name="policies-test", persist_result=False)
    def body() -> tuple[dict[str, str], list[dict[str, Any]], Any]:
        with running(run), results_in(run):
            models: dict[str, ModelRef] = {}
            for word in ("seven", "eight"):
                path = says(word, tmp_path / word)
                models[word] = import_base_model(str(path), word, source_digest(path), "float32")
            night = Night(settings, 1, None, None, "float32", models["seven"], models["eight"])
            with run.store.draft() as draft:
                rows = write_rows(draft, "prompts", ROWS)
                prompts: DatasetRef = run.store.publish(draft, "prompts", counts={"rows": rows})
            night.prompts, night.verifiers = [prompts], verifier_versions(["exact"], settings.verification)
            shared = policies.policies_of(night)
            best = policies.best_of(night, 1, shared)
            samples, _ = draws.draw_in_waves(night, 1, shared, best)
            drawn = [row for ref in samples for row in read_rows(run.store.open(ref))]
            return {model.digest: word for word, model in models.items()}, drawn, best.metadata if best else None

    done: tuple[dict[str, str], list[dict[str, Any]], Any] = body()
    return done


def complete(rows: list[dict[str, Any]], count: int) -> bool:
    return Counter((row["prompt_id"], row["draw"]) for row in rows) == Counter(
        (row["id"], draw) for row in ROWS for draw in range(count)
    )


def test_pooled_checkpoints_take_turns_and_rows_say_who_drew_them(tmp_path: Path) -> None:
    words, rows, best = a_round(tmp_path, "pooled", k=4, step=2)
    assert best is None
    assert complete(rows, 4)
    assert all(row["text"] == words[row["policy"]] for row in rows)
    for name in (row["id"] for row in ROWS):
        own = [words[row["policy"]] for row in sorted(rows, key=lambda row: row["draw"]) if row["prompt_id"] == name]
        assert own in (["seven", "seven", "eight", "eight"], ["eight", "eight", "seven", "seven"])
    assert len({words[row["policy"]] for row in rows if row["draw"] == 0}) == 2


def test_each_policy_is_served_by_a_server_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("WINNOW_HOME", str(tmp_path / "home"))
    launch = f"'{sys.executable}' -m tests.flows.word_server {{port}} {{model}}"
    served = {"engine": "endpoint", "endpoint": {"launch": launch, "hedge_quantile": 0, "start_limit": 30}}
    words, rows, _ = a_round(tmp_path, "pooled", served, k=4, step=2)
    assert complete(rows, 4)
    assert all(row["text"] == words[row["policy"]] for row in rows)
    assert Counter(words[row["policy"]] for row in rows) == {"seven": 28, "eight": 28}
    assert len(list((tmp_path / "home" / "servers").glob("*.log"))) == 2


def test_the_best_of_each_family_draws_it_where_the_probe_says_so(tmp_path: Path) -> None:
    words, rows, told = a_round(tmp_path, "best_per_family", k=2)
    families = {row["id"]: row["family"] for row in ROWS}
    assert complete(rows, 2)
    # Two prompts are too few to leave the newest, though it is never right there.
    assert {families[row["prompt_id"]]: words[row["policy"]] for row in rows} == {
        "sevens": "seven",
        "eights": "eight",
        "few": "eight",
    }
    assert all(row["text"] == words[row["policy"]] for row in rows)
    rates = {family: {words[digest]: rate for digest, rate, _ in found} for family, found in told["found"].items()}
    assert rates["few"] == {"seven": 1.0, "eight": 0.0}


def test_the_head_draws_alone_unless_told_otherwise(tmp_path: Path) -> None:
    words, rows, best = a_round(tmp_path, "head", k=1)
    assert best is None
    assert {words[row["policy"]] for row in rows} == {"eight"}
    assert complete(rows, 1)


@pytest.mark.parametrize(("choice", "probes"), [("pooled", 0), ("best_per_family", 2 + 3)])
def test_a_plan_lists_what_each_policy_would_draw(tmp_path: Path, choice: Any, probes: int) -> None:
    """Of a first night: base and warm start in round 1, and round 1's model beside them in round 2."""
    budget = BudgetSettings(policies=PolicySettings(choice=choice))
    entries = plan_nightly(store=str(tmp_path), lineage="plan", rounds=2, budget=budget, sampling=SamplingSettings())
    labels = [entry["label"] for entry in entries if "polic" in entry["label"]]
    assert len(set(labels)) == len(labels)
    assert sum(label.startswith("requests of round") for label in labels) == 2 + 3
    assert sum(label.startswith("sample probe of policy") and label.endswith("shard 0") for label in labels) == probes


def test_servers_that_run_already_cannot_be_several_policies(tmp_path: Path) -> None:
    sampling = SamplingSettings(engine="endpoint", endpoint={"addresses": ["http://localhost/v1"], "model": "m"})
    budget = BudgetSettings(policies=PolicySettings(choice="pooled"))
    with pytest.raises(ConfigurationError, match=r"give sampling\.endpoint\.launch instead of addresses"):
        plan_nightly(store=str(tmp_path), budget=budget, sampling=sampling)
