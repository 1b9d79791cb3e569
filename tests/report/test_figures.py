"""Figures from references, the journal and rows in a store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.gate.statistics import wilson
from tasks.report.figures import answer_examples, costs, stage_score, training_figures, validation_figures
from tasks.runtime.references import DatasetRef, ModelRef
from tasks.runtime.rows import write_rows
from tasks.validate.facts import Facts
from tasks.validate.report import Inspection
from tasks.validate.settings import ValidationSettings
from tests.report import runs

MODEL = ModelRef(
    uri="models/x",
    digest="d" * 64,
    counts={"rows": 8, "steps": 2, "tokens": 700, "label_tokens": 90},
    metadata={"loss": [[1, 2.5], [2, 1.25]]},
)


def test_a_stage_is_its_scores_with_wilson() -> None:
    scores = DatasetRef(kind="scores", uri="scores/x", digest="e" * 64, counts={"rows": 400, "right": 172})
    stage = stage_score("warm_start", scores, MODEL)
    assert (stage.accuracy, stage.items, stage.digest) == (0.43, 400, MODEL.digest)
    assert (stage.low, stage.high) == wilson(172, 400)


def test_a_training_is_its_models_counts_and_curve() -> None:
    training = training_figures("round 1", MODEL)
    assert (training.rows, training.steps, training.label_tokens) == (8, 2, 90)
    assert training.loss == [(1, 2.5), (2, 1.25)]


def test_shards_of_a_step_are_added_up() -> None:
    made = costs(runs.journal(), {"sample round 1": 14_336})
    labels = [cost.label for cost in made]
    assert len(labels) == len(set(labels)) == len(runs.journal()) - 1
    cost = next(cost for cost in made if cost.label == "sample round 1")
    assert (cost.run, cost.cached, cost.failed, cost.tokens) == (1, 1, 0, 14_336)
    assert cost.seconds == pytest.approx(19.03)
    assert cost.peak_bytes == 1700 << 20
    assert next(cost for cost in made if cost.label == "base model").tokens is None


def test_a_validation_is_its_report(tmp_path: Path) -> None:
    good = {"id": "1", "source": "t", "messages": [_turn("user", "2 + 2?"), _turn("assistant", "4")]}
    bad = {"id": "2", "source": "t", "messages": [_turn("user", "2 + 2?")]}
    inspection = Inspection("chat", Facts(), tmp_path, ValidationSettings(max_rejected_share=1.0))
    assert len(list(inspection.accepted([good, bad]))) == 1
    inspection.finish()
    figures = validation_figures("warm rows", tmp_path)
    assert (figures.suite, figures.read, figures.accepted, figures.rejected) == ("chat", 2, 1, 1)
    assert sum(figures.codes.values()) >= 1
    assert Path(figures.docs).is_file()


def test_examples_are_a_few_of_each_state_with_their_texts(tmp_path: Path) -> None:
    prompts, samples, verdicts = (tmp_path / name for name in ("prompts", "samples", "verdicts"))
    states = ["rejected", "accepted", "accepted", "accepted", "answer_unparsable", "rejected"]
    reference = json.dumps({"dataset": "sums", "entry": {"question": "?", "answer": "42", "metadata": {}}})
    _write(prompts, "prompts", [_prompt(f"p/{n}", reference if n else "plain") for n in range(6)])
    _write(samples, "samples", [_sample(f"p/{n}", draw) for n in range(6) for draw in range(2)])
    _write(verdicts, "verdicts", [_verdict(f"p/{n}/1/{draw}", states[n]) for n in range(6) for draw in range(2)])
    examples = answer_examples(prompts, [samples], [verdicts], round=1, each=2)
    assert [example.state for example in examples] == [
        "accepted", "accepted", "answer_unparsable", "rejected", "rejected",
    ]  # fmt: skip
    assert (examples[0].prompt, examples[0].response, examples[0].reference) == ("ask p/1", "p/1/1/0 says", "42")
    assert examples[3].reference == "plain"
    assert len({example.prompt for example in examples}) == 5


def _turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _write(folder: Path, kind: str, rows: list[dict[str, Any]]) -> None:
    folder.mkdir()
    write_rows(folder, kind, rows)


def _prompt(id: str, reference: str) -> dict[str, Any]:
    return {
        "id": id, "messages": [_turn("user", f"ask {id}")], "reference": reference, "verifier": "number", "family": "f",
        "metadata": None,
    }  # fmt: skip


def _sample(prompt: str, draw: int) -> dict[str, Any]:
    id = f"{prompt}/1/{draw}"
    return {
        "sample_id": id, "prompt_id": prompt, "draw": draw, "round": 1, "policy": "d", "seed": draw, "temperature": 1.0,
        "text": f"{id} says", "token_count": 2, "logprob": -1.0, "finish_reason": "stop",
    }  # fmt: skip


def _verdict(sample: str, state: str) -> dict[str, Any]:
    return {
        "sample_id": sample, "verifier": "number", "verifier_version": "1", "state": state, "score": 0.0, "reason": "",
    }  # fmt: skip
