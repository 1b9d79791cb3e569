"""Pairing by item id: what counts, what is refused, and that a refusal names the ids."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.gate.pairing import pair
from tasks.runtime.errors import ContractError
from tests.gate.scoring import score_rows, sides


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_counts_do_not_depend_on_the_order_of_rows(outcomes: list[tuple[bool, bool]], order: random.Random) -> None:
    ours, theirs = (score_rows(list(side)) for side in zip(*outcomes, strict=True))
    order.shuffle(ours)
    order.shuffle(theirs)
    pairs = pair(ours, theirs)
    assert pairs.wins == outcomes.count((True, False))
    assert pairs.losses == outcomes.count((False, True))
    assert (pairs.both_right, pairs.both_wrong) == (outcomes.count((True, True)), outcomes.count((False, False)))
    assert pairs.items == len(outcomes)


def test_only_the_full_score_is_right() -> None:
    ours, theirs = sides(0, 0, neither=3)
    ours[0]["score"], ours[1]["score"] = 0.999, 0.5
    assert pair(ours, theirs).both_wrong == 3


@pytest.mark.parametrize("state", ["rejected", "answer_unparsable", "reference_unparsable", "timed_out"])
def test_a_measured_failure_is_a_wrong_answer(state: str) -> None:
    ours, theirs = sides(0, 2)
    ours[0]["state"] = state
    assert pair(ours, theirs).losses == 2


@pytest.mark.parametrize("side", [0, 1])
def test_an_error_is_neither_right_nor_wrong(side: int) -> None:
    both = sides(2, 1, both=1)
    both[side][0] |= {"state": "error", "score": None}
    pairs = pair(*both)
    assert (pairs.wins, pairs.losses, pairs.both_right, pairs.unmeasured) == (1, 1, 1, ("i0",))


def _broken(change: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    ours, theirs = sides(3, 1)
    match change:
        case "candidate lacks":
            ours.pop(2)
        case "champion lacks":
            theirs.pop(2)
        case "twice":
            theirs.append(dict(theirs[2]))
        case "family":
            theirs[2]["family"] = "products"
        case "score":
            ours[2]["score"] = float("nan")
        case "range":
            ours[2]["score"] = 1.5
        case "no score":
            del ours[2]["score"]
        case "text":
            ours[2]["score"] = "1.0"
        case "state":
            ours[2]["state"] = "fine"
        case "contradiction":
            ours[2]["state"] = "reference_unparsable"
    return ours, theirs


CHANGES = ("candidate lacks", "champion lacks", "twice", "family", "score", "range", "no score", "text", "state")


@pytest.mark.parametrize("change", [*CHANGES, "contradiction"])
def test_rows_that_cannot_be_compared_are_refused_by_id(change: str) -> None:
    with pytest.raises(ContractError, match=r"\bi2\b"):
        pair(*_broken(change))


def test_a_row_without_id_and_an_empty_side_are_refused() -> None:
    ours, theirs = sides(1, 0)
    with pytest.raises(ContractError, match="row 1 has no item_id"):
        pair([{"score": 1.0}], theirs)
    with pytest.raises(ContractError, match="champion scores hold no rows"):
        pair(ours, [])


def test_many_ids_are_cut_short() -> None:
    ours, theirs = sides(9, 0)
    with pytest.raises(ContractError, match=r"8 items .*\(i1, i2, i3, i4, i5 and 3 more\)"):
        pair(ours, theirs[:1])
