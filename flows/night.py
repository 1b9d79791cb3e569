"""The steps of a night, in order. Each takes the night so far and adds to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from flows.settings import NightSettings
from tasks.chat.task import render_labels
from tasks.data.task import check_disjoint, draw_prompts, draw_warm_rows, mix_training_rows
from tasks.evaluate.task import score_items
from tasks.gate.task import decide, decide_lineage
from tasks.registry import ledger
from tasks.registry.nights import NightRows, NightState, last_night, load_night
from tasks.registry.records import Version
from tasks.registry.task import bootstrap_registry, promote_or_refuse, write_night_state
from tasks.registry.versions import version_of
from tasks.runtime.hardware import compute_dtype
from tasks.runtime.models import locate, source_digest
from tasks.runtime.references import DatasetRef, ModelRef, ReportRef
from tasks.runtime.run import current_run
from tasks.runtime.task import Pending
from tasks.runtime.versions import code_version, library_versions
from tasks.sample.randomness import derive_seed
from tasks.sample.settings import SamplingSettings
from tasks.sample.shards import shard_count
from tasks.sample.task import sample_shard
from tasks.select.task import select_answers
from tasks.train.task import import_base_model, train
from tasks.validate.task import validate
from tasks.verify.task import verify_samples


@dataclass
class RoundMade:
    """What one round left."""

    number: int
    prompts: DatasetRef
    samples: list[DatasetRef]
    verdicts: list[DatasetRef]
    chosen: DatasetRef
    labels: DatasetRef | None = None


@dataclass
class Night:
    """A night in progress. Names of models in `scores`: base, warm_start, round_1 …, champion."""

    settings: NightSettings
    number: int
    before: NightState | None
    dtype: str
    base: ModelRef
    head: ModelRef
    items: DatasetRef | None = None
    warm_rows: DatasetRef | None = None
    prompts: list[DatasetRef] = field(default_factory=list)
    rounds: list[RoundMade] = field(default_factory=list)
    models: dict[str, ModelRef] = field(default_factory=dict)
    scores: dict[str, DatasetRef] = field(default_factory=dict)
    reports: list[ReportRef] = field(default_factory=list)
    gates: list[dict[str, Any]] = field(default_factory=list)
    trained: bool = False


def begin(settings: NightSettings) -> Night:
    """Which night it is, what the last one left, and the base model."""
    run = current_run()
    last = last_night(run.store, settings.lineage)
    number = settings.night or (last.night + 1 if last else 1)
    before = load_night(run.store, settings.lineage, number - 1) if number > 1 else None
    dtype, path = compute_dtype(), locate(settings.model)
    base = import_base_model(str(path), settings.model, source_digest(path), dtype)
    night = Night(settings, number, before, dtype, base, before.head if before else base)
    bootstrap_registry(settings.lineage, base, {"source": settings.model})
    return night


def prepare_data(night: Night) -> None:
    """Evaluation items first, then warm-start rows and each round's prompts, none of which shares a question with another."""
    settings, before = night.settings, night.before
    past = [*before.training_prompts, *before.evaluation_prompts] if before else []
    if before and before.warm_rows:
        past.append(before.warm_rows)
    night.items = _drawn(night, "evaluation", 0, past)
    used = [*past, night.items]
    if not before:
        rows = draw_warm_rows(settings.data, night=night.number, seed=settings.seed, exclude=used)
        night.warm_rows = _validated(night, rows, "warm rows")
        used.append(night.warm_rows)
    else:
        night.warm_rows = before.warm_rows
    for number in range(1, settings.rounds + 1):
        night.prompts.append(_drawn(night, "train", number, used))
        used.append(night.prompts[-1])
    check_disjoint(night.items, [ref for ref in used if ref is not night.items])


def warm_start(night: Night) -> None:
    """On the first night: teach the base model the task's form, and let the gate say whether to serve that already."""
    _evaluate(night, "base", night.base)
    if night.before:
        _evaluate(night, "head", night.head)
        return
    night.head, _ = _trained(night, "warm start", [night.warm_rows], night.settings.warm_start)
    _evaluate(night, "warm_start", night.head)
    _gate(night, "warm_start")


