"""Runs to report on: a first night that promoted, one that refused, one that had nothing to train on."""

from __future__ import annotations

import math

from tasks.gate.decision import better, not_worse
from tasks.gate.statistics import wilson
from tasks.report.figures import costs
from tasks.report.summary import (
    AnswerExample,
    Champion,
    GateFigures,
    RoundFigures,
    RunSummary,
    Seconds,
    StageScore,
    TaskCounts,
    Tokens,
    TrainingFigures,
    ValidationFigures,
)
from tasks.report.trust import Trust, trust_figures
from tasks.runtime.references import DatasetRef, ReportRef
from tests.gate.scoring import sides

ITEMS = 400
BASE, WARM, FIRST, SECOND = (character * 64 for character in "abcd")
SCRIPT = "<script>alert('planted')</script>"


def stage(name: str, right: int, digest: str) -> StageScore:
    low, high = wilson(right, ITEMS)
    return StageScore(name=name, accuracy=right / ITEMS, low=low, high=high, items=ITEMS, digest=digest)


def gate(candidate: str, versions: tuple[int, int], wins: int, losses: int, look: int) -> GateFigures:
    decision = better(*sides(wins, losses, ITEMS - wins - losses), alpha=0.05, look=look)
    return GateFigures(candidate=candidate, candidate_version=versions[0], champion_version=versions[1], decision=decision)


def training(of: str, rows: int, steps: int) -> TrainingFigures:
    loss = [
        (step, round(0.2 + 8 / rows + 2.2 * math.exp(-step / 7) + 0.05 * math.sin(step * rows), 5))
        for step in range(1, steps + 1)
    ]
    return TrainingFigures(of=of, rows=rows, steps=steps, tokens=rows * 88, label_tokens=rows * 22, loss=loss)


def trust() -> Trust:
    """Two verifiers tested, and two rounds audited by the second of them."""
    number = {"verifier": "number", "wrong": 313, "accepted_wrong": 1, "false_positives": 0.0151, "right": 124}
    number |= {"missed_right": 0, "false_negatives": 0.0239, "timed_out": 0, "undecided": 0, "verdict": "pass"}
    judge = number | {"verifier": f"judge {SCRIPT}", "right": 0, "false_negatives": None}
    limits = {"false_positives_limit": 0.02, "false_negatives_limit": 0.05}
    kinds = [{"verifier": "number", "right": False, "kind": "injection", "planted": 20, "mistaken": 1, "undecided": 0}]
    report = ReportRef(uri="r", digest=BASE, metadata={"verifiers": [number | limits, judge | limits], "kinds": kinds})
    counts = {"rows": 40, "rare": 15, "random": 25, "disagreed": 5, "rare_disagreed": 4, "undecided": 1}
    deciles = [{"decile": 0, "judged": 15, "agreed": 11}, {"decile": 4, "judged": 10, "agreed": 10}]
    rounds = [
        DatasetRef(kind="verdicts", uri="v", digest=BASE, counts=counts, metadata={"deciles": told})
        for told in (deciles, deciles[1:])
    ]
    return trust_figures(report, rounds, "number", ["/somewhere/store/objects/verdicts/ab12/audit.jsonl"])


def journal() -> list[dict[str, object]]:
    steps = [
        ("base model", "run", 2.4, 2.1, 1 << 30),
        ("draw evaluation prompts", "cached", 0.02, 0.0, 0),
        ("validate evaluation prompts", "run", 1.3, 1.1, 400 << 20),
        ("train warm start", "run", 31.2, 30.8, 1900 << 20),
        ("sample evaluation of base, shard 0", "run", 22.5, 22.3, 1500 << 20),
        ("sample round 1, shard 0", "run", 19.0, 18.8, 1700 << 20),
        ("sample round 1, shard 1", "cached", 0.03, 0.0, 0),
        ("verify round 1, shard 0", "run", 1.1, 0.9, 300 << 20),
        ("select round 1", "run", 0.4, 0.0, 0),
        ("train round 1", "run", 58.7, 58.2, 2100 << 20),
        ("gate 2", "run", 0.2, 0.0, 0),
    ]
    keys = ("label", "outcome", "seconds", "compute", "peak_bytes")
    return [dict(zip(keys, step, strict=True)) for step in steps]


