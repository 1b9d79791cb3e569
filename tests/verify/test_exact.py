"""The `exact` verifier."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.verify.exact import exact


@pytest.mark.parametrize(
    ("response", "reference", "state"),
    [
        ("  blue\n sky ", "blue sky", "accepted"),
        ("Let me see. <answer>blue</answer>", "blue", "accepted"),
        ("e\u0301", "\u00e9", "accepted"),
        ("<think>red?</think>blue", "blue", "accepted"),
        ("<think>blue", "blue", "answer_unparsable"),
        ("Blue", "blue", "rejected"),
        ("It is blue", "blue", "rejected"),
        ("<answer>red</answer><answer>blue</answer>", "blue", "rejected"),
        ("", "blue", "answer_unparsable"),
        ("<answer></answer>", "blue", "answer_unparsable"),
        ("", " ", "reference_unparsable"),
    ],
)
def test_convention(response: str, reference: str, state: str) -> None:
    assert exact(response, reference).state == state


@given(st.text(), st.text())
def test_no_text_makes_it_raise(response: str, reference: str) -> None:
    assert exact(response, reference).state != "accepted" or reference.strip()
