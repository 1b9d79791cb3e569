"""The memory of rows that came before: right, and small."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.validate import seen
from tasks.validate.seen import Seen


@settings(max_examples=100, deadline=None)
@given(chunks=st.lists(st.lists(st.binary(max_size=2), min_size=1, max_size=12), max_size=12))
def test_the_first_of_each_kind_counts(chunks: list[list[bytes]]) -> None:
    memory, known = Seen(), set()
    for chunk in chunks:
        expected = []
        for text in chunk:
            expected.append(text not in known)
            known.add(text)
        assert memory.first(chunk).tolist() == expected


def test_hashes_that_share_a_half_are_told_apart() -> None:
    run = (np.array([1, 5, 5, 5, 9], np.uint64), np.array([0, 3, 1, 2, 0], np.uint64))
    high, low = np.array([5, 5, 5, 9, 10, 0], np.uint64), np.array([2, 3, 7, 0, 0, 0], np.uint64)
    assert seen._holds(run, high, low).tolist() == [True, True, False, True, False, False]


def test_it_takes_sixteen_bytes_a_row() -> None:
    memory = Seen()
    for first in range(0, 100_000, 4_096):
        assert memory.first([b"%d" % number for number in range(first, first + 4_096)]).all()
    held = sum(part.nbytes for run in memory._runs for part in run)
    assert held == 16 * 25 * 4_096
    assert len(memory._runs) < 8
    assert not memory.first([b"0", b"99999"]).any()