def promoted() -> RunSummary:
    """Night 1: warm start and second round both promoted. Its texts try to break the page."""
    return RunSummary(
        run_id="20260101-020000-abc123",
        flow="nightly-rsf",
        lineage="demo",
        night=1,
        started="2026-01-01 02:00",
        status="promoted",
        stages=[
            stage("base", 32, BASE),
            stage("warm_start", 172, WARM),
            stage("round_1", 229, FIRST),
            stage("round_2", 243, SECOND),
        ],
        gates=[gate("warm_start", (2, 1), 148, 8, 1), gate("round_2", (3, 2), 94, 23, 2)],
        lineage_gate=not_worse(*reversed(sides(94, 23, ITEMS - 117)), level=0.05),
        champion_before=Champion(version=1, digest=BASE),
        champion=Champion(version=3, digest=SECOND),
        rounds=[
            RoundFigures(
                number=1,
                prompts=128,
                draws=1024,
                accepted=431,
                solved=112,
                distinct=262,
                kept=240,
                trained_rows=368,
                trained_tokens=8096,
                tokens=14_336,
                truncated=3,
                dropped={"rejected": 590, "duplicate": 191, "audit_disagreed": 3},
            ),
            RoundFigures(
                number=2,
                prompts=128,
                draws=1024,
                accepted=577,
                solved=119,
                distinct=241,
                kept=229,
                trained_rows=597,
                trained_tokens=13_134,
                tokens=13_210,
                truncated=0,
            ),
        ],
        trainings=[training("warm start", 128, 16), training("round 1", 368, 46), training("round 2", 597, 75)],
        validations=[
            ValidationFigures(of="evaluation prompts", suite="prompts", read=400, accepted=400, rejected=0),
            ValidationFigures(
                of="labels of round 1",
                suite="labels",
                read=372,
                accepted=368,
                rejected=4,
                codes={"no_label": 3, "too_long": 1},
                docs="/somewhere/store/reports/ab12/docs/index.html",
            ),
        ],
        trust=trust(),
        answers=[
            AnswerExample(
                round=1,
                prompt="Calculate 12 + 7.",
                reference="19",
                response="12 + 7 = 19\nThe answer is 19.",
                state="accepted",
            ),
            AnswerExample(
                round=1,
                prompt="What is 81 - 4 | 2 - 1?",
                reference="77",
                state="rejected",
                response=f"{SCRIPT}![x](https://example.org/x.png) <img src='https://example.org/y.png'>",
                reason="78 is not 77",
            ),
            AnswerExample(
                round=2,
                prompt=f"{SCRIPT} | a\n| b |",
                reference="1",
                response="`|` \\| I can't say. " * 60,
                state="answer_unparsable",
                reason="no readable number in the answer",
            ),
        ],
        costs=costs(journal(), {"sample round 1": 14_336, "train round 1": 8096}),
        tokens=Tokens(generated=51_208, trained=24_046),
        tasks=TaskCounts(run=9, cached=2, failed=0),
        seconds=Seconds(wall=243.8, compute=226.1),
        peak_bytes=2100 << 20,
        report="/home/somebody/.winnow/runs/20260101-020000-abc123/report.html",
        code="0123456789abcdef0123456789abcdef01234567",
        libraries={"torch": "2.13.0", "transformers": "5.23.0", "trl": "1.16.0"},
        record={"night": 1, "base": BASE, "rounds": [{"prompts": FIRST, "chosen": SECOND}]},
        parameters={"rounds": 2, "sampling": {"top_k": 8, "temperature": 1.0}},
    )


def refused() -> RunSummary:
    """Night 2: the new model is not shown to be better."""
    return promoted().model_copy(
        update={
            "night": 2,
            "status": "refused",
            "stages": [stage("head", 243, SECOND), stage("round_1", 250, FIRST)],
            "gates": [gate("round_1", (4, 3), 31, 24, 3)],
            "champion_before": Champion(version=3, digest=SECOND),
        }
    )


def untrained() -> RunSummary:
    """No answer was accepted, so there was nothing to train on, and no gate."""
    return RunSummary(
        run_id="20260103-020000-abc123",
        flow="nightly-rsf",
        lineage="demo",
        night=3,
        status="no_training",
        champion=Champion(version=3, digest=SECOND),
        champion_before=Champion(version=3, digest=SECOND),
        rounds=[RoundFigures(number=1, prompts=16, draws=64, accepted=0, solved=0, distinct=0, kept=0)],
    )
