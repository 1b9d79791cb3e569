"""Checks of label rows, over flat arrays of all tokens of a chunk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tasks.runtime.rows import IGNORED, Row
from tasks.validate.facts import Facts
from tasks.validate.messages import Columns
from tasks.validate.settings import ValidationSettings

# Weights are kept as 32-bit floats.
_SAME_WEIGHT = 1e-5
_OTHERS = ("position_ids", "loss_weights")
# Codes of label rows that no other check of their tokens can tell anything about.
SHAPE = ("length_mismatch", "position_ids_wrong", "loss_weights_wrong", "border_trained")


@dataclass(frozen=True)
class Tokens:
    """Every token of some label rows, one after the other.

    Attributes:
        ids, labels: [T].
        weights: [T] loss weights; 1 in a row without.
        rows: [rows] where each row begins.
        members: where each member of each row begins; a row alone is one member.
        counted: [rows] whether the row's position ids count from 0 in each of its members.
    """

    ids: np.ndarray
    labels: np.ndarray
    weights: np.ndarray
    rows: np.ndarray
    members: np.ndarray
    counted: np.ndarray

    @cached_property
    def labelled(self) -> np.ndarray:
        """Bool [T]: tokens with a label."""
        return self.labels != IGNORED  # type: ignore[no-any-return]

    @cached_property
    def trained(self) -> np.ndarray:
        """Bool [T]: tokens trained at their member's full weight; labels of less weight are those of a prompt."""
        full = np.maximum.reduceat(np.where(self.labelled, self.weights, 0.0), self.members)
        return self.labelled & (self.weights >= np.repeat(full, self.lengths) - _SAME_WEIGHT)

    @cached_property
    def lengths(self) -> np.ndarray:
        """Tokens of each member."""
        return np.diff(np.append(self.members, len(self.ids)))

    @cached_property
    def first(self) -> np.ndarray:
        """Bool [T]: first tokens of members."""
        first = np.zeros(len(self.ids), bool)
        first[self.members] = True
        return first

    @cached_property
    def begins(self) -> np.ndarray:
        """Bool [T]: first tokens of runs of trained tokens."""
        return self.trained & (self.first | ~np.roll(self.trained, 1))  # type: ignore[no-any-return]

    @cached_property
    def ends(self) -> np.ndarray:
        """Bool [T]: last tokens of runs of trained tokens."""
        return self.trained & (np.roll(self.first, -1) | ~np.roll(self.trained, -1))  # type: ignore[no-any-return]

    def all(self, passes: np.ndarray) -> np.ndarray:
        """Bool [T] → bool [rows]: whether it holds everywhere in the row."""
        return np.logical_and.reduceat(passes, self.rows)

    def all_members(self, passes: np.ndarray) -> np.ndarray:
        """Bool [members] → bool [rows]."""
        return np.logical_and.reduceat(passes, np.searchsorted(self.members, self.rows))


def flat_tokens(rows: Sequence[Row]) -> Tokens:
    """The tokens of rows whose lists are of one length each, and not empty."""
    lengths = [len(row["input_ids"]) for row in rows]
    starts = np.concatenate(([0], np.cumsum(lengths)[:-1]))
    size = sum(lengths)
    restarts, ones = np.zeros(size, bool), np.ones(size)
    restarts[starts] = True
    counted = np.ones(len(rows), bool)
    for index, row in enumerate(rows):
        here = slice(starts[index], starts[index] + lengths[index])
        if row.get("loss_weights") is not None:
            ones[here] = row["loss_weights"]
        if row.get("position_ids") is not None:
            positions = np.asarray(row["position_ids"], np.int64)
            zeros = positions == 0
            steps = zeros[1:] | (np.diff(positions) == 1)
            named = len(row["members"]) if row.get("members") else zeros.sum()
            counted[index] = zeros[0] and steps.all() and zeros.sum() == named
            if counted[index]:
                restarts[here] = zeros
        elif row.get("members"):
            counted[index] = len(row["members"]) == 1
    return Tokens(
        ids=np.concatenate([np.asarray(row["input_ids"], np.int64) for row in rows]),
        labels=np.concatenate([np.asarray(row["labels"], np.int64) for row in rows]),
        weights=ones,
        rows=starts,
        members=np.flatnonzero(restarts),
        counted=counted,
    )


def _other_lengths(row: Row) -> list[int]:
    return [len(row[name]) for name in _OTHERS if row.get(name) is not None]


def check_labels(rows: Sequence[Row], facts: Facts, settings: ValidationSettings) -> Columns:
    """Verdict columns (true: passes) of rows that have the right fields; at least one row."""
    same = np.array([len({len(row["input_ids"]), len(row["labels"]), *_other_lengths(row)}) == 1 for row in rows])
    filled = np.array([bool(row["input_ids"]) for row in rows])
    columns = {"length_mismatch": same, "no_label": filled}
    usable = np.flatnonzero(same & filled)
    if len(usable):
        chosen = [rows[index] for index in usable.tolist()]
        for code, passes in _check_tokens(flat_tokens(chosen), chosen, facts, settings).items():
            columns.setdefault(code, np.ones(len(rows), bool))[usable] = passes
    return columns


