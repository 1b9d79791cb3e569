"""How far the verdicts of a run can be trusted: the self-test's figures, and how often a second verifier agreed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field

from tasks.gate.statistics import wilson
from tasks.runtime.references import DatasetRef, ReportRef

_COUNTS = ("rare", "random", "disagreed", "rare_disagreed", "undecided")


class _Figures(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SelfTested(_Figures):
    """A verifier on planted answers.

    Attributes:
        wrong, accepted_wrong: wrong answers it decided on, and how many of them it accepted.
        right, missed_right: right answers, and how many it did not accept; none where it has none to plant.
        false_positives, false_negatives: upper 95 % bounds of those shares; `…_limit`: what is allowed.
        timed_out, undecided: plants that ran out of time, or ended in an error or an unreadable reference.
        verdict: ``pass``; ``few``: no mistake, on fewer plants than the bounds need; ``fail``: the run was halted.
    """

    verifier: str
    wrong: int
    accepted_wrong: int
    false_positives: float
    false_positives_limit: float
    right: int
    missed_right: int
    false_negatives: float | None
    false_negatives_limit: float
    timed_out: int
    undecided: int
    verdict: str


class PlantedKind(_Figures):
    """One kind of planted answer: how many, and how many the verifier got wrong or could not decide on."""

    verifier: str
    right: bool
    kind: str
    planted: int
    mistaken: int
    undecided: int


class Decile(_Figures):
    """Accepted answers to prompts whose pass rate lies in a tenth (0: below 0.1), and how many a second verifier accepted.

    `share`, `low`, `high`: agreement with Wilson's 95 % interval, all 0–1.
    """

    decile: int = Field(ge=0, le=9)
    judged: int
    agreed: int
    share: float
    low: float
    high: float

    @property
    def name(self) -> str:
        return f"{self.decile / 10:.1f} – {(self.decile + 1) / 10:.1f}"


class Trust(_Figures):
    """The self-test and the audit of a run.

    Attributes:
        deciles: empty without a second verifier.
        rare: rare successes, each of which needed the second verifier's agreement.
        random: accepted answers in the audit's files.
        disagreed: answers the second verifier did not accept, `rare_disagreed` of them rare successes; none is trained on.
        undecided: those of `disagreed` on which it gave no verdict.
        files: where the audit's files lie.
    """

    verifiers: list[SelfTested] = Field(default_factory=list)
    kinds: list[PlantedKind] = Field(default_factory=list)
    second_verifier: str = ""
    deciles: list[Decile] = Field(default_factory=list)
    rare: int = 0
    random: int = 0
    disagreed: int = 0
    rare_disagreed: int = 0
    undecided: int = 0
    files: list[str] = Field(default_factory=list)


def trust_figures(
    self_test: ReportRef | None, audited: Iterable[DatasetRef], second_verifier: str, files: Iterable[str] = ()
) -> Trust:
    """The figures from the self-test's report and each round's audit, whose metadata and counts hold them.

    Args:
        self_test: what `tasks.verify.task.self_test` returned.
        audited: what `tasks.verify.task.audit_answers` returned, a round each.
        files: addresses of the audit's files.
    """
    about = self_test.metadata if self_test else {"verifiers": [], "kinds": []}
    counts, judged, agreed = Counter[str](), Counter[int](), Counter[int]()
    for ref in audited:
        counts.update({name: ref.counts[name] for name in _COUNTS})
        for line in ref.metadata["deciles"]:
            judged[line["decile"]] += line["judged"]
            agreed[line["decile"]] += line["agreed"]
    return Trust(
        **about,
        second_verifier=second_verifier,
        deciles=[_decile(decile, judged[decile], agreed[decile]) for decile in sorted(judged)],
        **{name: counts[name] for name in _COUNTS},
        files=list(files),
    )


def _decile(decile: int, judged: int, agreed: int) -> Decile:
    low, high = wilson(agreed, judged)
    return Decile(decile=decile, judged=judged, agreed=agreed, share=agreed / judged, low=low, high=high)


def outcome(tested: SelfTested) -> str:
    """A verifier's verdict in words."""
    words = {"pass": "passed", "few": "no mistake, few plants", "fail": "failed"}[tested.verdict]
    return words if tested.right else f"{words}; right answers not planted"


def audit_in_words(trust: Trust) -> str:
    """What the audit did, in a sentence or two; empty when it looked at nothing."""
    if not trust.random and not trust.rare:
        return ""
    put_aside = f"{trust.random:,} accepted answers were put aside for people to read."
    if not trust.second_verifier:
        return put_aside + " No second verifier was configured."
    undecided = f", {trust.undecided:,} of them without a verdict" if trust.undecided else ""
    return (
        f"{put_aside} {trust.second_verifier} was asked about them and about {trust.rare:,} rare successes. It did not accept "
        f"{trust.disagreed:,}{undecided} ({trust.rare_disagreed:,} rare ones), and none of these is trained on."
    )
