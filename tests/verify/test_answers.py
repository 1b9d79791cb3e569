"""Where the answer stands: what was only thought, what begins to work an answer out, and what takes a mark back."""

from __future__ import annotations

import pytest

from tasks.verify.answers import after_thinking, marked_answers

THOUGHTS = ("<think>{}</think>", "<thinking>{}</thinking>", "<THINK>{}</THINK>", "<thought>{}</thought>", "[THINK]{}[/THINK]")
THOUGHTS += ("<reasoning>{}</reasoning>", "◁think▷{}◁/think▷", "<|begin_of_thought|>{}<|end_of_thought|>")


@pytest.mark.parametrize("form", THOUGHTS)
def test_thinking_is_no_part_of_the_answer(form: str) -> None:
    thought = form.format("18")
    assert after_thinking(thought) == ""
    assert after_thinking(f"{thought}19") == "19"
    assert after_thinking(f"{thought}19{form.partition('{}')[0]}20") == "19"
    assert after_thinking("[a] < b") == "[a] < b"


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("To find the answer, we compute: 16 - 7 = 9 eggs. Then 9 * 2 = 18.", None),
        ("To get the answer: 16 - 7 = 9. Then 9 * 2 = 18.", None),
        ("The answer can be found as follows: 16 - 7 = 9.", None),
        ("Answer the first part: 9 eggs.", None),
        ("The wrong answer is 9.", None),
        ("Final Answer: The final answer is 18. I hope it is correct.", ["18"]),
        ("The answer to the question is 18.", ["18"]),
        ("The answer is 17, the answer is 18.", ["17, the ", "18"]),
        ("The answer is 18?", ["18?"]),
        ("It is not \\boxed{18}, but \\boxed{19}", ["not 18", "19"]),
        ("It isn't $\\boxed{18}$", ["not 18"]),
    ],
)
def test_what_marks_an_answer(text: str, marked: list[str] | None) -> None:
    assert marked_answers(text) == marked
