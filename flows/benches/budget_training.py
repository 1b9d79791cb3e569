"""What the budget's arms teach: the embedded model trained on each arm's answers, and asked fresh questions."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from flows.benches.budget_arms import MAX_TOKENS, Arm
from flows.benches.sentences import sentences
from tasks.runtime.rows import Row, write_rows
from tasks.select.settings import SelectionSettings

_EPOCHS = 2.0
_EVALUATION = 1_000  # seeds of the evaluations, beyond those of the prompts
_BATCH = 16
_RULES = {"best_of_k": "best_of_k", "uniform": "distinct_correct", "sequential": "distinct_correct"}
ARMS = tuple(_RULES)


@dataclass(frozen=True)
class Lesson:
    """One seed's models: (arm, how they were trained) → item id → 1.0 for a right answer.

    Attributes:
        families: item id → family.
        rows: arm → how many answers it trained on.
    """

    scores: dict[tuple[str, str], dict[str, float]]
    families: dict[str, str]
    rows: dict[str, int]


def lesson(
    base: Path, home: Path, seed: int, arms: Mapping[str, Arm], prompts: Mapping[str, Row], items: int, asked: set[str]
) -> Lesson:
    """Train on each arm's answers twice: ``epochs`` (two passes over its own rows) and ``steps`` (as many as uniform's).

    Args:
        base: the model that drew the answers, and is trained. home: a folder for what is made.
        items: fresh questions each model is asked, greedily; none of those `asked`.
    """
    fresh = {row["id"]: row for row in sentences(_EVALUATION + seed, items, set(asked))}
    chosen = {name: _chosen(arm, prompts, _RULES[name]) for name, arm in arms.items()}
    scores: dict[tuple[str, str], dict[str, float]] = {}
    for name, rows in chosen.items():
        equal = _EPOCHS * len(chosen["uniform"]) / len(rows)
        for way, epochs in (("epochs", _EPOCHS), ("steps", equal)):
            if name == "uniform" and way == "steps":
                scores[name, way] = scores[name, "epochs"]
                continue
            with tempfile.TemporaryDirectory(dir=home) as folder:
                model = trained(base, Path(folder), rows, epochs, seed)
                scores[name, way] = greedy_scores(model, fresh)
    return Lesson(scores, {name: row["family"] for name, row in fresh.items()}, {name: len(of) for name, of in chosen.items()})


def _chosen(arm: Arm, prompts: Mapping[str, Row], rule: str) -> list[Row]:
    """The chat rows that a night would train on."""
    from tasks.select.outcomes import Selection

    samples, verdicts = [sample for sample, _ in arm.answers], [verdict for _, verdict in arm.answers]
    selection = Selection(verdicts, prompts.values(), SelectionSettings(rule=rule))
    return [selection.chat_row(row) for row, reason in selection.outcomes(samples) if not reason]


def trained(base: Path, folder: Path, rows: Iterable[Row], epochs: float, seed: int) -> Path:
    """A model trained from `base` on chat rows; everything is made in `folder`."""
    from tasks.chat.files import render_files
    from tasks.chat.settings import RenderSettings
    from tasks.runtime.hardware import compute_dtype
    from tasks.train.settings import TrainingSettings
    from tasks.train.sft import train_sft

    chat, labels, model = (folder / name for name in ("chat", "labels", "model"))
    for made in (chat, labels, model):
        made.mkdir()
    count = write_rows(chat, "chat", rows)
    render_files([chat], count, base, RenderSettings(mask="last"), labels)
    settings = TrainingSettings(epochs=epochs, batch_rows=_BATCH, micro_batch_rows=_BATCH)
    train_sft(base, labels, model, settings, seed=seed, dtype=compute_dtype())
    return model


def greedy_scores(model: Path, items: Mapping[str, Row]) -> dict[str, float]:
    """Item id → 1.0 where the model's greedy answer is accepted, else 0.0."""
    from tasks.runtime.hardware import compute_dtype
    from tasks.sample.requests import uniform_requests
    from tasks.sample.settings import SamplingSettings
    from tasks.sample.shards import sample_rows
    from tasks.verify.rows import verify_rows
    from tasks.verify.settings import VerifySettings

    settings = SamplingSettings(temperature=0, max_tokens=MAX_TOKENS)
    requests = uniform_requests(items.values(), 1)
    samples = list(sample_rows(model, requests, settings, {}, policy="", seed=0, round=0, dtype=compute_dtype()))
    verdicts = verify_rows(samples, items, VerifySettings())
    asked = {sample["sample_id"]: sample["prompt_id"] for sample in samples}
    return {asked[row["sample_id"]]: float(row["state"] == "accepted") for row in verdicts}


def gain(lessons: list[Lesson], way: str, peer: str) -> tuple[float, float, float]:
    """Accuracy of the sequential arm minus the peer's, and its 95 % interval, clustered by family (Miller, arXiv 2411.00640).

    Items of one family, over all seeds, are one cluster; t with a degree of freedom less than there are families.
    """
    from scipy.stats import t

    differences: dict[str, list[float]] = {}
    for one in lessons:
        ours, theirs = one.scores["sequential", way], one.scores[peer, way]
        for name, family in one.families.items():
            differences.setdefault(family, []).append(ours[name] - theirs[name])
    count = sum(map(len, differences.values()))
    mean = sum(map(sum, differences.values())) / count
    error = math.sqrt(sum((sum(of) - mean * len(of)) ** 2 for of in differences.values())) / count
    reach = float(t.ppf(0.975, len(differences) - 1)) * error
    return mean, mean - reach, mean + reach


def accuracy(lessons: list[Lesson], arm: str, way: str) -> float:
    """The share of all items that the arm's models answered rightly."""
    every = [score for one in lessons for score in one.scores[arm, way].values()]
    return sum(every) / len(every)
