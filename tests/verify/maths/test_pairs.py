"""Pairs of answers that are the same and that are not, each in both orders."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tasks.verify.maths.math import math

LINES = [line for line in Path(__file__).with_name("pairs.txt").read_text().splitlines() if line[:1] in "=!"]
PAIRS = [(line[0] == "=", *line[2:].split(" :: ")) for line in LINES]
LEAST_AGREEMENT = 0.95


def test_there_are_enough_of_both_kinds() -> None:
    assert len(set(PAIRS)) == len(PAIRS) >= 150
    assert min(sum(pair[0] for pair in PAIRS), sum(not pair[0] for pair in PAIRS)) >= 75


def test_the_pairs_agree(capsys: pytest.CaptureFixture[str]) -> None:
    wrong, slowest = [], 0.0
    for equal, *texts in PAIRS:
        for reference, answer in (texts, texts[::-1]):
            started = time.monotonic()
            verdict = math(rf"So it is \boxed{{{answer}}}.", reference)
            slowest = max(slowest, time.monotonic() - started)
            assert verdict.state in ("accepted", "rejected", "answer_unparsable"), (reference, verdict)
            if (verdict.state == "accepted") != equal:
                wrong.append((reference, answer, verdict))
    share = 1 - len(wrong) / (2 * len(PAIRS))
    with capsys.disabled():
        print(f"\nmath: {share:.1%} of {len(PAIRS)} pairs in both orders agree; slowest {slowest:.2f} s")
    assert not [case for case in wrong if case[2].state == "accepted"]
    assert share >= LEAST_AGREEMENT, wrong
