"""A finished night → the figures of its report."""

from __future__ import annotations

import time
from typing import Any

from flows.night import Night, Round, record_of
from tasks.gate.decision import LineageDecision
from tasks.registry import ledger
from tasks.report.figures import answer_examples, costs, stage_score, training_figures, validation_figures
from tasks.report.summary import (
    AnswerExample,
    Champion,
    GateFigures,
    RoundFigures,
    RunSummary,
    Seconds,
    StageScore,
    Status,
    TaskCounts,
    Tokens,
    TrainingFigures,
    ValidationFigures,
)
from tasks.report.task import publish_report
from tasks.report.trust import trust_figures
from tasks.runtime.references import parse_ref
from tasks.runtime.run import Run, current_run
from tasks.runtime.versions import code_version, library_versions
from tasks.select.folders import fates
from tasks.verify.audit import FILE as AUDIT_FILE


def report(night: Night) -> dict[str, Any]:
    """Write the report, and return what ``winnow run --json`` prints. Nothing while planning."""
    run = current_run()
    if run.planning:
        return {}
    summary = _summary(night, run)
    path = publish_report(summary)
    return summary.model_copy(update={"report": path, **_effort(night, run)}).as_json()


def _summary(night: Night, run: Run) -> RunSummary:
    champion = ledger.champion(run.store, night.settings.lineage)
    assert champion is not None, "the registry was bootstrapped when the night began"
    before = night.champion_before
    return RunSummary(
        run_id=run.run_id,
        flow=run.name.partition("/")[0],
        lineage=night.settings.lineage,
        night=night.number,
        started=time.strftime("%Y-%m-%d %H:%M", time.localtime(run.began)),
        status=_status(night),
        stages=_stages(night),
        gates=_gates(night),
        lineage_gate=LineageDecision.model_validate(night.lineage_decision.metadata) if night.lineage_decision else None,
        champion_before=Champion(version=before.version, digest=before.model.digest) if before else None,
        champion=Champion(version=champion.version, digest=champion.model.digest),
        rounds=[_round(night, made) for made in night.rounds],
        trainings=_trainings(night),
        validations=_validations(night, run),
        trust=trust_figures(
            night.self_test,
            [made.audited for made in night.rounds],
            night.settings.audit.second_verifier,
            [str(run.store.open(made.audited) / AUDIT_FILE) for made in night.rounds],
        ),
        answers=_answers(night, run),
        costs=costs(run.entries),
        code=code_version(),
        libraries=library_versions(),
        record=record_of(night),
        parameters=night.settings.model_dump(mode="json"),
        **_effort(night, run),
    )


def _status(night: Night) -> Status:
    """The fate of the night's candidate."""
    if not night.candidate:
        return "no_training"
    entry = night.gates.get(night.candidate)
    # Without an entry the candidate is the champion: an earlier run of this night promoted the very same model.
    return "promoted" if entry is None or entry.event == "promote" else "refused"


def _stages(night: Night) -> list[StageScore]:
    """Every model of the night that was scored; the champion only where it is none of the others."""
    own = {model.digest for stage, model in night.models.items() if stage != "champion"}
    return [
        stage_score(stage, scores, night.models[stage])
        for stage, scores in night.scores.items()
        if stage != "champion" or night.models[stage].digest not in own
    ]


def _gates(night: Night) -> list[GateFigures]:
    return [
        GateFigures(candidate=stage, candidate_version=entry.version, champion_version=entry.previous, decision=entry.gate)
        for stage, entry in night.gates.items()
        if entry.gate is not None and entry.previous is not None
    ]


def _round(night: Night, made: Round) -> RoundFigures:
    counts, model = made.chosen.counts, night.models.get(made.name)
    trained = model.counts if model and made.labels is not None else {}
    return RoundFigures(
        number=made.number,
        prompts=made.prompts.rows,
        draws=counts["drawn"],
        accepted=counts["accepted"],
        solved=counts["solved_prompts"],
        distinct=counts["distinct"],
        kept=counts["rows"],
        trained_rows=trained.get("rows", 0),
        trained_tokens=trained.get("label_tokens", 0),
        tokens=sum(ref.counts["tokens"] for ref in made.samples),
        truncated=sum(ref.counts["truncated"] for ref in made.samples),
        dropped={fate.reason: fate.rows for fate in fates(counts)[1:]},
    )


def _trainings(night: Night) -> list[TrainingFigures]:
    trained = ["warm_start", *(made.name for made in night.rounds if made.labels is not None)]
    return [training_figures(name.replace("_", " "), night.models[name]) for name in trained if name in night.models]


def _validations(night: Night, run: Run) -> list[ValidationFigures]:
    reports = {of: parse_ref(ref.metadata["report"]) for of, ref in night.validated.items()}
    return [validation_figures(of, run.store.open(ref)) for of, ref in reports.items()]


def _answers(night: Night, run: Run) -> list[AnswerExample]:
    if not night.rounds:
        return []
    last = night.rounds[-1]
    samples, verdicts = ([run.store.open(ref) for ref in refs] for refs in (last.samples, last.verdicts))
    return answer_examples(run.store.open(last.prompts), samples, verdicts, last.number)


def _effort(night: Night, run: Run) -> dict[str, Any]:
    """Tokens, tasks, seconds and memory of the run so far."""
    return {
        "tokens": Tokens(
            generated=sum({ref.digest: ref.counts["tokens"] for ref in night.generated}.values()),
            trained=sum(figures.label_tokens for figures in _trainings(night)),
        ),
        "tasks": TaskCounts(run=run.count("run"), cached=run.count("cached"), failed=run.count("failed")),
        "seconds": Seconds(wall=time.time() - run.began, compute=sum(entry["compute"] for entry in run.entries)),
        "peak_bytes": run.memory.peak_bytes,
    }
