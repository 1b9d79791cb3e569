"""Rules that choose by the verdicts' scores: `best_of_k`, `top_fraction` and `threshold`.

For scores of a reward model; where a verifier gives every accepted answer the score 1, they choose at random. A learned
reward is easily over-optimised (Gao et al. 2022, arXiv 2210.10760): few draws, and at most the top quarter.
"""

from __future__ import annotations

from itertools import chain
from math import floor

from tasks.runtime.rows import Row
from tasks.select.rules.lots import Candidates, distinct_up_to, lot
from tasks.select.settings import SelectionSettings

_ROUNDING = 1e-9  # 0.29 × 100 is a little less than 29 to a computer


def best_of_k(candidates: Candidates, settings: SelectionSettings) -> dict[str, str]:
    """The answer of each prompt with the highest score, when that reaches the floor; of equals, one by lot.

    The best of K bad answers is a bad answer: a prompt whose best score is below `floor` keeps none.

    Returns:
        Sample id → ``below_floor``, ``not_best``, or "" for kept.
    """
    reasons: dict[str, str] = {}
    for answers in candidates.values():
        best, *others = sorted(answers, key=lambda row: _order("best_of_k", row))
        reasons |= {row["sample_id"]: _low(row, settings) or "not_best" for row in others}
        reasons[best["sample_id"]] = _low(best, settings)
    return reasons


def threshold(candidates: Candidates, settings: SelectionSettings) -> dict[str, str]:
    """Every answer whose score reaches the floor: one of each text, the best first, up to the cap; of equals, by lot.

    Returns:
        Sample id → ``below_floor``, ``duplicate``, ``over_cap``, or "" for kept.
    """
    reasons: dict[str, str] = {}
    for answers in candidates.values():
        ordered = sorted(answers, key=lambda row: _order("threshold", row))
        reasons |= {row["sample_id"]: "below_floor" for row in ordered}
        reasons |= distinct_up_to(settings.most, [row for row in ordered if not _low(row, settings)])
    return reasons


def top_fraction(candidates: Candidates, settings: SelectionSettings) -> dict[str, str]:
    """The best `fraction` of all candidates of the round, whatever their prompts: rounded down, but at least one.

    Of equal scores, those with the first lots are in. What is in counts once a text, the best first, up to the cap a prompt.

    Returns:
        Sample id → ``below_top``, ``duplicate``, ``over_cap``, or "" for kept.
    """
    everything = sorted(chain.from_iterable(candidates.values()), key=lambda row: _order("top_fraction", row))
    top = everything[: max(1, floor(settings.fraction * len(everything) + _ROUNDING))]
    reasons = {row["sample_id"]: "below_top" for row in everything}
    by_prompt: dict[str, list[Row]] = {}
    for row in top:
        by_prompt.setdefault(row["prompt_id"], []).append(row)
    for answers in by_prompt.values():
        reasons |= distinct_up_to(settings.most, answers)
    return reasons


def _order(rule: str, row: Row) -> tuple[float, str]:
    return -row["score"], lot(rule, row["sample_id"])


def _low(row: Row, settings: SelectionSettings) -> str:
    return "below_floor" if row["score"] < settings.floor else ""
