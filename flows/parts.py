"""What the steps of a night are made of: draw and validate, answer and verify, train, evaluate, gate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flows.draws import answer, draw_hinted
from flows.pools import pool
from tasks.chat.task import render_labels
from tasks.data.procedural import Role
from tasks.data.task import draw_prompts, draw_warm_rows, mix_training_rows
from tasks.evaluate.task import score_items
from tasks.gate.task import decide
from tasks.registry import ledger
from tasks.registry.records import Entry, Version
from tasks.registry.task import promote_or_refuse
from tasks.registry.versions import version_of
from tasks.runtime.references import DatasetRef, ModelRef
from tasks.runtime.run import current_run
from tasks.runtime.task import Pending
from tasks.runtime.versions import code_version, library_versions
from tasks.sample.randomness import derive_seed
from tasks.sample.task import strip_hints
from tasks.select.settings import CONTROL
from tasks.select.task import remember_pass_rates, replay_rows, select_answers
from tasks.train.settings import TrainingSettings
from tasks.train.task import train
from tasks.validate.task import validate
from tasks.verify.audit import for_round
from tasks.verify.task import audit_answers
from tasks.verify.verdict import verifier_versions

if TYPE_CHECKING:
    from flows.night import Night, Round


def draw(night: Night, role: Role, round: int, exclude: list[DatasetRef]) -> DatasetRef:
    """Fresh prompts that passed their suite; the verifiers they name are noted with their versions."""
    settings = night.settings
    prompts = draw_prompts(settings.data, role, night.number, round, settings.seed, exclude, pool(night, role))
    if not isinstance(prompts, Pending):
        night.verifiers |= verifier_versions(prompts.metadata["verifiers"], settings.verification)
    return validated(night, prompts, "evaluation items" if role == "evaluation" else f"prompts of round {round}")


def draw_warm(night: Night, exclude: list[DatasetRef]) -> DatasetRef:
    """Warm-start rows that passed their suite."""
    settings = night.settings
    rows = draw_warm_rows(settings.data, night.number, settings.seed, exclude, pool(night, "warm"))
    return validated(night, rows, "warm-start rows")


def validated(night: Night, rows: DatasetRef | list[DatasetRef], of: str, **facts: Any) -> DatasetRef:
    """The rows that passed their suite; the rest is quarantined with reasons, and too many stop the run."""
    accepted: DatasetRef = validate(rows, night.settings.validation, of=of, model=night.base, **facts)
    night.validated[of] = accepted
    return accepted


def train_on(night: Night, of: str, rows: list[DatasetRef], settings: TrainingSettings) -> tuple[ModelRef, DatasetRef]:
    """A model trained from the base on chat rows, and the label rows it saw."""
    rendering = night.settings.rendering
    mixed = mix_training_rows(rows, of=of)
    labels = render_labels([mixed], night.base, rendering, of)
    # Where a prompt weighs as much as an answer, all tokens are trained, whatever the mask says.
    mask = "full" if rendering.prompt_loss_weight == 1 else rendering.mask
    labels = validated(night, labels, f"labels of {of}", mask=mask, chat=[mixed])
    seed = derive_seed(night.settings.seed, "train", night.number, of)
    return train(night.base, labels, settings, seed, night.dtype, of), labels


def select(night: Night, number: int, samples: list[DatasetRef], verdicts: list[DatasetRef], sound: DatasetRef) -> Round:
    """A round's answers audited and chosen from; `sound` are the samples that passed their suite."""
    from flows.night import Round

    settings, prompts, before = night.settings, night.prompts[number - 1], night.before
    drawn = [*(ref for made in night.rounds for ref in made.samples), *samples]
    judged = [*(ref for made in night.rounds for ref in made.verdicts), *verdicts]
    rates = remember_pass_rates(before.pass_rates if before else None, drawn, judged, number)
    audited = sum(made.audited.counts["random"] for made in night.rounds if not isinstance(made.audited, Pending))
    share = for_round(settings.audit, audited, settings.rounds - number + 1)
    second = audit_answers([sound], verdicts, prompts, rates, settings.verification, share, night.judges, number)
    known = {
        "second": second,
        # What is trained on beside this round's answers: a row that is not replayed any more may be said again.
        "past": [*replayed(night), *(rows for made in night.rounds for rows in made.accepted)],
        "evaluation": [night.items],
        "pass_rates": rates,
    }
    chosen = select_answers([sound], verdicts, prompts, settings.selection, number, **known)
    control = None
    if settings.selection.rule != CONTROL:
        control = select_answers(
            [sound], verdicts, prompts, settings.selection.control(), number, **known, of="select control arm"
        )
    return Round(number, prompts, samples, verdicts, rates, second, chosen, control)


