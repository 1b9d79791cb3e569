"""How many rows each source gives: by weights, caps and a total."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from tasks.data.mix_settings import MixSource


def quotas(available: Sequence[int], sources: Sequence[MixSource], rows: int) -> list[int]:
    """Rows to take from each source.

    With weights, source i gives its share w_i / Σw of the total, and the total is the largest with which no source must
    give more than it has (its cap counts as all it has), or `rows` if that is less: mixing stops when the first source
    is used up, and no row comes twice. Without weights each source gives what it has, or of `rows` its share by size.
    Quotas that are not whole are rounded by largest remainder (ties: the earlier source), so each is within one row of
    its share.

    Args:
        available: how many rows each source has to give, before its cap.
        rows: the most rows in all; 0: no limit.

    Returns:
        One number a source, never above what it has or its cap.
    """
    has = [min(count, source.cap) if source.cap else count for count, source in zip(available, sources, strict=True)]
    # By their decimal digits: 0.1 and 0.2 are exactly as 1 and 2.
    weights = [
        Fraction(str(source.weight)) if source.weight else Fraction(count) for source, count in zip(sources, has, strict=True)
    ]
    whole = sum(weights)
    if not whole:
        return [0] * len(has)
    shares = [weight / whole for weight in weights]
    total = int(min(count / share for count, share in zip(has, shares, strict=True) if share))
    total = min(total, rows) if rows else total
    exact = [total * share for share in shares]
    taken = [int(quota) for quota in exact]
    by_remainder = sorted(range(len(has)), key=lambda index: (taken[index] - exact[index], index))
    for index in by_remainder[: total - sum(taken)]:
        taken[index] += 1
    return taken
