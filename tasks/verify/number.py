"""The `number` verifier: one number against one number, exactly.

Where the answer stands: in the strongest mark that occurs (tasks/verify/answers.py), else the last number of the text.

What a number is: an optional sign (``-``, ``+``, ``−``), digits with optional thousands separators (``1,234``,
``1{,}234``, ``1\\,234``), an optional decimal part, an optional exponent of at most two digits (``2e5``), or a
fraction (``3/4``, ``\\frac{3}{4}``, mixed ``1 1/2``). Values are compared as exact fractions: ``18 = 18.00 = +018``,
``0.5 = 1/2 = 2/4``, but ``0.33 ≠ 1/3``. Currency signs and units beside a number are ignored. **Percent is a unit**:
``50%`` is 50, not 0.5, on both sides, for that is how GSM8K writes its answers. Digits are ASCII. A number of more
than 100 digits, or over zero, cannot be read, and neither can the text that holds it.

What is not accepted: an answer that offers several different numbers ("18 or 19", "1 2 3 4 5", two boxes that
differ), an equation between different numbers (``4=5``), a text that ends in an expression (``5 + 3``). ``x = 5`` and
``3 + 5 = 8`` offer what stands right of the last ``=``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from tasks.verify.answers import after_thinking, marked_answers
from tasks.verify.verdict import Verdict, verifier

_MAX_DIGITS = 100
_DECIMAL = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+"
_NUMBER = re.compile(
    r"(?P<sign>[-+]?)\$?"
    rf"(?:(?:(?P<whole>[0-9]+)[ ]+)?(?P<top>[0-9]+)/(?P<bottom>[0-9]+)"
    rf"|(?P<decimal>{_DECIMAL})(?:[eE](?P<exponent>[-+]?[0-9]{{1,2}})(?![0-9A-Za-z]))?)"
)
_FRACTION = re.compile(r"(?:([0-9])\s*)?\\[dt]?frac\s*\{\s*([0-9]+)\s*\}\s*\{\s*([0-9]+)\s*\}")
_SEPARATORS = re.compile(r"(?<=[0-9])(?:\{,\}|\\,|\\!)(?=[0-9]{3})")
# Between two numbers: nothing but these words and signs, and the two are alternatives or a list.
_LIST = re.compile(r"(?:[\s,;|&*_$(\[\]{]|\b(?:or|and|to)\b)*", re.IGNORECASE)
_OPERATOR = re.compile(r"[\s$()*_]*[-+*/×÷^·][\s$(*]*|:")
_EQUALS = re.compile(r"[\s$*_]*=[\s$*_]*")
_POWER = re.compile(r"\^\s*[({]*$")
_NEAR = 16  # characters before a number that can still say something about its sign


@dataclass(frozen=True)
class Found:
    """A number in a text: its exact value, its spelling (ASCII, without separators), and where it stands."""

    value: Fraction
    spelling: str
    start: int
    end: int


@dataclass(frozen=True)
class Extracted:
    """What a response offers: a number, or (`found` None) the state and reason to give instead."""

    found: Found | None
    state: str = ""
    reason: str = ""


_NONE = Extracted(None, "answer_unparsable", "no readable number in the answer")
_SEVERAL = Extracted(None, "rejected", "offers several different numbers as the answer")
_EXPRESSION = Extracted(None, "answer_unparsable", "ends in an expression, not in a number")


def plain_text(text: str) -> str:
    """`text` with LaTeX fractions, LaTeX thousands separators and the Unicode minus in their plain spelling."""

    def fraction(match: re.Match[str]) -> str:
        return (f"{match[1]} " if match[1] else "") + f"{match[2]}/{match[3]}"  # a digit before it: a mixed number

    return _SEPARATORS.sub(",", _FRACTION.sub(fraction, text.replace("−", "-")))


def numbers_in(text: str) -> list[Found]:
    """Every number in `text` (already `plain_text`), in order; none when one cannot be read (100 digits, n/0)."""
    found = []
    for match in _NUMBER.finditer(text):
        if (value := _value(match)) is None:
            return []
        negative = _is_negative(text, match)
        spelling = "-" * negative + match.group().lstrip("+-$").replace(",", "")
        found.append(Found(-value if negative else value, spelling, match.start(), match.end()))
    return found


def _is_negative(text: str, match: re.Match[str]) -> bool:
    if match["sign"]:
        return match["sign"] == "-" and _is_sign(text, match.start())
    # "= - 2": elsewhere a minus with a space after it is an operator, or a bullet at the start of a line.
    return bool(re.search(r"[=:{]\s*-[ $]*$", text[max(0, match.start() - _NEAR) : match.start()]))


def _is_sign(text: str, start: int) -> bool:
    """Whether the ``-`` or ``+`` at `start` is a sign, and not an operator (``7 -9``, ``x-9``, ``(7)-9``)."""
    near = text[max(0, start - _NEAR) : start]
    before = near.rstrip(" $")[-1:]
    return not (before.isdigit() or before in (")", "}", "%") or near[-1:].isalpha())


def _value(match: re.Match[str]) -> Fraction | None:
    if sum(map(str.isdigit, match.group())) > _MAX_DIGITS:
        return None
    if match["bottom"]:
        if int(match["bottom"]) == 0:
            return None
        return Fraction(int(match["whole"] or 0)) + Fraction(int(match["top"]), int(match["bottom"]))
    return Fraction(match["decimal"].replace(",", "")) * Fraction(10) ** int(match["exponent"] or 0)


def extract(response: str) -> Extracted:
    """The number a response offers as its answer (module docstring: convention). Never raises."""
    text = plain_text(after_thinking(response))
    if (marked := marked_answers(text)) is None:
        return _last_number(text)
    offered = [_only_number(content) for content in marked]
    if any(one.found is None for one in offered):
        return next(one for one in offered if one.found is None)
    return offered[-1] if len({one.found.value for one in offered if one.found}) == 1 else _SEVERAL


def _only_number(content: str) -> Extracted:
    """The one number of a marked answer, right of its last ``=``."""
    *left, right = content.split("=")
    numbers = numbers_in("=" + right if left else right)
    if not numbers:
        return _NONE
    if len({number.value for number in numbers}) > 1 or (len(numbers) > 1 and _OPERATOR.search(right)):
        return _SEVERAL
    if "^" in right:
        return _EXPRESSION
    # "4=5": a side that is nothing but another number.
    alone = [numbers_in(side) for side in left if re.fullmatch(r"[\s$*_(-]*[0-9.,/]+[\s$*_)]*", side)]
    if any(side and side[-1].value != numbers[-1].value for side in alone):
        return _SEVERAL
    return Extracted(numbers[-1])


def _last_number(text: str) -> Extracted:
    """The last number of an unmarked text, unless it is one of a list, or the end of an expression."""
    numbers = numbers_in(text)
    if not numbers:
        return _NONE
    last = following = numbers[-1]
    if _POWER.search(text[max(0, last.start - _NEAR) : last.start]):
        return _EXPRESSION
    for number in reversed(numbers[:-1]):
        between = text[number.end : following.start] + ("-" if _joined(text, following) else "")
        if following is last and _OPERATOR.fullmatch(between):
            return _EXPRESSION
        side = _EQUALS.fullmatch(between.rstrip("- ")) and not _ends_expression(text, number)
        if not side and not _LIST.fullmatch(between):
            break
        if number.value != last.value:
            return _SEVERAL
        following = number
    return Extracted(last)


def _joined(text: str, number: Found) -> bool:
    """Whether the number's first character is an operator between it and what stands before (``7-9``)."""
    return text[number.start] in "+-" and not _is_sign(text, number.start)