def hint_arm(night: Night, made: Round) -> None:
    """Add the accepted answers to prompts that nothing else solved, drawn with a hint and trained on without it."""
    if (found := draw_hinted(night, made.number)) is None:
        return
    (hinted, (samples, verdicts)), settings = found, night.settings
    sound = validated(night, samples, f"hinted samples of round {made.number}", prompts=hinted)
    chosen = select_answers(
        [sound], verdicts, hinted, settings.selection, made.number, evaluation=[night.items], of="select hinted answers"
    )
    made.hinted_samples, made.hinted = samples, strip_hints(chosen, made.prompts, made.number)


def replayed(night: Night) -> list[DatasetRef]:
    """Accepted rows of past nights, fewer of them the older they are."""
    decay = night.settings.replay_decay
    return [
        rows if decay == 1 else replay_rows(rows, night.number - past, decay, f"night {past}, part {index}")
        for index, (past, rows) in enumerate(_window(night))
    ]


def _window(night: Night) -> list[tuple[int, DatasetRef]]:
    """Past nights' accepted rows with their night; this night has the window's last place."""
    past = night.before.window if night.before else []
    kept = past[1 - night.settings.window :] if night.settings.window > 1 else []
    return [(part.night, rows) for part in kept for rows in part.rows]


def evaluate(night: Night, stage: str, model: ModelRef) -> DatasetRef:
    """A model's greedy scores on the night's items; a model that was scored already is read from the cache."""
    assert night.items is not None, "data was prepared"
    samples, verdicts = answer(
        night,
        model,
        night.items,
        night.settings.evaluation.sampling(),
        expected=night.settings.data.evaluation_items,
        seed=0,
        round=0,
        of=f"evaluation of {stage}",
    )
    night.models[stage] = model
    night.scores[stage] = score_items(night.items, samples, verdicts, of=stage)
    return night.scores[stage]


def gate(night: Night, stage: str) -> None:
    """Compare a stage's model with the champion, and write the decision into the registry."""
    run, candidate = current_run(), night.models[stage]
    incumbent, look = _incumbent(night, candidate)
    champion = incumbent.model if incumbent else night.base
    if not isinstance(candidate, Pending) and candidate.digest == champion.digest:
        return
    champion_scores = evaluate(night, "champion", champion)
    decision = decide(night.scores[stage], champion_scores, night.settings.gate, look, of=stage.replace("_", " "))
    entry = promote_or_refuse(
        night.settings.lineage,
        candidate,
        decision,
        night.items,
        incumbent.version if incumbent else 1,
        _record(night, stage),
        of=stage.replace("_", " "),
    )
    if not run.planning:
        night.gates[stage] = Entry.model_validate(entry)


def _incumbent(night: Night, candidate: ModelRef) -> tuple[Version | None, int]:
    """Whom the candidate must beat, and which look at the error budget that is.

    A decision taken already for this candidate on these items is repeated as it was: a run that was killed, or is run
    again, finds the same comparison in the cache and spends nothing twice.
    """
    store, lineage, items = current_run().store, night.settings.lineage, night.items
    if items is not None and not isinstance(candidate, Pending) and not isinstance(items, Pending):
        taken = ledger.decision_for(store, lineage, candidate.digest, items.digest)
        if taken and taken.gate and taken.gate.look and taken.previous:
            return version_of(store, lineage, taken.previous), taken.gate.look
    return ledger.champion(store, lineage), ledger.looks_spent(ledger.history(store, lineage)) + 1


def _record(night: Night, stage: str) -> dict[str, Any]:
    from flows.night import record_of

    return {"stage": stage, **record_of(night), "code": code_version(), "libraries": library_versions()}
