"""`number` and `math` on the reference solutions of GSM8K: each accepted as it is, and not accepted when changed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from tasks.verify.maths.math import math
from tasks.verify.number import number
from tasks.verify.number_plants import spelled
from tasks.verify.verdict import Verdict

SHARED = Path(__file__).parents[3] / "shared" / "data" / "gsm8k" / "test.jsonl"
# Written for this test, in the data set's style: calculator marks, thousands separators, a negative and a decimal answer.
OWN = [
    "Ann bakes 4 * 12 = <<4*12=48>>48 rolls.\nShe sells 9, so 48 - 9 = <<48-9=39>>39 rolls are left.\n#### 39",
    "The shop sold 1,250 * 2 = <<1250*2=2500>>2,500 pens.\nAt $3 each that is $<<2500*3=7500>>7,500.\n#### 7,500",
    "Half of 7 is 7 / 2 = <<7/2=3.5>>3.5 hours.\n#### 3.5",
    "It fell by 5 and then by 8: 10 - 5 - 8 = <<10-5-8=-3>>-3 degrees.\n#### -3",
    "Nothing is left: 5 - 5 = <<5-5=0>>0.\n#### 0",
]


def solutions() -> list[str]:
    """Our own rows, and the whole file beside the repository where it is there."""
    lines = SHARED.read_text().splitlines() if SHARED.exists() else []
    return OWN + [json.loads(line)["answer"] for line in lines]


@pytest.mark.parametrize("verify", [number, math], ids=["number", "math"])
def test_every_reference_solution_is_accepted_and_no_changed_one(verify: Callable[[str, str], Verdict]) -> None:
    rows = solutions()
    assert len(rows) in (len(OWN), len(OWN) + 1319)
    for solution in rows:
        steps, _, answer = solution.rpartition("#### ")
        value = Fraction(answer.replace(",", ""))
        for reference in (answer, solution):
            assert verify(solution, reference).state == "accepted", solution
        up, flipped, tenfold = spelled(value + 1), spelled(-value), spelled(value * 10)
        for changed in (up, *((flipped, tenfold) if value else ()), f"{answer} or {up}", f"{up}, {answer}", f"{answer} {up}"):
            assert verify(f"{steps}#### {changed}", answer).state in ("rejected", "answer_unparsable"), (solution, changed)
        assert verify(f"{solution}\n#### {up}", answer).state == "rejected"


def test_a_solution_without_its_mark_ends_in_its_answer() -> None:
    """As models write them: no ``####`` and no calculator marks. What is left over says more after its answer."""
    accepted = 0
    for solution in solutions():
        steps, _, answer = re.sub("<<[^>]*>>", "", solution).rpartition("#### ")
        accepted += number(steps, answer).state == "accepted"
        assert number(steps, spelled(Fraction(answer.replace(",", "")) * 10 + 1)).state != "accepted", solution
    assert accepted >= 0.95 * len(solutions())
