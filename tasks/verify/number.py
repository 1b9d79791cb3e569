"""The `number` verifier: one number against one number, exactly.

Where the answer stands: in the strongest mark that occurs (tasks/verify/answers.py), else the last number of the text.

What a number is: an optional sign (``-``, ``+``, ``−``), digits with optional thousands separators (``1,234``,
``1{,}234``, ``1\\,234``), an optional decimal part, an optional exponent of at most two digits (``2e5``), or a
fraction (``3/4``, ``\\frac{3}{4}``, mixed ``1 1/2``). Values are compared as exact fractions: ``18 = 18.00 = +018``,
``0.5 = 1/2 = 2/4``, but ``0.33 ≠ 1/3``. Currency signs and units beside a number are ignored. **Percent is a unit**:
``50%`` is 50, not 0.5, on both sides, for that is how GSM8K writes its answers. A word of scale is a factor: "2.5
million" is 2500000. Digits are ASCII. A number of more than 100 digits, or over zero, cannot be read, and neither can
the text that holds it. "minus" and "negative" are signs.

What is not accepted: an answer that offers several different numbers ("18 or 19", "17–19", "1 2 3 4 5", two boxes that
differ), that says which number it is not ("not 18", "18 is wrong", "more than 18", ``x > 18``) or only about which ("about
18", "18?"), an equation between different numbers (``4=5``), an expression (``5 + 3``, "half of 5", ``\\sqrt{5}``, ``5\\pi``,
``5x``, ``5²``, "5k", a boxed ``5!``), a box that is never closed. ``x = 5`` and ``3 + 5 = 8`` offer what stands right of the
last ``=``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from tasks.verify.answers import after_thinking, marked_answers
from tasks.verify.denials import denied, vague
from tasks.verify.number_plants import number_plants
from tasks.verify.plants import Plant
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
_DEGREES = re.compile(r"\^\s*(?:\\circ(?![A-Za-z])|\{\s*\\circ\s*\})")
_DASH_SIGN = re.compile(r"(?<![^\s=:({$*])[–﹣－](?=\$?[.0-9])")
_SCALES = {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_SCALE = re.compile(r"[ ~]?(?:\\text\{ ?)?(hundred|thousand|million|billion|trillion)s?\b", re.IGNORECASE)
_BEFORE_SCALE = frozenset(" ~\\tTmMbBhH")
# Between two numbers: nothing but these words and signs, and the two are alternatives, a range or a list.
_LIST = re.compile(
    r"(?:[\s,;|&*_$(\[\]{%\\–—]|[.?!]\s+(?=or\b)|\.{2,}|…|\b(?:or|and|to|through|up|even|maybe|perhaps|possibly|else)\b)*",
    re.IGNORECASE,
)
_WORD_OPERATOR = r"(?:plus|minus|times|divided by|multiplied by|over)\b"
_OPERATOR = re.compile(rf"[\s$()*_]*(?:[-+*/×÷^·]|\b{_WORD_OPERATOR}|\\(?:times|cdot|div))[\s$(*]*|:")
# Before a number: an operator, whose result is what comes next. A star is one beside a word, else it makes words bold.
_OPERATOR_BEFORE = re.compile(rf"(?:[-–+/×÷^·]|[0-9]x|[\w)}}%]\s*\*|\\(?:times|cdot|div)|\b(?:x|of|{_WORD_OPERATOR}))[\s$(]*$")
_EQUALS = re.compile(r"[\s$*_]*=[\s$*_]*")
_POWER = re.compile(r"\^\s*[({]*$")
_NEAR = 16  # characters before a number that can still say something about its sign
_SIGN_BEFORE = re.compile(r"(?:[=:{]\s*-[ $]*|\b(?:minus|negative) \$?)$", re.IGNORECASE)
# "x > 18" without a mark around it; not the > of a quoted line, of <b>18 or of >>18.
_BOUND_BEFORE = re.compile(r"(?:[≤≥]|(?<!<)<=?|(?<=[\w)] )>=?|\\(?:leq?|geq?|lt|gt)(?![A-Za-z]))[\s$]*$")
# A number that these stand beside is a part of an expression.
_ROOT_BEFORE = re.compile(r"(?:\\(?:sqrt(?:\[[^\]]*\])?|log|ln|sin|cos|tan|exp|pm)|√|±|\bsqrt)[\s{(]*$")
_FACTOR_AFTER = re.compile(
    r"[\s)}]*(?:[\^π√²³¹⁰⁴-⁹₀-₉½⅓⅔¼¾]|\\(?:pi|sqrt|cdot|times|div|infty|log|ln|sin|cos|tan|exp|pm)(?![A-Za-z])"
    rf"|±|\+/-|(?:squared|cubed|factorial|and an? (?:half|third|quarter)|{_WORD_OPERATOR})\b)"
    r"|\s?[inxyz](?![A-Za-z'’])|\s?(?:[kK]|bn)(?![A-Za-z])|[MB](?![A-Za-z])|(?<!\*)_\{?[0-9]|\d"  # \d: not ASCII
)
# Not << and >>: GSM8K's calculator marks.
_INEQUALITY = re.compile(r"(?<!<)<(?!<)|(?<!>)>(?!>)|[≤≥≠]|!=|\\(?:leq?|geq?|neq?|lt|gt)(?![A-Za-z])")


@dataclass(frozen=True)
class Found:
    """A number in a text: its exact value, its spelling (ASCII, without separators), and where it stands."""

    value: Fraction | int
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
_NOT_THIS = Extracted(None, "answer_unparsable", "says which number it is not, is near, or is more or less than")
_ACCEPTED = Verdict("accepted", 1.0)


def plain_text(text: str) -> str:
    """`text` with LaTeX fractions, thousands separators and degrees, and the Unicode minus, in their plain spelling."""

    text = text.replace("−", "-")
    if "–" in text or "﹣" in text or "－" in text:
        text = _DASH_SIGN.sub("-", text)
    if "\\" not in text and "{,}" not in text:
        return text

    def fraction(match: re.Match[str]) -> str:
        return (f"{match[1]} " if match[1] else "") + f"{match[2]}/{match[3]}"  # a digit before it: a mixed number

    return _SEPARATORS.sub(",", _FRACTION.sub(fraction, _DEGREES.sub("°", text)))


def numbers_in(text: str) -> list[Found]:
    """Every number in `text` (already `plain_text`), in order; none when one cannot be read (100 digits, n/0)."""
    found = []
    for match in _NUMBER.finditer(text):
        if (value := _value(match)) is None:
            return []
        negative = _is_negative(text, match)
        spelling, end = match.group().lstrip("+-$").replace(",", ""), match.end()
        # Its first letter first: most numbers have no word of scale after them.
        if text[end : end + 1] in _BEFORE_SCALE and (scale := _SCALE.match(text, end)):
            value *= _SCALES[scale[1].lower()]
            spelling, end = str(value), scale.end()
        found.append(Found(-value if negative else value, "-" * negative + spelling, match.start(), end))
    return found


def _is_negative(text: str, match: re.Match[str]) -> bool:
    if sign := match["sign"]:
        return sign == "-" and _is_sign(text, match.start())
    # "= - 2": elsewhere a minus with a space after it is an operator, or a bullet at the start of a line.
    return bool(_SIGN_BEFORE.search(text[max(0, match.start() - _NEAR) : match.start()]))


def _is_sign(text: str, start: int) -> bool:
    """Whether the ``-`` or ``+`` at `start` is a sign, and not an operator (``7 -9``, ``x-9``, ``(7)-9``)."""
    near = text[max(0, start - _NEAR) : start]
    before = near.rstrip(" $")[-1:]
    return not (before.isdigit() or before in (")", "}", "%") or near[-1:].isalpha())


def _value(match: re.Match[str]) -> Fraction | int | None:
    if len(text := match.group()) > _MAX_DIGITS and sum(map(str.isdigit, text)) > _MAX_DIGITS:
        return None
    _, whole, top, bottom, decimal, exponent = match.groups()
    if bottom:
        return Fraction(int(whole or 0)) + Fraction(int(top), int(bottom)) if int(bottom) else None
    digits, point, decimals = decimal.replace(",", "").partition(".")
    if not (point or exponent):
        return int(digits)
    return Fraction(int(digits + decimals), 10 ** len(decimals)) * Fraction(10) ** int(exponent or 0)


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
    if _INEQUALITY.search(content):
        return _NOT_THIS
    *left, right = content.split("=")
    right = "=" + right if left else right
    numbers = numbers_in(right)
    if not numbers:
        return _NONE
    if len({number.value for number in numbers}) > 1 or (len(numbers) > 1 and _OPERATOR.search(right)):
        return _SEVERAL
    if "^" in right or "!" in right[numbers[-1].end : numbers[-1].end + 1] or "\\frac" in right:
        return _EXPRESSION
    # "4=5": a side that is nothing but another number.
    alone = [numbers_in(side) for side in left if re.fullmatch(r"[\s$*_(-]*[0-9.,/]+[\s$*_)]*", side)]
    if any(side and side[-1].value != numbers[-1].value for side in alone):
        return _SEVERAL
    return _alone(right, numbers[-1])


def _alone(text: str, number: Found) -> Extracted:
    """`number`, unless what stands right beside it says that it is not the answer, or only a part of it."""
    if _is_denied(text, number):
        return _NOT_THIS
    before = text[max(0, number.start - _NEAR) : number.start]
    return _EXPRESSION if _ROOT_BEFORE.search(before) or _FACTOR_AFTER.match(text, number.end) else Extracted(number)


def _is_denied(text: str, number: Found) -> bool:
    """Whether what stands right beside `number` says that it is not the answer."""
    bound = _BOUND_BEFORE.search(text[max(0, number.start - _NEAR) : number.start])
    return bool(bound) or denied(text, number.start, number.end) or vague(text, number.start)


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
    return _alone(text, last)


def _joined(text: str, number: Found) -> bool:
    """Whether the number's first character is an operator between it and what stands before (``7-9``)."""
    return text[number.start] in "+-" and not _is_sign(text, number.start)


