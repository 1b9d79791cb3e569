"""Packing: each row once and whole, no pack too large, and how full the packs are."""

import logging
import random
from collections.abc import Iterator
from itertools import accumulate, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.chat.packing import IGNORED, best_fit, join_rows, pack_rows
from tasks.runtime.errors import DataError
from tasks.runtime.rows import Row

LENGTHS = st.lists(st.integers(1, 40), max_size=60)


def rows_of(lengths: list[int]) -> list[Row]:
    """Rows whose tokens are known by row and place, all of them trained."""
    rows = []
    for number, length in enumerate(lengths):
        ids = [1_000 * number + place for place in range(length)]
        rows.append({"id": f"r{number}", "input_ids": ids, "labels": list(ids)})
    return rows


def members_of(pack: Row) -> list[tuple[str, list[int]]]:
    """The members of a pack, cut where its position ids restart."""
    borders = [place for place, position in enumerate(pack["position_ids"]) if position == 0] + [len(pack["input_ids"])]
    return [(name, pack["input_ids"][a:b]) for name, (a, b) in zip(pack["members"], pairwise(borders), strict=True)]


def seen_lengths(count: int, tokens: int) -> list[int]:
    """Lengths as chat data has them: many short, few long (log-normal), none over `tokens`."""
    source = random.Random(0)
    return [min(tokens, max(8, int(source.lognormvariate(5.3, 0.8)))) for _ in range(count)]


@given(LENGTHS, st.integers(40, 90), st.integers(1, 70))
@settings(max_examples=100, deadline=None)
def test_every_row_is_whole_in_one_pack(lengths: list[int], tokens: int, window: int) -> None:
    rows = rows_of(lengths)
    packs = list(pack_rows(rows, tokens, window))
    assert sorted(member for pack in packs for member in members_of(pack)) == sorted(
        (row["id"], row["input_ids"]) for row in rows
    )
    for pack in packs:
        assert len(pack["input_ids"]) <= tokens
        assert pack["id"] == f"pack:{pack['members'][0]}"
        assert pack["position_ids"] == [place for _, ids in members_of(pack) for place in range(len(ids))]
        trained = zip(pack["input_ids"], pack["position_ids"], strict=True)
        assert pack["labels"] == [token if position else IGNORED for token, position in trained]
        assert "loss_weights" not in pack
    assert packs == list(pack_rows(rows, tokens, window))
    assert rows == rows_of(lengths), "the rows themselves were changed"


@given(LENGTHS, st.integers(40, 90))
@settings(max_examples=100, deadline=None)
def test_bins_are_those_of_best_fit_decreasing_by_its_definition(lengths: list[int], capacity: int) -> None:
    bins: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lambda place: (-lengths[place], place)):
        room = [capacity - sum(lengths[other] for other in held) - lengths[place] for held in bins]
        fits = [(left, number) for number, left in enumerate(room) if left >= 0]
        if fits:
            bins[min(fits)[1]].append(place)
        else:
            bins.append([place])
    assert best_fit(lengths, capacity) == [sorted(held) for held in bins]


def first_fit(lengths: list[int], capacity: int) -> int:
    rooms: list[int] = []
    for length in lengths:
        fitting = next((number for number, room in enumerate(rooms) if room >= length), None)
        if fitting is None:
            rooms.append(capacity - length)
        else:
            rooms[fitting] -= length
    return len(rooms)


@pytest.mark.parametrize("tokens", [512, 2_048, 8_192])
def test_packs_are_fuller_than_first_fit(tokens: int) -> None:
    lengths = seen_lengths(6_000, tokens)
    ours, theirs = (sum(lengths) / (bins * tokens) for bins in (len(best_fit(lengths, tokens)), first_fit(lengths, tokens)))
    print(f"{tokens} tokens: {100 * ours:.2f} % filled, first fit {100 * theirs:.2f} %")
    assert ours > 0.99
    assert ours >= theirs


def test_how_full_the_packs_are_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "winnow.chat"):
        list(pack_rows(rows_of([6, 3, 4, 5]), 10))
    assert caplog.messages == ["4 rows in 2 packs of 10 tokens, 90.0 % filled"]


def test_packs_come_in_the_order_of_their_first_rows() -> None:
    packs = list(pack_rows(rows_of([3, 9, 4, 1, 2]), 10))
    assert [pack["members"] for pack in packs] == [["r0", "r2", "r4"], ["r1", "r3"]]


def test_no_more_than_a_window_is_held() -> None:
    taken = 0

    def stream() -> Iterator[Row]:
        nonlocal taken
        for row in rows_of([5] * 100):
            taken += 1
            yield row

    packs = pack_rows(stream(), 20, window=10)
    next(packs)
    assert taken == 10
    assert sum(len(pack["members"]) for pack in packs) == 99 - 3


def test_a_window_ends_early_where_rows_are_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.chat.packing.WINDOW_TOKENS", 50)
    lengths = [20] * 10
    packs = list(pack_rows(rows_of(lengths), 100))
    assert [len(pack["members"]) for pack in packs] == [3, 3, 3, 1]


@pytest.mark.parametrize("length", [0, 11])
def test_a_row_that_fits_no_pack_is_refused(length: int) -> None:
    with pytest.raises(DataError, match=f"'r1' has {length} tokens.*make pack_tokens at least max_tokens"):
        list(pack_rows(rows_of([5, length]), 10))


def test_weights_of_rows_and_tokens_are_multiplied() -> None:
    plain, heavy, graded = rows_of([2, 3, 2])
    heavy["weight"] = 2.0
    graded |= {"weight": 0.5, "loss_weights": [0.1, 1.0]}
    (pack,) = pack_rows([plain, heavy, graded], 10)
    assert pack["loss_weights"] == [1.0, 1.0, 2.0, 2.0, 2.0, 0.05, 0.5]
    assert "weight" not in pack
    assert join_rows([{**plain, "weight": 0.0}])["loss_weights"] == [0.0, 0.0]


def test_packs_can_be_joined_again() -> None:
    first, second = pack_rows(rows_of([6, 4, 5, 5]), 10)
    joined = join_rows([first, second])
    assert joined["labels"] == first["labels"] + second["labels"]
    assert [place for place, position in enumerate(joined["position_ids"]) if position == 0] == list(accumulate([0, 6, 4, 5]))
