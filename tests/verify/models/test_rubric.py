"""Rubrics: the forms of a judge's reference, and what is none of them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.verify.models.rubric import GENERAL, Rubric, check_reference, parse_rubric


@pytest.mark.parametrize(
    ("reference", "rubric"),
    [
        ("", Rubric(GENERAL, 1, 5)),
        ("  \n", Rubric(GENERAL, 1, 5)),
        ("It rhymes.", Rubric("It rhymes.")),
        ("[1, 2]", Rubric("[1, 2]")),
        ('{"rubric": " It rhymes. "}', Rubric("It rhymes.")),
        ('{"rubric": "It rhymes.", "scale": [0, 9]}', Rubric("It rhymes.", 0, 9)),
        ('{"scale": [1, 3]}', Rubric(GENERAL, 1, 3)),
        ('{"against": "Roses are red."}', Rubric(GENERAL, against="Roses are red.")),
    ],
)
def test_forms(reference: str, rubric: Rubric) -> None:
    assert parse_rubric(reference) == rubric
    assert check_reference(reference) == ""


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        ("{rhymes}", "is not JSON"),
        ("{" * 100_000, "begins with"),
        ('{"dataset": "sums", "entry": {}}', "unknown keys .*dataset.*entry.*; known: against, rubric, scale"),
        ('{"rubric": ""}', "'rubric' is no text"),
        ('{"rubric": 5}', "'rubric' is no text"),
        ('{"against": " "}', "'against' is no text"),
        ('{"scale": [1, 10]}', "scale .1, 10. is not"),
        ('{"scale": [5, 1]}', "is not"),
        ('{"scale": [1, true]}', "is not"),
        ('{"scale": [1.0, 5.0]}', "is not"),
        ('{"scale": 5}', "is not"),
        ('{"against": "text", "scale": [1, 5]}', "a comparison has no scale"),
    ],
)
def test_what_is_no_rubric(reference: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_rubric(reference)
    assert check_reference(reference)


_json = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3))


@settings(max_examples=100, deadline=None)
@given(st.text() | st.dictionaries(st.sampled_from(["rubric", "scale", "against", "more"]), _json).map(json.dumps))
def test_the_check_never_raises(reference: str) -> None:
    check_reference(reference).encode()  # a reason is written as UTF-8