def _ends_expression(text: str, number: Found) -> bool:
    """Whether an operator stands before `number`, which then is no side of an equation by itself."""
    before = text[max(0, number.start - _NEAR) : number.start]
    return _joined(text, number) or _OPERATOR_BEFORE.search(before) is not None


@lru_cache(maxsize=4096)  # the answers to one prompt come one after the other
def _expected(reference: str) -> Found | str:
    """The reference's number, or why it cannot be read."""
    text = plain_text(reference)
    if marked_answers(text) is None and (count := len(numbers_in(text))) != 1:
        return f"the reference holds {count} numbers and marks none of them; write one number, or '#### 18'"
    expected = extract(reference)
    return expected.found or f"the reference's answer: {expected.reason}"


def check_reference(reference: str) -> str:
    """Why `reference` (one plain number, or a marked answer as in GSM8K) cannot be read; empty when it can."""
    expected = _expected(reference)
    return expected if isinstance(expected, str) else ""


def plants(reference: str) -> Iterator[Plant]:
    """The reference's number in odd notations, and what is beside it."""
    expected = _expected(reference)
    if isinstance(expected, str):
        return
    yield from number_plants(expected.value)


@verifier(version="3", check_reference=check_reference, plants=plants)
def number(response: str, reference: str) -> Verdict:
    """Accept a response whose answer equals the reference's number (module docstring: convention). Never raises."""
    expected = _expected(reference)
    if isinstance(expected, str):
        return Verdict("reference_unparsable", reason=expected)
    offered = extract(response)
    if offered.found is None:
        return Verdict(offered.state, reason=offered.reason)
    if offered.found.value == expected.value:
        return _ACCEPTED
    return Verdict("rejected", reason=f"{offered.found.spelling[:40]} is not {expected.spelling[:40]}")
