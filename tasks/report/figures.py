"""What the store and the run's journal hold → the figures of a summary."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tasks.gate.statistics import wilson
from tasks.report.summary import AnswerExample, Cost, StageScore, TrainingFigures, ValidationFigures
from tasks.runtime.references import DatasetRef, ModelRef
from tasks.runtime.rows import Row, read_rows

_SHARD = re.compile(r", shard \d+$")


def stage_score(name: str, scores: DatasetRef, model: ModelRef) -> StageScore:
    """A stage's accuracy from its score rows' counts (`right`, `rows`)."""
    right, items = scores.counts["right"], scores.rows
    low, high = wilson(right, items)
    return StageScore(name=name, accuracy=right / items, low=low, high=high, items=items, digest=model.digest)


def training_figures(of: str, model: ModelRef) -> TrainingFigures:
    """A training from the counts and the loss curve in its model's reference."""
    counts = {name: model.counts[name] for name in ("rows", "steps", "tokens", "label_tokens")}
    return TrainingFigures(of=of, **counts, loss=model.metadata.get("loss", []))


def validation_figures(of: str, report: Path) -> ValidationFigures:
    """A validation from the folder of its report (``summary.json``, ``docs/``)."""
    from tasks.validate.report import DOCS, SUMMARY

    summary = json.loads((report / SUMMARY).read_text())
    figures = {name: summary[name] for name in ("suite", "read", "accepted", "rejected", "codes")}
    docs = report / DOCS / "index.html"
    return ValidationFigures(of=of, **figures, docs=str(docs) if docs.exists() else "")


def costs(entries: Iterable[dict[str, Any]], tokens: dict[str, int] | None = None) -> list[Cost]:
    """A run's journal as one cost a step, in order; the shards of a step are added up.

    Args:
        entries: as `tasks.runtime.run.Run.entries` has them.
        tokens: step (a label without its shard) → tokens generated or trained there.
    """
    steps: dict[str, list[dict[str, Any]]] = {}
    for entry in entries:
        steps.setdefault(_SHARD.sub("", entry["label"]), []).append(entry)
    return [_cost(label, parts, (tokens or {}).get(label)) for label, parts in steps.items()]


def _cost(label: str, entries: list[dict[str, Any]], tokens: int | None) -> Cost:
    outcomes = Counter(entry["outcome"] for entry in entries)
    return Cost(
        label=label,
        run=outcomes["run"],
        cached=outcomes["cached"],
        failed=outcomes["failed"],
        seconds=sum(entry["seconds"] for entry in entries),
        compute=sum(entry["compute"] for entry in entries),
        peak_bytes=max(entry["peak_bytes"] for entry in entries),
        tokens=tokens,
    )


def answer_examples(
    prompts: Path, samples: Iterable[Path], verdicts: Iterable[Path], round: int, each: int = 2
) -> list[AnswerExample]:
    """The first answers of each verdict state, at most `each` a state and one a prompt; accepted ones first.

    Memory: the prompts and the verdicts' ids that are shown, not the rows.

    Args:
        prompts, samples, verdicts: folders of rows.
        round: for the caption.
    """
    chosen = _choose((row for folder in verdicts for row in read_rows(folder)), each)
    texts = {
        row["sample_id"]: row["text"]
        for folder in samples
        for row in read_rows(folder, columns=["sample_id", "text"])
        if row["sample_id"] in chosen
    }
    asked = {_prompt_id(sample_id) for sample_id in chosen}
    questions = {row["id"]: row for row in read_rows(prompts) if row["id"] in asked}
    order = sorted(chosen.values(), key=lambda verdict: (verdict["state"] != "accepted", verdict["state"]))
    return [
        AnswerExample(
            round=round,
            prompt=questions[_prompt_id(verdict["sample_id"])]["messages"][-1]["content"],
            reference=_expected(questions[_prompt_id(verdict["sample_id"])]["reference"]),
            response=texts[verdict["sample_id"]],
            state=verdict["state"],
            reason=verdict["reason"] or "",
        )
        for verdict in order
    ]


def _choose(verdicts: Iterable[Row], each: int) -> dict[str, Row]:
    """Sample id → verdict of those to show."""
    chosen: dict[str, Row] = {}
    taken: Counter[str] = Counter()
    shown: set[str] = set()
    for verdict in verdicts:
        prompt = _prompt_id(verdict["sample_id"])
        if taken[verdict["state"]] < each and prompt not in shown:
            chosen[verdict["sample_id"]] = verdict
            taken[verdict["state"]] += 1
            shown.add(prompt)
    return chosen


def _prompt_id(sample_id: str) -> str:
    """A sample's id is its prompt's id, round and draw, joined by slashes."""
    return sample_id.rsplit("/", 2)[0]


def _expected(reference: str) -> str:
    """The right answer in a reference: that of a reasoning-gym entry, else the reference itself."""
    try:
        return str(json.loads(reference)["entry"]["answer"])
    except (ValueError, KeyError, TypeError):
        return reference
