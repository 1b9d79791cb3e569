"""The difficulty floor and the quota per family."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.runtime.rows import Row
from tasks.select.balance import least_bad, quota_reasons, without
from tests.select.rows import candidate, candidates

Given = dict[str, list[Row]]


@settings(max_examples=60, deadline=None)
@given(candidates(), st.integers(0, 12), st.integers(0, 2**32))
def test_the_quota_falls_fairly(given: Given, quota: int, seed: int) -> None:
    reasons = quota_reasons(given, quota)
    assert sorted(reasons) == sorted(row["sample_id"] for row in chain(*given.values()))
    left = without(given, reasons)
    before = Counter(row["family"] for row in chain(*given.values()))
    after = Counter(row["family"] for row in chain(*left.values()))
    assert after == {name: min(count, quota) if quota and name else count for name, count in before.items() if count}
    for family in set(before) - {""}:
        mine = [(len(rows), len(left.get(name, []))) for name, rows in given.items() if rows[0]["family"] == family]
        most = max(kept for _, kept in mine)
        assert all(kept == has or kept >= most - 1 for has, kept in mine)  # nobody lost a row while others had two more

    shuffle = Random(seed)
    shuffled = {name: shuffle.sample(given[name], len(given[name])) for name in shuffle.sample(list(given), len(given))}
    assert quota_reasons(shuffled, quota) == reasons


def test_no_prompt_loses_its_only_row_before_another_its_second() -> None:
    given = {"a": [candidate("a", draw) for draw in range(4)], "b": [candidate("b", 0)], "c": [candidate("c", 0)]}
    assert {name: len(rows) for name, rows in without(given, quota_reasons(given, 3)).items()} == dict.fromkeys("abc", 1)
    assert {name: len(rows) for name, rows in without(given, quota_reasons(given, 4)).items()} == {"a": 2, "b": 1, "c": 1}


@settings(max_examples=60, deadline=None)
@given(candidates(), st.integers(1, 6))
def test_the_quota_takes_as_many_rows_of_a_prompt_whichever_they_are(given: Given, quota: int) -> None:
    """So that the control arm, which has other rows, loses as many."""
    other = {name: [{**row, "sample_id": f"{row['sample_id']}-other"} for row in rows] for name, rows in given.items()}
    numbers = [{name: len(rows) for name, rows in without(part, quota_reasons(part, quota)).items()} for part in (given, other)]
    assert numbers[0] == numbers[1]


def test_a_hard_prompt_gets_its_least_bad_answer_back() -> None:
    given = {
        "hard": [candidate("hard", 0, "long", 0.9), candidate("hard", 1, "loo", 0.9), candidate("hard", 2, "x", 0.5)],
        "easy": [candidate("easy", 0)],
        "spoilt": [candidate("spoilt", 0)],
        "kept": [candidate("kept", 0), candidate("kept", 1)],
    }
    for name, rows in given.items():
        for row in rows:
            row["pass_rate"] = 0.9 if name == "easy" else 0.1
    reasons = {row["sample_id"]: "loop" for row in chain(*given.values())}
    reasons |= {"spoilt/1/0": "template_tokens", "kept/1/0": ""}
    assert list(least_bad(given, reasons, {"loop"}, 0.25)) == ["hard/1/1"]
    assert list(least_bad(given, reasons, {"loop"}, 0.1)) == []
    assert list(least_bad(given, reasons | {"hard/1/1": "template_tokens"}, {"loop"}, 0.25)) == ["hard/1/0"]
