"""What keeps a selection balanced: a floor under hard prompts, and a quota over families."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set

from tasks.runtime.rows import Row
from tasks.select.rules.lots import Candidates, lot


def least_bad(candidates: Candidates, reasons: Mapping[str, str], soft: Set[str], hard_below: float) -> Iterator[str]:
    """The difficulty floor: of each hard prompt whose answers the filters all dropped, the sample id to take back.

    A strict filter drops the hard prompts first, and a model trained on the rest gets worse (Llama 3, arXiv 2407.21783).

    Args:
        candidates: what the filters were given.
        reasons: sample id → why they drop it, "" where they do not.
        soft: the reasons that say "not nice", not "wrong"; only what was dropped for one of them can come back.
        hard_below: estimated pass rate below which a prompt is hard.

    Yields:
        At most one sample id a prompt: of those the one with the highest score, then the shortest, then the smallest id.
    """
    for answers in candidates.values():
        if answers[0]["pass_rate"] < hard_below and all(reasons[row["sample_id"]] for row in answers):
            bearable = [row for row in answers if reasons[row["sample_id"]] in soft]
            if bearable:
                best = min(bearable, key=lambda row: (-row["score"], len(row["text"]), row["sample_id"]))
                yield best["sample_id"]


def quota_reasons(candidates: Candidates, quota: int) -> dict[str, str]:
    """The quota: at most `quota` rows of a family stay (0: all), and no prompt loses its only row before another its second.

    The prompts of a family take turns, in an order by lot, with one answer a turn, by lot, until the quota is full. How many
    rows a prompt loses depends on the numbers of rows only, so that a control arm with the same numbers loses as many.
    Answers without a family ("") have no quota.

    Returns:
        Sample id → ``family_quota``, or "" for kept; every candidate once.
    """
    reasons = {row["sample_id"]: "" for answers in candidates.values() for row in answers}
    turns: dict[str, list[tuple[int, str, str]]] = {}
    for prompt_id, answers in candidates.items():
        mine = lot("family_quota", prompt_id)
        ordered = sorted(answers, key=lambda row: lot("family_quota", row["sample_id"]))
        for turn, row in enumerate(ordered):
            turns.setdefault(row["family"], []).append((turn, mine, row["sample_id"]))
    for family, places in turns.items():
        if quota and family:
            reasons |= {sample_id: "family_quota" for _, _, sample_id in sorted(places)[quota:]}
    return reasons


def without(candidates: Candidates, reasons: Mapping[str, str]) -> dict[str, list[Row]]:
    """The candidates that `reasons` keeps; prompts without one are left out."""
    kept = {name: [row for row in rows if not reasons.get(row["sample_id"])] for name, rows in candidates.items()}
    return {name: rows for name, rows in kept.items() if rows}
