"""Answers whose length stands apart from the others of their family."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tasks.runtime.rows import Row
from tasks.select.filters.settings import FilterSettings


def length_outliers(answers: Iterable[Row], settings: FilterSettings) -> set[str]:
    """The sample ids of answers shorter than one quantile, or longer than the other, of their family's lengths.

    The quantiles are of the answers given, a round's accepted ones, and are lengths that occur (no interpolation), so a
    family of equal lengths loses nothing. A family of fewer than `least_answers` is not judged.

    Args:
        answers: need ``sample_id``, ``family`` and ``token_count`` (tokens); without a count, characters of ``text``.
    """
    families: dict[str, list[tuple[str, int]]] = {}
    for row in answers:
        families.setdefault(row.get("family") or "", []).append((row["sample_id"], row.get("token_count") or len(row["text"])))
    found: set[str] = set()
    for lengths in families.values():
        if len(lengths) >= settings.least_answers:
            sizes = np.array([size for _, size in lengths])
            low, high = np.quantile(sizes, [settings.shortest, settings.longest], method="inverted_cdf")
            found.update(name for name, size in lengths if not low <= size <= high)
    return found