def rejection_sampling_round(night: Night, number: int) -> None:
    """Draw K answers to each prompt, keep distinct accepted ones, train on them (and all before) from the base model."""
    settings, prompts = night.settings, night.prompts[number - 1]
    seed = derive_seed(settings.seed, "sample", night.number, number)
    samples, verdicts = _answered(
        night, night.head, prompts, settings.sampling, settings.data.train_prompts, seed, number, f"round {number}"
    )
    chosen = select_answers(samples, verdicts, prompts, settings.selection, number)
    made = RoundMade(number, prompts, samples, verdicts, chosen)
    night.rounds.append(made)
    if not isinstance(chosen, Pending) and chosen.rows == 0:
        return  # nothing was learnt: the head stays as it is
    parts = [night.warm_rows, *_window(night), *(done.chosen for done in night.rounds)]
    night.head, made.labels = _trained(night, f"round {number}", parts, settings.training)
    night.trained = True
    _evaluate(night, f"round_{number}", night.head)


def serving_gate(night: Night) -> None:
    """Promote the last round's model when it beats the champion; the error budget is spent over the nights."""
    if night.trained:
        _gate(night, f"round_{_last_trained(night)}")


def lineage_gate(night: Night) -> None:
    """Let the next night go on from the new model, unless it is worse than the one this night began with."""
    if not night.trained:
        return
    old, new = ("head" if night.before else "warm_start"), f"round_{_last_trained(night)}"
    decision = decide_lineage(night.scores[old], night.scores[new], night.settings.gate)
    if not isinstance(decision, Pending) and decision.metadata["decision"] != "accept":
        night.head = night.models[old]


def finish(night: Night) -> dict[str, Any]:
    """Write the night's state for the next one, and the report."""
    run, settings = current_run(), night.settings
    if run.planning:
        return {}
    champion = ledger.champion(run.store, settings.lineage)
    assert champion is not None, "the registry was bootstrapped when the night began"
    before = night.before
    accepted = NightRows(night=night.number, rows=[done.chosen for done in night.rounds])
    write_night_state(
        NightState(
            night=night.number,
            lineage=settings.lineage,
            base=night.base,
            head=night.head,
            warm_rows=night.warm_rows,
            window=[*(before.window if before else []), accepted][-settings.window :],
            training_prompts=[*(before.training_prompts if before else []), *night.prompts],
            evaluation_prompts=[*(before.evaluation_prompts if before else []), night.items],
            looks_spent=ledger.looks_spent(ledger.history(run.store, settings.lineage)),
            champion=champion.version,
        )
    )
    return {}


# --- what the steps are made of --------------------------------------------------------------------------------------


def _drawn(night: Night, role: str, number: int, exclude: list[DatasetRef]) -> DatasetRef:
    settings = night.settings
    prompts = draw_prompts(settings.data, role=role, night=night.number, round=number, seed=settings.seed, exclude=exclude)
    return _validated(night, prompts, f"{role} prompts" + (f" {number}" if number else ""))


def _validated(night: Night, rows: DatasetRef, of: str) -> DatasetRef:
    """The rows that pass their suite; the report on the others is kept for the page. Too many rejects raise."""
    accepted: DatasetRef = validate(rows, night.settings.validation, of=of)
    return accepted


def _trained(
    night: Night, of: str, parts: list[DatasetRef | None], settings: Any
) -> tuple[ModelRef, DatasetRef]:
    """A model trained from the base on the rows of `parts`, and the label rows it saw."""
    rows = mix_training_rows([part for part in parts if part is not None], of=of)
    labels = _validated(night, render_labels([rows], night.base, night.settings.rendering, of), f"labels of {of}")
    seed = derive_seed(night.settings.seed, "train", night.number, of)
    return train(night.base, labels, settings, seed, night.dtype, of), labels


