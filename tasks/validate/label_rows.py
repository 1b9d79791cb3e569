"""Checks of label rows, over flat arrays of all tokens of a chunk."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tasks.runtime.rows import Row
from tasks.validate.facts import Facts
from tasks.validate.messages import Columns

IGNORED = -100


def check_labels(rows: Sequence[Row], facts: Facts) -> Columns:
    """Verdict columns (true: passes) of rows that have the right fields; at least one row."""
    lengths = np.array([len(row["input_ids"]) for row in rows])
    same = np.array(
        [len({len(row["input_ids"]), len(row["labels"]), len(row.get("position_ids") or row["labels"])}) == 1 for row in rows]
    )
    columns = {"length_mismatch": same, "no_label": lengths > 0}
    for code in ("id_out_of_vocabulary", "label_mismatch", "end_of_turn_untrained", "prompt_trained", "double_bos"):
        columns[code] = np.ones(len(rows), bool)
    usable = np.flatnonzero(same & (lengths > 0))
    if len(usable):
        chosen = [rows[index] for index in usable.tolist()]
        for code, passes in _check_tokens(chosen, lengths[usable], facts).items():
            columns[code][usable] = passes
    return columns


def _check_tokens(rows: Sequence[Row], lengths: np.ndarray, facts: Facts) -> Columns:
    ids = np.concatenate([np.asarray(row["input_ids"], np.int64) for row in rows])
    labels = np.concatenate([np.asarray(row["labels"], np.int64) for row in rows])
    starts = np.concatenate(([0], np.cumsum(lengths)[:-1]))
    trained = labels != IGNORED
    counted = trained.copy()
    counted[starts] = False  # a first token has nothing before it to be predicted from
    columns = {
        "no_label": np.logical_or.reduceat(counted, starts),
        "label_mismatch": np.logical_and.reduceat(~trained | (labels == ids), starts),
    }
    if facts.vocabulary is not None:
        columns["id_out_of_vocabulary"] = np.logical_and.reduceat((ids >= 0) & (ids < facts.vocabulary), starts)
    if facts.bos is not None:
        second = np.minimum(starts + 1, starts + lengths - 1)
        columns["double_bos"] = (lengths < 2) | (ids[starts] != facts.bos) | (ids[second] != facts.bos)
    if facts.mask != "full":
        columns |= _check_runs(ids, trained, starts, facts)
    return columns


def _check_runs(ids: np.ndarray, trained: np.ndarray, starts: np.ndarray, facts: Facts) -> Columns:
    """Each run of trained tokens is one assistant turn: begins after a generation prompt, ends with the closing one."""
    first, last = np.zeros(len(ids), bool), np.zeros(len(ids), bool)
    first[starts] = True
    last[np.append(starts[1:], len(ids)) - 1] = True
    begins = trained & (first | ~np.roll(trained, 1))
    ends = trained & (last | ~np.roll(trained, -1))
    columns = {"prompt_trained": ~trained[starts]}
    if facts.end_of_turn is not None:
        columns["end_of_turn_untrained"] = np.logical_and.reduceat(~ends | (ids == facts.end_of_turn), starts)
    if facts.generation_prompt:
        row_of = np.cumsum(first) - 1
        written = _ends_of(ids, row_of, facts.generation_prompt)
        # A template may write more (an empty thought) between the generation prompt and what is trained, so the
        # prompt need not end right before a run; but one must end after the last trained token before it, and none
        # inside a run.
        begin = np.flatnonzero(begins & ~first)
        prompt, turn = _latest(written)[begin - 1], _latest(trained)[begin - 1]
        announced = np.ones(len(ids), bool)
        announced[begin] = (prompt > turn) & (prompt >= starts[row_of[begin]])
        columns["prompt_trained"] &= np.logical_and.reduceat(announced & ~(written & trained), starts)
    return columns


def _ends_of(ids: np.ndarray, row_of: np.ndarray, pattern: Sequence[int]) -> np.ndarray:
    """True at each token where `pattern` ends, within one row."""
    size = len(pattern)
    found = np.zeros(len(ids), bool)
    if len(ids) >= size:
        windows = np.lib.stride_tricks.sliding_window_view(ids, size)
        found[size - 1 :] = (windows == np.asarray(pattern)).all(axis=1) & (row_of[size - 1 :] == row_of[: len(ids) - size + 1])
    return found


def _latest(marks: np.ndarray) -> np.ndarray:
    """For each token, the index of the last mark up to and including it; −1 when there is none."""
    latest: np.ndarray = np.maximum.accumulate(np.where(marks, np.arange(len(marks)), -1))
    return latest
