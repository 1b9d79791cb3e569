"""Answers as chat models write them, and answers that only look like one: for `number`, `math` and `choice` alike."""

from __future__ import annotations

import json

import pytest

from tasks.verify.choice import choice
from tasks.verify.maths.math import math
from tasks.verify.number import number

WRITTEN = r"""
16 - 3 - 4 = 9\n9 * 2 = 18
She sells 16 - 3 - 4 = 9 eggs.\nShe makes 9 * $2 = $18 every day.
9 * $2 = $18
$9 \times 2 = 18$
50% of 36 = 18
She has 22 – 4 = 18 left.
9 times 2 = 18
I need to find the answer. 16-3-4=9. 9*2=18
To find the answer, we compute: 16 - 7 = 9 eggs. Then 9 * 2 = 18.
**Answer:** She makes $18 every day. She sells 9 eggs.
## Step 3: Multiply\nThe total is 9 * 2 = 18.\n\nThe final answer is: $\boxed{18}$
<think>\nIs it 9? 9 * 2 = 18.\n</think>\n\n**Step 1**: 16 - 7 = 9\n\n**Answer:** She makes \boxed{18} dollars.
Final Answer: The final answer is $18$. I hope it is correct.
<reasoning>\n9 * 2\n</reasoning>\n<answer>\n18\n</answer>
\boxed{\text{18}}
\boxed{\textbf{18}}
| Item | Amount |\n|---|---|\n| Eggs | 9 |\n| Total | $18 |
Total = 9 eggs × $2/egg = $18.
It is 18 because 9 * 2 = 18.
"""
NO_ANSWERS = r"""
The answer isn't 18.
The answer cannot be 18.
I don't think it is 18.
It is not equal to 18
The answer is anything but 18.
The answer is not \boxed{18}.
17 rather than 18
18 isn't right
18 is the wrong answer
The answer is 18?
Maybe 18?
about 18
approximately 18
The answer is roughly 18.
≈18
over 18
below 18
18+
18 or higher
18 and above
18-ish
minus 18
The answer is negative 18.
–18
\boxed{–18}
half of 18
twice 18
18 squared
18²
18½
18 and a half
18k
$18M
18 hundred
20 minus 18
x < 18
0 < x ≤ 18
18٠
<thinking>18</thinking>
<reasoning>18</reasoning>
"""


def lines(text: str) -> list[str]:
    return [line.replace("\\n", "\n") for line in text.strip().splitlines()]


@pytest.mark.parametrize("response", lines(WRITTEN))
def test_what_chat_models_write_is_accepted(response: str) -> None:
    assert number(response, "18").state == "accepted"
    assert math(response, "18").state == "accepted"


@pytest.mark.parametrize("response", lines(NO_ANSWERS))
def test_what_names_a_number_and_does_not_give_it_is_not(response: str) -> None:
    assert number(response, "18").state in ("rejected", "answer_unparsable")
    assert math(response, "18").state in ("rejected", "answer_unparsable")


def test_an_x_between_numbers_is_an_operator() -> None:
    for response in ("She has 9 x 2 = 18", "She has 9x2=18 dollars"):
        assert number(response, "18").state == "accepted"


@pytest.mark.parametrize("response", ["negative 18", "The answer is minus 18.", "–18", "It fell by $18$: $-18$"])
def test_a_sign_may_be_a_word_or_a_dash(response: str) -> None:
    assert number(response, "-18").state == "accepted"


@pytest.mark.parametrize(
    ("response", "reference"),
    [
        ("It is either $x+2$ or $x+1$", "x+1"),
        ("It is not $x+1$", "x+1"),
        ("The answer is not $x+1$.", "x+1"),
        ("$x+1$ is wrong", "x+1"),
        ("It is less than $\\frac{1}{2}$", "\\frac{1}{2}"),
        ("It is between $\\frac13$ and $\\frac{1}{2}$", "\\frac{1}{2}"),
        ("negative $18$", "18"),
        ("The solutions are $x = 3$ and $x = -2$.", "-2"),
        ("The answer is not Evelyn.", "\\text{Evelyn}"),
    ],
)
def test_a_formula_that_is_denied_or_one_of_several_is_no_answer(response: str, reference: str) -> None:
    assert math(response, reference).state in ("rejected", "answer_unparsable")


@pytest.mark.parametrize(
    ("response", "reference"),
    [
        ("The solutions are $x = 3$ and $x = -2$.", "3, -2"),
        ("The answer is the fraction $\\frac{7}{9}$.", "\\frac{7}{9}"),
        ("The answer is Evelyn.", "\\text{Evelyn}"),
        ("The answer is (C).", "\\text{C}"),
        ("\\boxed{11111111100}", "11,\\! 111,\\! 111,\\! 100"),
    ],
)
def test_ordinary_answers_in_prose(response: str, reference: str) -> None:
    assert math(response, reference).state == "accepted"


CELLS = json.dumps({"answer": "B", "choices": ["Mitochondria", "Nucleus", "Ribosome", "$12"]})
CHOSEN = r"""
**B**\n\n**Explanation:** it holds the DNA.
B. Nucleus\n\nIt holds the genetic material, so A, C and D are wrong.
Option B is correct.
The correct option is B, the nucleus.
Thus, B is the correct answer.
B is the answer.
A is wrong, so B.
The answer is B, not A.
Final Answer: The final answer is B. I hope it is correct.
The correct answer is (B) Nucleus.\n\nHere's why:\n- (A) makes energy\n- (C) makes proteins
Let's see:\nA) no\nB) yes\nC) no\n\nTherefore, the correct answer is B.
"""
NOT_CHOSEN = r"""
The answer is not B.
The answer isn't B.
Not B
It is not (B).
The answer cannot be B.
(B) is false.
Anything but B
The answer is A, not B.
A or maybe B
A\nB
A B
A vs B
A > B
Neither A nor B
maybe A, maybe B
B?
The answer is B?
I'd eliminate B.
I rule out B
The wrong answer is B.
The least likely answer is B.
C instead of B
Option A is better than option B
"""


@pytest.mark.parametrize("response", lines(CHOSEN))
def test_a_choice_as_chat_models_write_it_is_accepted(response: str) -> None:
    assert choice(response, "B").state == "accepted"
    assert choice(response, CELLS).state == "accepted"


@pytest.mark.parametrize("response", lines(NOT_CHOSEN))
def test_a_choice_that_is_denied_or_one_of_several_is_not(response: str) -> None:
    assert choice(response, "B").state in ("rejected", "answer_unparsable")
    assert choice(response, CELLS).state in ("rejected", "answer_unparsable")


@pytest.mark.parametrize("response", ["The nucleus.", "The correct answer is the nucleus.", "the Nucleus"])
def test_a_choices_text_may_have_an_article(response: str) -> None:
    assert choice(response, CELLS).state == "accepted"
    assert choice("\\boxed{\\$12}", CELLS.replace('"B"', '"D"')).state == "accepted"


def test_hedges_take_time_in_proportion() -> None:
    for text in ("not " * 250_000 + "5", "I don't think that " * 50_000 + "B", "B is the the " * 70_000, "A, or " * 150_000):
        for text_and_end in (text, f"{text} 5", f"\\boxed{{1}}{text}"):
            number(text_and_end, "5")
            choice(text_and_end, "B")  # quadratic behaviour would run into pytest's time limit