def _check_tokens(tokens: Tokens, rows: Sequence[Row], facts: Facts, settings: ValidationSettings) -> Columns:
    ids, trained = tokens.ids, tokens.trained
    shares = np.add.reduceat(trained.astype(np.int64), tokens.rows) / np.diff(np.append(tokens.rows, len(ids)))
    sized = (tokens.lengths >= settings.min_tokens, (tokens.lengths <= settings.max_tokens) | (settings.max_tokens == 0))
    packed = np.diff(np.append(np.searchsorted(tokens.members, tokens.rows), len(tokens.members))) > 1
    columns = {
        "position_ids_wrong": tokens.counted,
        "loss_weights_wrong": _weights(tokens, rows),
        # A first token has nothing before it to be predicted from.
        "no_label": tokens.all_members(np.logical_or.reduceat(tokens.labelled & ~tokens.first, tokens.members)),
        "label_mismatch": tokens.all(~tokens.labelled | (tokens.labels == ids)),
        "border_trained": ~packed | tokens.all(~(tokens.labelled & tokens.first)),
        "trained_share_outside": (shares >= settings.min_trained_share) & (shares <= settings.max_trained_share),
        "too_short": tokens.all_members(sized[0]),
        "too_long": tokens.all_members(sized[1]),
    }
    if facts.vocabulary is not None:
        columns["id_out_of_vocabulary"] = tokens.all((ids >= 0) & (ids < facts.vocabulary))
    if facts.bos is not None:
        columns["double_bos"] = _few_bos(tokens, facts)
    if facts.pad is not None:
        columns["pad_trained"] = tokens.all(~(trained & (ids == facts.pad)) | _closing(tokens, facts))
    if facts.mask != "full":
        columns["prompt_trained"] = tokens.all(~(trained & tokens.first))
        if facts.end_of_turn is not None:
            closing = (ids == facts.end_of_turn) | (ids == facts.end_of_call)
            columns["end_of_turn_untrained"] = tokens.all(~tokens.ends | closing)
        if facts.generation_prompt:
            columns["prompt_trained"] &= _announced(tokens, facts)
    # One code a fault: where members or weights are wrong, what follows from them says nothing.
    shaped = np.logical_and.reduce([columns[code] for code in SHAPE if code in columns])
    return {code: passes if code in SHAPE else passes | ~shaped for code, passes in columns.items()}


def _weights(tokens: Tokens, rows: Sequence[Row]) -> np.ndarray:
    """Whether weights are finite, not negative, not all zero, and in a row that is no pack (whose weight is in them) ≤ 1."""
    highest = np.array([np.inf if row.get("members") else 1 + _SAME_WEIGHT for row in rows])
    largest = np.maximum.reduceat(np.where(tokens.labelled, tokens.weights, 0.0), tokens.members)
    lengths = np.diff(np.append(tokens.rows, len(tokens.ids)))
    sound = np.isfinite(tokens.weights) & (tokens.weights >= 0) & (tokens.weights <= np.repeat(highest, lengths))
    some = np.logical_or.reduceat(tokens.labelled, tokens.members)
    return tokens.all(sound) & tokens.all_members((largest > 0) | ~some)  # type: ignore[no-any-return]


def _few_bos(tokens: Tokens, facts: Facts) -> np.ndarray:
    is_bos = tokens.ids == facts.bos
    second = np.minimum(tokens.members + 1, len(is_bos) - 1)
    twice = is_bos[tokens.members] & is_bos[second] & ~tokens.first[second]
    counts = np.add.reduceat(is_bos.astype(np.int64), tokens.members)
    return tokens.all_members(~twice & ((counts <= 1) | (not facts.single_bos)))


def _closing(tokens: Tokens, facts: Facts) -> np.ndarray:
    """Bool [T]: where a padding token may stand and be trained: as the token that closes a turn, if it is the same one."""
    if facts.mask != "full":
        return tokens.ends & (facts.pad in (facts.end_of_turn, facts.end_of_call))
    # Here runs show no turns, and some templates end a conversation with it; after another one it closes nothing.
    again = (np.roll(tokens.ids, 1) == facts.pad) & ~tokens.first
    return ~again  # type: ignore[no-any-return]


def _announced(tokens: Tokens, facts: Facts) -> np.ndarray:
    """Bool [rows]: whether each run of trained tokens is one turn, that begins after a generation prompt.

    A template may write more (an empty thought) between the generation prompt and what is trained, so the prompt need
    not end right before a run; but one must end after the last trained token before it. None may stand inside a run, but where
    the chat rows prove what is right: some templates write a thought and an answer as two messages of one turn.
    """
    member_of = np.cumsum(tokens.first) - 1
    written = _ends_of(tokens.ids, member_of, facts.generation_prompt)
    begin = np.flatnonzero(tokens.begins & ~tokens.first)
    prompt, turn = _latest(written)[begin - 1], _latest(tokens.trained)[begin - 1]
    announced = np.ones(len(tokens.ids), bool)
    announced[begin] = (prompt > turn) & (prompt >= tokens.members[member_of[begin]])
    return tokens.all(announced if facts.chat else announced & ~(written & tokens.trained))


def _ends_of(ids: np.ndarray, member_of: np.ndarray, pattern: Sequence[int]) -> np.ndarray:
    """True at each token where `pattern` ends, within one member."""
    size = len(pattern)
    found = np.zeros(len(ids), bool)
    if len(ids) >= size:
        windows: Any = np.lib.stride_tricks.sliding_window_view(ids, size)
        inside = member_of[size - 1 :] == member_of[: len(ids) - size + 1]
        found[size - 1 :] = (windows == np.asarray(pattern)).all(axis=1) & inside
    return found


def _latest(marks: np.ndarray) -> np.ndarray:
    """For each token, the index of the last mark up to and including it; −1 when there is none."""
    latest: np.ndarray = np.maximum.accumulate(np.where(marks, np.arange(len(marks)), -1))
    return latest
