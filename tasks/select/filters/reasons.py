"""All filters in one pass: every accepted answer gets the first reason that it is dropped for, or none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tasks.runtime.errors import ContractError
from tasks.runtime.rows import Row
from tasks.select.filters.control_text import has_template_tokens
from tasks.select.filters.hints import leaks_hint
from tasks.select.filters.languages import language_differs, mixes_languages
from tasks.select.filters.lengths import length_outliers
from tasks.select.filters.reasoning import has_code_block, has_long_paragraph
from tasks.select.filters.refusals import is_refusal
from tasks.select.filters.repetition import loops, repeats
from tasks.select.filters.settings import FilterSettings
from tasks.select.filters.texts import Asked, Said

Check = Callable[[Said, Asked, FilterSettings], bool]
LENGTH = "length_outlier"
# Wrong to train on, however hard the prompt is.
HARD_CHECKS: dict[str, Check] = {
    "template_tokens": has_template_tokens,
    "refusal": is_refusal,
    "leaked_hint": leaks_hint,
    "loop": loops,
}
# Not nice to train on; for a hard prompt better than nothing. They come second, so that nothing hides a hard reason.
SOFT_CHECKS: dict[str, Check] = {
    "repetition": repeats,
    "language_differs": language_differs,
    "mixed_languages": mixes_languages,
    "long_paragraph": has_long_paragraph,
    "code_block": has_code_block,
}
SOFT = frozenset({*SOFT_CHECKS, LENGTH})


def filter_reasons(
    candidates: Mapping[str, Sequence[Row]], prompts: Mapping[str, Row], settings: FilterSettings
) -> dict[str, str]:
    """Sample id → the reason an answer is dropped for, or ""; every candidate once. FILTERS.md defines the reasons.

    Args:
        candidates: prompt id → its accepted answers; need ``sample_id`` and ``text``, `length_outliers` some more.
        prompts: prompt id → prompt row, for each of the candidates' prompts.

    Raises:
        ContractError: a candidate's prompt is missing.
    """
    checks = [(name, check) for name, check in (HARD_CHECKS | SOFT_CHECKS).items() if getattr(settings, name)]
    every = (row for answers in candidates.values() for row in answers)
    outliers = length_outliers(every, settings) if settings.length_outlier else set()
    reasons: dict[str, str] = {}
    for prompt_id, answers in candidates.items():
        if prompt_id not in prompts:
            raise ContractError(f"there are answers to prompt {prompt_id!r}, but no such prompt; pass the prompts sampled from")
        asked = Asked.of(prompts[prompt_id])
        for row in answers:
            said = Said(row["text"])
            found = next((name for name, check in checks if check(said, asked, settings)), "")
            reasons[row["sample_id"]] = found or (LENGTH if row["sample_id"] in outliers else "")
    return reasons