def _answered(
    night: Night,
    policy: ModelRef,
    prompts: DatasetRef,
    settings: SamplingSettings,
    expected: int,
    seed: int,
    number: int,
    of: str,
) -> tuple[list[DatasetRef], list[DatasetRef]]:
    """Samples and verdicts of all prompts, shard by shard. `expected`: their number, for a plan that cannot know it yet."""
    total = expected if isinstance(prompts, Pending) else prompts.rows
    samples, verdicts = [], []
    for shard in range(shard_count(total, settings)):
        samples.append(sample_shard(policy, prompts, settings, shard, seed, number, night.dtype, of))
        verdicts.append(verify_samples(samples[-1], prompts, night.settings.verification, shard=shard, of=of))
    return samples, verdicts


def _evaluate(night: Night, name: str, model: ModelRef) -> DatasetRef:
    """Greedy scores of a model on the night's items; the same model is never scored twice."""
    settings, items = night.settings, night.items
    assert items is not None, "data is prepared before anything is evaluated"
    sampling = settings.evaluation.sampling()
    samples, verdicts = _answered(night, model, items, sampling, settings.data.evaluation_items, 0, 0, f"evaluation of {name}")
    night.models[name] = model
    night.scores[name] = score_items(items, samples, verdicts, of=name)
    return night.scores[name]


def _gate(night: Night, name: str) -> None:
    """Compare a model with the champion and write the decision into the registry."""
    run, lineage, candidate = current_run(), night.settings.lineage, night.models[name]
    incumbent, look = _incumbent(night, candidate)
    champion = incumbent.model if incumbent else night.base
    if not isinstance(candidate, Pending) and candidate.digest == champion.digest:
        return
    scores = _evaluate(night, "champion", champion)
    decision = decide(night.scores[name], scores, night.settings.gate, look)
    number = incumbent.version if incumbent else 1
    entry = promote_or_refuse(lineage, candidate, decision, night.items, number, _record(night, name))
    if not run.planning:
        night.gates.append(entry)


def _incumbent(night: Night, candidate: ModelRef) -> tuple[Version | None, int]:
    """Whom the candidate must beat, and which look at the error budget that is.

    A decision already taken for this candidate on these items is repeated as it was, so that a run that was killed, or is
    run again, finds the same comparison in the cache instead of spending the budget twice.
    """
    store, lineage = current_run().store, night.settings.lineage
    log = ledger.history(store, lineage)
    if not isinstance(candidate, Pending) and not isinstance(night.items, Pending) and night.items is not None:
        taken = ledger.decision_for(store, lineage, candidate.digest, night.items.digest)
        if taken and taken.gate and taken.gate.look and taken.previous:
            return version_of(store, lineage, taken.previous), taken.gate.look
    return ledger.champion(store, lineage), ledger.looks_spent(log) + 1


def _record(night: Night, name: str) -> dict[str, Any]:
    """A version's lineage: digests of what it was made from, its settings, the code and the libraries."""
    def digest(ref: Any) -> str | None:
        return None if ref is None or isinstance(ref, Pending) else ref.digest

    return {
        "night": night.number,
        "stage": name,
        "base": digest(night.base),
        "items": digest(night.items),
        "warm_rows": digest(night.warm_rows),
        "rounds": [
            {
                "prompts": digest(done.prompts),
                "samples": [digest(ref) for ref in done.samples],
                "verdicts": [digest(ref) for ref in done.verdicts],
                "chosen": digest(done.chosen),
                "labels": digest(done.labels),
            }
            for done in night.rounds
        ],
        "settings": night.settings.model_dump(mode="json", exclude={"store"}),
        "code": code_version(),
        "libraries": library_versions(),
    }


def _window(night: Night) -> list[DatasetRef]:
    """Accepted rows of past nights, this night's place left free."""
    past = night.before.window if night.before else []
    kept = past[1 - night.settings.window :] if night.settings.window > 1 else []
    return [ref for part in kept for ref in part.rows]


def _last_trained(night: Night) -> int:
    return max(done.number for done in night.rounds if done.labels is not None)