def _ends_expression(text: str, number: Found) -> bool:
    """Whether an operator stands before `number`, which then is no side of an equation by itself."""
    before = text[max(0, number.start - _NEAR) : number.start].rstrip(" $(*")
    return _joined(text, number) or before[-1:] in tuple("+-*/×÷^·")


def check_reference(reference: str) -> str:
    """Why `reference` (one plain number, or a marked answer as in GSM8K) cannot be read; empty when it can."""
    text = plain_text(reference)
    if marked_answers(text) is None and (count := len(numbers_in(text))) != 1:
        return f"the reference holds {count} numbers and marks none of them; write one number, or '#### 18'"
    expected = extract(reference)
    return "" if expected.found else f"the reference's answer: {expected.reason}"


@verifier(version="1", check_reference=check_reference)
def number(response: str, reference: str) -> Verdict:
    """Accept a response whose answer equals the reference's number (module docstring: convention). Never raises."""
    if problem := check_reference(reference):
        return Verdict("reference_unparsable", reason=problem)
    expected = extract(reference).found
    assert expected is not None, "check_reference said so"
    offered = extract(response)
    if offered.found is None:
        return Verdict(offered.state, reason=offered.reason)
    if offered.found.value == expected.value:
        return Verdict("accepted", 1.0)
    return Verdict("rejected", reason=f"{offered.found.spelling[:40]} is not {expected.spelling[:40]}")
