"""The `number` verifier: its written convention, and the mistakes other projects' verifiers were found to make."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.verify.number import check_reference, number, plants

# Worked solutions in the style of grade-school data sets, each with calculator marks, and their answers.
SOLUTIONS = [
    ("Tom picks 4 * 12 = <<4*12=48>>48 plums.\nHe eats 9, so 48 - 9 = <<48-9=39>>39 are left.\n#### 39", 39),
    ("The shop sold 1,250 * 2 = <<1250*2=2500>>2,500 pens.\nAt $3 each that is $7,500.\n#### 7,500", 7500),
    ("Half of 7 is 7 / 2 = <<7/2=3.5>>3.5 hours.\n#### 3.5", Fraction(7, 2)),
    ("It fell by 5 and by 8: 10 - 5 - 8 = <<10-5-8=-3>>-3 degrees.\n#### -3", -3),
    ("30 of 60 is 30 / 60 = <<30/60=.5>>.5, which is 50%.\n#### 50", 50),
]


@pytest.mark.parametrize(("solution", "answer"), SOLUTIONS)
def test_a_worked_solution_is_accepted_against_itself_and_its_answer_and_not_when_changed(
    solution: str, answer: Fraction
) -> None:
    assert number(solution, solution).state == "accepted"
    assert number(solution, str(float(answer))).state == "accepted"
    wrong = solution.rpartition("####")[0] + f"#### {float(answer) + 1}"
    assert number(wrong, solution).state == "rejected"


@pytest.mark.parametrize(
    ("response", "reference"),
    [
        ("18", "18"),
        ("The answer is 18.", "18"),
        ("The final answer is: **84**", "84"),
        ("Final answer:\n84", "84"),
        ("\\boxed{18}", "18"),
        ("\\boxed{x = 5}", "5"),
        ("\\boxed{-\\frac{1}{2}}", "-0.5"),
        ("\\boxed{1\\frac{1}{2}}", "1.5"),
        ("<answer> 18 </answer>", "18"),
        ("#### 1,234", "1234"),
        ("It is 1{,}234", "1234"),
        ("3 + 5 = 8", "8"),
        ("The answer is 3 + 5 = 8.", "8"),
        ("The answer to 7 - 9 is -2", "-2"),
        ("5 - 8 = −3", "-3"),
        ("7-9 = -2", "-2"),
        ("= - 2", "-2"),
        ("-$5", "-5"),
        ("The total is $1,234.50.", "1234.5"),
        ("018.00", "18"),
        ("+18", "18"),
        ("3/4", "0.75"),
        ("1 1/2", "1.5"),
        ("2e3", "2000"),
        (".5", "1/2"),
        ("84\n84", "84"),
        ("The answer is 17. No, wait: #### 18", "18"),  # the stronger mark counts
        ("<think>perhaps 5</think>8", "8"),
        ("So 16 - 3 - 4 = 9 eggs (per day)", "9"),
        ("Step 1: 18", "18"),
        ("- 8", "8"),  # a bullet
        ("2.5 million", "2500000"),
        ("$1.2 billion", "1,200,000,000"),
        ("\\boxed{5^\\circ}", "5"),
        ("It is 5!", "5"),
        ("5 in", "5"),
        ("5 x's", "5"),
        ("18 minutes", "18"),  # an m that is no million
        ("The answer is 18 because I counted 3 times", "18"),
        ("the answer is 18, and again the answer is 18.0", "18"),
        ("He has 3 left. The answer is 5 <<2+3=5>>5", "5"),
    ],
)
def test_accepted(response: str, reference: str) -> None:
    assert number(response, reference).state == "accepted"


@pytest.mark.parametrize(
    ("response", "reference"),
    [
        ("1 2 3 4 5", "5"),  # math-verify takes the last
        ("\\boxed{4=5}", "5"),  # math-verify takes the right side
        ("4 = 5", "5"),
        ("18 or 19", "18"),
        ("18 or 19", "19"),
        ("18 or [19]", "19"),
        ("18, 19", "19"),
        ("The answer is 18 or 19", "18"),
        ("The answer is not 5 but 6", "5"),
        ("\\boxed{18} or \\boxed{19}", "19"),
        ("#### 17\n#### 18", "18"),
        ("<answer>17</answer><answer>18</answer>", "18"),
        ("5 + 3", "3"),
        ("8 = 5 + 3", "3"),
        ("7-9", "9"),
        ("7-9", "-9"),
        ("10^5", "5"),
        ("x^5", "5"),
        ("\\boxed{2^{10}}", "10"),
        ("\\boxed{9^9}", "9"),
        ("18 million", "18"),
        ("17–19", "19"),
        ("17...19", "19"),
        ("any of 1–100", "100"),
        ("between 17 and 19", "19"),
        ("17, maybe even 19", "19"),
        ("It is 17. Or 19?", "19"),
        ("4% 5%", "5"),
        ("not 5", "5"),
        ("\\boxed{not 5}", "5"),
        ("The answer is not 5.", "5"),
        ("The answer is more than 5", "5"),
        ("The answer is at least 5", "5"),
        ("\\boxed{5 or more}", "5"),
        ("\\boxed{x > 5}", "5"),
        ("\\boxed{x \\ne 5}", "5"),
        ("\\boxed{\\sqrt{5}}", "5"),
        ("\\boxed{\\sqrt[3]{5}}", "5"),
        ("\\boxed{5\\pi}", "5"),
        ("\\boxed{5x}", "5"),
        ("\\boxed{5!}", "5"),
        ("\\boxed{\\pm 5}", "5"),
        ("\\boxed{\\frac{5}{x}}", "5"),
        ("\\boxed{\\log 5}", "5"),
        ("It is 5√2x", "5"),
        ("5^x", "5"),
        ("3 + 5i", "5"),
        ("\\boxed{5", "5"),  # cut off
        ("<think>5", "5"),  # still thinking
        ("The answer is 5, the answer is 6", "6"),
        ("-8", "8"),
        ("0.33", "1/3"),
        ("18/0", "18"),
        ("5 and then 18/0", "5"),
        ("9" * 101, "9" * 100),
        ("٣", "3"),  # digits are ASCII
        ("", "5"),
        ("none", "5"),
    ],
)
def test_not_accepted(response: str, reference: str) -> None:
    assert number(response, reference).state in ("rejected", "answer_unparsable")


def test_percent_is_a_unit_on_both_sides() -> None:
    assert number("50%", "50").state == number("50", "50%").state == number("50\\%", "50").state == "accepted"
    assert number("50%", "0.5").state == number("0.5", "50%").state == "rejected"


@pytest.mark.parametrize("reference", ["", "abc", "18 or 19", "1 2", "1/0", "#### ", "\\boxed{4=5}", "5 + 3", "x^5"])
def test_a_reference_that_cannot_be_read_never_accepts(reference: str) -> None:
    assert check_reference(reference)
    for response in (reference, "18", "", "5"):
        assert number(response, reference).state == "reference_unparsable"


@settings(deadline=None)
@given(st.text(), st.text())
def test_no_text_makes_it_raise(response: str, reference: str) -> None:
    number(response, reference)


PIECES = [
    "1",
    "2.5",
    "-",
    "=",
    " ",
    "\n",
    "answer is ",
    "#### ",
    "\\boxed{",
    "}",
    "<answer>",
    "</answer>",
    "/",
    "0",
    "^",
    ",",
    "$",
]


@settings(deadline=None, max_examples=300)
@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join), st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_no_heap_of_marks_makes_it_raise_or_accept_an_unreadable_reference(response: str, reference: str) -> None:
    accepted = number(response, reference).state == "accepted"
    assert not (accepted and check_reference(reference))


@given(
    st.integers(-(10**30), 10**30), st.sampled_from(["{}", "The answer is {}.", "#### {:,}", "\\boxed{{{}}}", "= {}", "${:,}"])
)
def test_every_whole_number_is_read_back(value: int, form: str) -> None:
    assert number(form.format(value), str(value)).state == "accepted"
    assert number(form.format(value + 1), str(value)).state == "rejected"


def test_long_texts_take_time_in_proportion() -> None:
    for text in (
        "1 " * 50_000,
        "answer is " * 20_000,
        "\\boxed{" * 20_000,
        "<answer>" * 50_000,
        "####" * 50_000,
        "\\frac{1" * 20_000,
        "1-" * 50_000,
        "= " * 50_000 + "5",
        "answer: 1 " * 20_000,
        "1," * 50_000,
        "not " * 30_000 + "5",
        "{" * 50_000 + "\\boxed{5",
        "1 million " * 20_000,
        "- " * 50_000 + "5",
    ):
        number(text, "5")  # quadratic behaviour would run into pytest's time limit


@settings(deadline=None, max_examples=60)
@given(
    st.integers(-(10**9), 10**9).map(str)
    | st.decimals(-1000, 1000, places=2).map(str)
    | st.sampled_from(["3/7", "#### 1,234", "0"])
)
def test_its_plants_get_the_verdicts_they_should(reference: str) -> None:
    planted = list(plants(reference))
    assert len({plant.right for plant in planted}) == 2
    assert [plant for plant in planted if (number(plant.text, reference).state == "accepted") != plant.right] == []


def test_nothing_is_planted_around_what_cannot_be_read() -> None:
    assert not list(plants("18 or 19"))
