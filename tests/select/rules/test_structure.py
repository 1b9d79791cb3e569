"""When two answers go the same way."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.select.rules.structure import equations, structure


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("3 + 5 = 8", ["3+5=8"]),
        ("3+5=8.", ["3+5=8"]),
        ("Natalia sold 48/2 = <<48/2=24>>24 clips. 48+24 = <<48+24=72>>72 in all.\n#### 72", ["48/2=24", "48+24=72"]),
        ("3 + 5 = 8 = 16 / 2", ["3+5=8", "8=16/2"]),
        ("She earns 5 × $2 = $10.", ["5*2=10"]),
        ("0.2 x 50 = 10", ["0.2*50=10"]),
        (r"\(\frac{3}{4} \times 8 = 6\)", ["(3/4)*8=6"]),
        ("1,000 + 5 = 1005", ["1000+5=1005"]),
        ("1{,}000 − 5 = 995", ["1000-5=995"]),
        ("(3 + 5) * 2 = 16, then (16 - 1 = 15)", ["(3+5)*2=16", "16-1=15"]),
        ("- 5+2=7\n2. 3+3=6", ["5+2=7", "3+3=6"]),
        ("So 7. 5+3=8, 2 + 2 = 4 1+1=2", ["5+3=8", "2+2=4", "1+1=2"]),
        ("**8 = 3 + 5**", ["8=3+5"]),
        ("-3 - -5 = 2", ["-3--5=2"]),
        ("x = 5", []),
        ("2x + 3 = 7", []),
        ("5 = 5", []),
        ("a == b, 3 + 5", []),
        ("3 apples + 5 apples = 8 apples", []),
        ("= = =", []),
    ],
)
def test_equations(text: str, found: list[str]) -> None:
    assert equations(text) == found


def test_answers_with_equations_are_told_apart_by_them_and_others_by_their_text() -> None:
    assert structure("We have 3 + 5 = 8 birds.") == structure("so 3+5=8")
    assert structure("3 + 5 = 8") != structure("5 + 3 = 8")
    assert structure("1+1=2. 2+2=4.") != structure("2+2=4. 1+1=2.")
    assert structure("The answer  is ８") == structure("the answer is 8")
    assert structure("The answer is 8") != structure("Answer: 8")


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.text(), st.text("0123456789+-*/=().,$ x\n\\{}fractimes")))
def test_it_never_raises_and_always_says_something(text: str) -> None:
    assert len(structure(text)) >= 1


@pytest.mark.parametrize("text", ["1 " * 100_000 + "=", "(" * 100_000 + "1+1=2", "+" * 100_000 + "=1", "= " * 50_000])
def test_no_text_takes_long(text: str) -> None:
    began = time.process_time()
    structure(text)
    assert time.process_time() - began < 5
