"""Filters: why an accepted answer is unfit to train on (FILTERS.md has the table)."""

from tasks.select.filters.reasons import SOFT, filter_reasons

__all__ = ["SOFT", "filter_reasons"]
