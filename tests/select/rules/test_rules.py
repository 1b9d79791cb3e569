"""What each rule promises, on free-form candidates; and that the order they come in changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache
from itertools import chain
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from rapidfuzz.distance import Levenshtein

from tasks.data.questions import normal_text
from tasks.runtime.errors import ConfigurationError, UnknownPluginError
from tasks.runtime.plugins import load_plugin, plugin_names
from tasks.runtime.rows import Row
from tasks.select.rules.structure import structure
from tasks.select.settings import SelectionSettings
from tests.select.rows import candidate, candidates

RULES = [
    "best_of_k",
    "distinct_correct",
    "random_matched",
    "rest_em",
    "shortest_correct",
    "threshold",
    "top_fraction",
]
AT_LEAST_ONE = ["distinct_correct", "random_matched", "rest_em", "shortest_correct"]
REASONS = {
    "best_of_k": {"below_floor", "not_best"},
    "distinct_correct": {"duplicate", "over_cap"},
    "random_matched": {"not_drawn"},
    "rest_em": {"duplicate", "over_cap"},
    "shortest_correct": {"not_shortest"},
    "threshold": {"below_floor", "duplicate", "over_cap"},
    "top_fraction": {"below_top", "duplicate", "over_cap"},
}
Given = dict[str, list[Row]]


def run(rule: str, given: Given, **changed: object) -> dict[str, str]:
    chosen = SelectionSettings.model_validate({"rule": rule, **changed})
    return dict(_rule(rule)(given, chosen))


@cache  # a look-up reads what is registered on the disk
def _rule(name: str) -> Callable[..., dict[str, str]]:
    return load_plugin("selectors", name)


def kept(given: Given, reasons: dict[str, str]) -> Given:
    return {name: [row for row in rows if not reasons[row["sample_id"]]] for name, rows in given.items()}


def test_all_rules_are_registered() -> None:
    assert set(RULES) <= set(plugin_names("selectors"))


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=40, deadline=None)
@given(candidates(), st.integers(0, 5), st.integers(0, 2**32))
def test_every_rule(rule: str, given: Given, cap: int, seed: int) -> None:
    reasons = run(rule, given, cap=cap)
    assert sorted(reasons) == sorted(row["sample_id"] for row in chain(*given.values()))
    assert set(reasons.values()) <= REASONS[rule] | {""}
    numbers = {name: len(rows) for name, rows in kept(given, reasons).items()}
    assert all(number <= (cap or (10 if rule == "rest_em" else 4)) for number in numbers.values())
    if rule in AT_LEAST_ONE:
        assert all(numbers.values())

    shuffle = Random(seed)
    shuffled = {name: shuffle.sample(given[name], len(given[name])) for name in shuffle.sample(list(given), len(given))}
    assert run(rule, shuffled, cap=cap) == reasons


@settings(max_examples=100, deadline=None)
@given(candidates(), st.integers(1, 5))
def test_distinct_correct_keeps_one_of_each_structure_farthest_first(given: Given, cap: int) -> None:
    """Against the definition, written out: no short cuts, every distance measured."""
    reasons = run("distinct_correct", given, cap=cap)
    for name, rows in given.items():
        left = sorted(rows, key=lambda row: (len(row["text"]), row["sample_id"]))
        taken: list[Row] = []
        while left and len(taken) < cap:
            texts = [normal_text(row["text"]) for row in taken]
            far = [
                min((Levenshtein.normalized_distance(normal_text(row["text"]), text) for text in texts), default=1.0)
                for row in left
            ]
            taken.append(left[far.index(max(far))])
            left = [row for row in left if structure(row["text"]) != structure(taken[-1]["text"])]
        assert {row["sample_id"] for row in kept(given, reasons)[name]} == {row["sample_id"] for row in taken}
        structures = {structure(row["text"]) for row in taken}
        assert len(structures) == len(taken) == min(cap, len({structure(row["text"]) for row in rows}))
        for row in rows:
            if reason := reasons[row["sample_id"]]:
                assert reason == ("duplicate" if structure(row["text"]) in structures else "over_cap")


def test_distinct_correct_by_example() -> None:
    texts = [
        "3 + 5 = 8",  # the shortest: kept first
        "We add: 3 + 5 = 8, so there are 8 of them.",  # the same path in more words
        "3 + 5 = 8!",
        "First 3 * 2 = 6, then 6 + 2 = 8 birds in the tree",  # the farthest from the first
        "2 + 6 = 8",
    ]
    given = {"a": [candidate("a", draw, text) for draw, text in enumerate(texts)]}
    assert list(run("distinct_correct", given, cap=2).values()) == ["", "duplicate", "duplicate", "", "over_cap"]
    assert list(run("distinct_correct", given).values()) == ["", "duplicate", "duplicate", "", ""]


def test_of_answers_with_one_structure_the_one_farthest_from_those_kept_stays() -> None:
    """RFT's way to choose among paths with the same equations; the shortest would be the last one here."""
    texts = ["1+7=8", "In all, Tom has four and four apples, 4+4=8", "We have 4+4=8", "4+4=8"]
    given = {"a": [candidate("a", draw, text) for draw, text in enumerate(texts)]}
    assert list(run("distinct_correct", given).values()) == ["", "", "duplicate", "duplicate"]


@settings(max_examples=40, deadline=None)
@given(candidates(), st.sampled_from([0.0, 0.5, 0.6, 1.0]))
def test_best_of_k_keeps_the_best_score_of_each_prompt_from_the_floor_on(given: Given, floor: float) -> None:
    for rows in kept(given, run("best_of_k", given, floor=floor)).items():
        best = max(row["score"] for row in given[rows[0]])
        assert [row["score"] for row in rows[1]] == ([best] if best >= floor else [])


