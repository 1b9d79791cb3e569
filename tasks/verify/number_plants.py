"""Right and wrong answers around one number, for the self-tests of `number` and `math`."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from tasks.verify.plants import Plant

_RIGHT = (
    ("{0}", "plain"),
    ("{0}.", "plain"),
    ("\n  {0}\n", "white space"),
    ("+{0}", "sign"),
    ("The answer is {0}.", "sentence"),
    ("The final answer is: **{0}**", "sentence"),
    ("the answer is {0} because I counted 3 times", "reasons after it"),
    ("The answer is {0} dollars.", "unit"),
    ("#### {0}", "GSM8K mark"),
    ("First 2 + 2 = 4, and so on.\n#### {0}", "GSM8K mark"),
    ("<answer>{0}</answer>", "answer tag"),
    ("Let me see: 7, then 9.\n<answer> {0} </answer>", "answer tag"),
    ("\\boxed{{{0}}}", "boxed"),
    ("So $x = \\boxed{{{0}}}$.", "boxed"),
    ("$\\boxed{{x = {0}}}$", "equation"),
    ("\\boxed{{{0} \\text{{ apples}}}}", "unit"),
    ("**{0}**", "bold"),
    ("= {0}.", "equation"),
    ("x = {0}", "equation"),
    ("{0}%", "percent"),
    ("{0} dollars", "unit"),
    ("<think>Is it 7? Or 8?</think>{0}", "after thinking"),
    ("I first had 7. No: \\boxed{{{0}}}", "corrected"),
)
_WRONG = (
    ("{0} or {1}", "two numbers"),
    ("{0}, {1}", "two numbers"),
    ("{1} or {0}", "two numbers"),
    ("The answer is {0} or {1}.", "two numbers"),
    ("\\boxed{{{0}}} or \\boxed{{{1}}}", "two boxes"),
    ("\\boxed{{{0}, {1}}}", "list in a box"),
    ("<answer>{0}</answer><answer>{1}</answer>", "two tags"),
    ("#### {1}\n#### {0}", "two marks"),
    ("between {2} and {1}", "range"),
    ("{2}–{0}", "range"),
    ("any number from {2} to {0}", "range"),
    ("{2} {0} {1}", "list"),
    ("\\boxed{{{1} = {0}}}", "false equation"),
    ("{0} + 1", "expression"),
    ("\\boxed{{not {0}}}", "denied"),
    ("The answer is not {0}.", "denied"),
    ("The answer is more than {0}.", "inequality"),
    ("\\boxed{{x > {0}}}", "inequality"),
    ("<think>It is {0}.</think>", "only in thinking"),
    ("<think>It is {0}.", "only in thinking"),
    ("\\boxed{{{0}", "box never closed"),
)


def spelled(value: Fraction) -> str:
    """A number as digits, with a point where its decimals end, else as ``3/7``."""
    for places in range(20):
        scaled = value * 10**places
        if scaled.denominator == 1:
            digits = f"{abs(scaled.numerator):0{places + 1}d}"
            return "-" * (value < 0) + (f"{digits[:-places]}.{digits[-places:]}" if places else digits)
    return f"{value.numerator}/{value.denominator}"


def number_plants(number: Fraction | int) -> Iterator[Plant]:
    """Right answers in odd notations, and wrong ones: beside it, in another unit, several numbers, none."""
    value = Fraction(number)
    right, above, below = (spelled(value + step) for step in (0, 1, -1))
    for form, kind in _RIGHT:
        if not (form.startswith("+") and value < 0):
            yield Plant(form.format(right), True, kind)
    sign, size = "-" * (value < 0), abs(value)
    yield Plant(f"{sign}\\frac{{{2 * size.numerator}}}{{{2 * size.denominator}}}", True, "fraction not reduced")
    yield Plant(f"The total is {sign}${spelled(size)}.", True, "currency")
    if value.denominator == 1:
        yield Plant(f"{right}.00", True, "decimals")
        yield Plant(f"\\boxed{{{int(value):,}}}".replace(",", "{,}"), True, "thousands separators")
        yield Plant(f"#### {int(value):,}", True, "thousands separators")
    for form, kind in _WRONG:
        yield Plant(form.format(right, above, below), False, kind)
    others = {"off by one": (above, below), "sign": (spelled(-value),), "ten times": (spelled(value * 10), spelled(value / 10))}
    others["another unit"] = tuple(spelled(value * factor) for factor in (100, 1000, 60, Fraction(1, 100), Fraction(1, 1000)))
    for kind, wrong in others.items():
        for text in dict.fromkeys(wrong):
            if text != right:
                yield Plant(f"The answer is {text}.", False, kind)
                yield Plant(f"\\boxed{{{text}}}", False, kind)
