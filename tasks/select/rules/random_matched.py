"""The `random_matched` rule: the control arm. Without it nobody knows whether a rule is better than no rule."""

from __future__ import annotations

from tasks.runtime.plugins import load_plugin
from tasks.select.rules.lots import Candidates, lot
from tasks.select.settings import CONTROL, SelectionSettings


def random_matched(candidates: Candidates, settings: SelectionSettings) -> dict[str, str]:
    """As many answers of each prompt as the rule `match` keeps, drawn at random from what that rule chooses from.

    Filters, decontamination and near duplicates come before any rule, so they are the same for both; the quota per family falls
    alike on both, for it looks at prompts and numbers of rows only. What differs is the rule. Equal texts may be drawn.

    Returns:
        Sample id → ``not_drawn``, or "" for kept.

    Raises:
        UnknownPluginError: `match` does not resolve.
    """
    matched = load_plugin("selectors", settings.match)(candidates, settings)
    reasons: dict[str, str] = {}
    for answers in candidates.values():
        count = sum(not matched[row["sample_id"]] for row in answers)
        drawn = sorted((row["sample_id"] for row in answers), key=lambda name: lot(CONTROL, name))
        reasons |= {name: "" if place < count else "not_drawn" for place, name in enumerate(drawn)}
    return reasons