def test_the_best_of_k_bad_answers_is_not_trained_on() -> None:
    """A peer had no floor."""
    given = {"a": [candidate("a", 0, score=0.49), candidate("a", 1, score=0.2)], "b": [candidate("b", 0, score=0.5)]}
    assert run("best_of_k", given) == {"a/1/0": "below_floor", "a/1/1": "below_floor", "b/1/0": ""}
    assert set(run("best_of_k", given, floor=0.6).values()) == {"below_floor"}


@settings(max_examples=40, deadline=None)
@given(candidates(), st.sampled_from([0.0, 0.5, 0.6, 1.0]), st.integers(1, 3))
def test_threshold_keeps_what_reaches_the_floor_the_best_first(given: Given, floor: float, cap: int) -> None:
    reasons = run("threshold", given, floor=floor, cap=cap)
    for name, rows in kept(given, reasons).items():
        good = [row for row in given[name] if row["score"] >= floor]
        assert {reasons[row["sample_id"]] for row in given[name] if row not in good} <= {"below_floor"}
        texts = {normal_text(row["text"]) for row in good}
        assert len(rows) == len({normal_text(row["text"]) for row in rows}) == min(cap, len(texts))
        best = {text: max(row["score"] for row in good if normal_text(row["text"]) == text) for text in texts}
        assert sorted((row["score"] for row in rows), reverse=True) == sorted(best.values(), reverse=True)[:cap]


@settings(max_examples=40, deadline=None)
@given(candidates(), st.sampled_from([0.01, 0.25, 0.5, 1.0]))
def test_top_fraction_is_a_share_of_the_whole_round(given: Given, fraction: float) -> None:
    reasons = run("top_fraction", given, fraction=fraction, cap=1000)
    scores = sorted((row["score"] for row in chain(*given.values())), reverse=True)
    count = max(1, int(fraction * len(scores))) if scores else 0
    top = [row for row in chain(*given.values()) if reasons[row["sample_id"]] != "below_top"]
    assert sorted((row["score"] for row in top), reverse=True) == scores[:count]
    for rows in kept(given, reasons).values():
        assert len(rows) == len({normal_text(row["text"]) for row in rows})


def test_top_fraction_counts_exactly() -> None:
    given = {"a": [candidate("a", draw, str(draw), draw / 100) for draw in range(100)]}
    assert Counter(run("top_fraction", given, fraction=0.29, cap=1000).values())[""] == 29
    assert Counter(run("top_fraction", given, cap=1000).values())[""] == 25  # the default: a quarter
    few = {"a": given["a"][:3]}
    assert [name for name, reason in run("top_fraction", few).items() if not reason] == ["a/1/2"]


def test_rest_em_keeps_ten_at_random() -> None:
    given = {name: [candidate(name, draw, f"way {draw}: 8") for draw in range(40)] for name in "abcdefgh"}
    chosen = kept(given, run("rest_em", given))
    assert {name: len(rows) for name, rows in chosen.items()} == dict.fromkeys("abcdefgh", 10)
    draws = {tuple(row["draw"] for row in rows) for rows in chosen.values()}
    assert len(draws) == 8  # not the same places each time
    assert 15 < sum(chain(*draws)) / 80 < 24  # the mean of 0–39 is 19.5, of ten first or shortest ones 4.5


@settings(max_examples=40, deadline=None)
@given(candidates())
def test_shortest_correct_keeps_the_shortest(given: Given) -> None:
    for name, (row,) in kept(given, run("shortest_correct", given)).items():
        assert len(row["text"]) == min(len(other["text"]) for other in given[name])


@settings(max_examples=40, deadline=None)
@given(candidates(), st.sampled_from([rule for rule in RULES if rule != "random_matched"]), st.integers(0, 3))
def test_the_control_arm_keeps_as_many_of_each_prompt(given: Given, rule: str, cap: int) -> None:
    treated = SelectionSettings(rule=rule, cap=cap)
    matched = kept(given, run(rule, given, cap=cap))
    arm = treated.control()
    drawn = kept(given, dict(_rule(arm.rule)(given, arm)))
    assert {name: len(rows) for name, rows in drawn.items()} == {name: len(rows) for name, rows in matched.items()}


def test_the_control_arm_draws_at_random() -> None:
    given = {str(n): [candidate(str(n), draw, "8" * (draw + 1)) for draw in range(8)] for n in range(200)}
    arm = SelectionSettings(rule="shortest_correct").control()
    drawn = kept(given, dict(_rule(arm.rule)(given, arm)))
    places = Counter(row["draw"] for rows in drawn.values() for row in rows)
    assert sum(places.values()) == 200
    assert min(places[draw] for draw in range(8)) > 8  # 25 expected of each; the rule itself would keep draw 0 alone


def test_the_control_arm_has_no_control_arm() -> None:
    with pytest.raises(ValidationError, match="cannot match itself"):
        SelectionSettings(match="random_matched")
    with pytest.raises(ConfigurationError, match="the control arm itself"):
        SelectionSettings(rule="random_matched").control()
    with pytest.raises(UnknownPluginError, match=r"Known: .*rest_em"):
        run("random_matched", {"a": [candidate("a", 0)]}, match="best")


def test_the_cap_is_the_rules_own_unless_it_is_set() -> None:
    assert SelectionSettings().most == 4
    assert SelectionSettings(rule="rest_em").most == SelectionSettings(rule="rest_em").control().most == 10
    assert SelectionSettings(rule="rest_em", cap=3).most == 3
