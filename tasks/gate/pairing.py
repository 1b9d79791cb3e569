"""Two sets of score rows → how often each side alone is right, item by item."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tasks.runtime.errors import ContractError
from tasks.runtime.rows import STATES

ScoreRows = Iterable[Mapping[str, Any]]
_SHOWN = 5


@dataclass(frozen=True)
class Pairs:
    """Paired outcomes.

    Attributes:
        wins, losses: items that only the candidate, or only the other side, has right.
        both_right, both_wrong: the ties.
        unmeasured: ids of the items whose state is `error` on either side; they count nowhere else.
    """

    wins: int
    losses: int
    both_right: int
    both_wrong: int
    unmeasured: tuple[str, ...] = ()

    @property
    def ties(self) -> int:
        return self.both_right + self.both_wrong

    @property
    def items(self) -> int:
        return self.wins + self.losses + self.ties


def pair(candidate: ScoreRows, other: ScoreRows, other_name: str = "champion") -> Pairs:
    """Pair score rows by `item_id`, never by position.

    An item counts as right when its score is exactly 1.0: a share of a point is not an answer that may be served. A
    verifier's time-out, like an answer that cannot be parsed, is a wrong answer (the limit is part of the task); only
    `error` says that nothing was measured. A row without `state` is taken as measured.

    Raises:
        ContractError: no rows; a row without `item_id`, with a score outside 0–1, with an unknown state or with the
            full score in a state other than `accepted`; an id twice on one side, on one side only, or of another family
            on the other side. The message names the ids.
    """
    ours, theirs = _by_item(candidate, "candidate"), _by_item(other, other_name)
    for here, there, name, against in (
        (ours, theirs, "candidate", other_name),
        (theirs, ours, other_name, "candidate"),
    ):
        if alone := here.keys() - there.keys():
            raise ContractError(
                f"{len(alone)} items have a {name} score and no {against} score ({shown(alone)}); "
                "score both models on the same items"
            )
    if mixed := [item for item in ours if _families_differ(ours[item], theirs[item])]:
        raise ContractError(
            f"{len(mixed)} items are of another family in the {other_name} scores ({shown(mixed)}); "
            "they are not the same questions: score both models on the same items"
        )
    unmeasured = sorted(item for item in ours if "error" in (ours[item].get("state"), theirs[item].get("state")))
    outcomes = [(_right(ours[item]), _right(theirs[item])) for item in ours.keys() - set(unmeasured)]
    return Pairs(
        wins=outcomes.count((True, False)),
        losses=outcomes.count((False, True)),
        both_right=outcomes.count((True, True)),
        both_wrong=outcomes.count((False, False)),
        unmeasured=tuple(unmeasured),
    )


def shown(ids: Iterable[str]) -> str:
    """The first few ids, for a message."""
    names = sorted(ids)
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _by_item(rows: ScoreRows, side: str) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    twice: set[str] = set()
    for number, row in enumerate(rows, 1):
        item = row.get("item_id")
        if not isinstance(item, str) or not item:
            raise ContractError(f"{side} score row {number} has no item_id (a non-empty string); found {item!r}")
        _check(row, item, side)
        if item in found:
            twice.add(item)
        found[item] = row
    if twice:
        raise ContractError(f"{len(twice)} items are scored twice in the {side} scores ({shown(twice)}); keep one row each")
    if not found:
        raise ContractError(f"the {side} scores hold no rows; score the model on at least one item")
    return found


def _check(row: Mapping[str, Any], item: str, side: str) -> None:
    state, score = row.get("state"), row.get("score")
    if state is not None and state not in STATES:
        raise ContractError(f"{side} item {item}: unknown state {state!r}; known: {', '.join(STATES)}")
    if state == "error":
        return
    if not isinstance(score, int | float) or isinstance(score, bool) or not 0 <= score <= 1:  # NaN is in no range
        raise ContractError(f"{side} item {item}: score {score!r} is not a number from 0 to 1")
    if score == 1 and state not in (None, "accepted"):
        raise ContractError(f"{side} item {item}: state {state!r} with the full score; correct the verifier or the file")


def _right(row: Mapping[str, Any]) -> bool:
    return bool(row["score"] == 1.0)


def _families_differ(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    families = {family for family in (one.get("family"), other.get("family")) if family is not None}
    return len(families) > 1
