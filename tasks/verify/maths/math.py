"""The `math` verifier: one mathematical answer against another, by math-verify with guards.

The convention is the table in MATH.md, each row of which is a test. Where the answer stands: the strongest mark that occurs
(tasks/verify/answers.py); else the last formula between LaTeX delimiters, with those that "or", "and" or a comma put beside
it, unless the words beside it deny it (tasks/verify/denials.py); else, where the reference is a plain number, the
number that the `number` verifier finds; else the whole text. The reference is read the same way: plain, LaTeX, ``\\boxed{…}``
or a worked solution that ends in ``#### 18``.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import version

from tasks.verify.answers import after_thinking, marked_answers
from tasks.verify.denials import denied, vague
from tasks.verify.maths.equality import expression, same, settled
from tasks.verify.maths.forms import MOST_PARTS, Form, read
from tasks.verify.maths.notation import UnreadableError
from tasks.verify.maths.plants import form_plants
from tasks.verify.maths.units import BASE
from tasks.verify.number import extract
from tasks.verify.plants import Plant
from tasks.verify.verdict import Verdict, verifier

_FORMULA = re.compile(
    r"\$\$(.+?)\$\$|\\\[(.+?)\\\]|\\\((.+?)\\\)|(?<![\\$])\$(?![\s$])([^$\n]+?)(?<![\s\\])\$(?![0-9])", re.DOTALL
)
_JOINED = re.compile(r"[\s,;]*(?:\b(?:or|and)\b)?\s*", re.IGNORECASE)
_NEAR = 24  # characters before a formula that can hold its sign in words
_SIGNED = re.compile(r"\b(?:minus|negative)\s*$", re.IGNORECASE)
_DIGIT, _WORD = re.compile("[0-9]"), re.compile(r"\w")
_WRAPPED = re.compile(r"\s*\\(?:boxed|fbox)\s*\{(.*)\}\s*", re.DOTALL)
_STRONG = re.compile(r"<answer>|\\(?:boxed|fbox)\{|####", re.IGNORECASE)


def _marked(text: str, telling: re.Pattern[str] = _DIGIT) -> list[str] | None:
    marked = marked_answers(text, telling)
    return [_WRAPPED.sub(r"\1", offered) for offered in marked] if marked else None


def _formula(text: str) -> str:
    """The last formula of `text` between LaTeX delimiters, with those listed beside it, unless a number comes after it; else
    "" (then it is prose). Raises `UnreadableError` when the words beside it deny it."""
    found = deque(_FORMULA.finditer(text), maxlen=MOST_PARTS)
    if not found or re.search("[0-9]", text[found[-1].end() :]):
        return ""
    last = found.pop()
    if denied(text, last.start(), last.end()) or vague(text, last.start()) or _SIGNED.search(text[: last.start()][-_NEAR:]):
        raise UnreadableError("the words beside the last formula say that it is not, or only near, the answer")
    listed = [last]
    while found and _JOINED.fullmatch(text, found[-1].end(), listed[0].start()):
        listed.insert(0, found.pop())
    return ", ".join("".join(filter(None, one.groups())) for one in listed)


@lru_cache(maxsize=1024)
def _reference(text: str) -> Form:
    text = after_thinking(text)
    forms = [read(offered) for offered in _marked(text) or [_formula(text) or text]]
    for form in forms:
        for part in (form, *form.parts):
            if part.kind == "chain" and any(side.scalar.letters for side in part.parts):
                raise UnreadableError("it is a chain of equations; write its last side")
    forms = [settled(form) for form in forms]
    if any(form != forms[0] and form.scalar.number != forms[0].scalar.number for form in forms):
        raise UnreadableError("it marks several different answers")
    return forms[0]


def check_reference(reference: str) -> str:
    """Why `reference` cannot be compared with; empty when it can."""
    try:
        _check(_reference(reference))
    except (UnreadableError, RecursionError) as error:
        return f"the reference cannot be read: {error}"
    return ""


def _check(form: Form) -> None:
    if form.scalar.latex and form.scalar.number is None:
        value = expression(form.scalar.latex)
        if value.has(*_undefined()):
            raise UnreadableError("it has no value")
    for part in form.parts:
        _check(part)


def _undefined() -> tuple[object, ...]:
    import sympy

    return sympy.nan, sympy.zoo


def plants(reference: str) -> Iterator[Plant]:
    """The reference's answer in odd notations, and what is beside it (tasks/verify/maths/plants.py)."""
    if not check_reference(reference):
        yield from form_plants(_reference(reference))


@verifier(version=f"2+math-verify-{version('math-verify')}", check_reference=check_reference, plants=plants)
def math(response: str, reference: str) -> Verdict:
    """Accept a response whose answer is the reference by the convention of MATH.md. Never raises."""
    if problem := check_reference(reference):
        return Verdict("reference_unparsable", reason=problem)
    try:
        return _verdict(response, _reference(reference))
    except (UnreadableError, RecursionError) as error:
        return Verdict("answer_unparsable", reason=str(error))


def _verdict(response: str, expected: Form) -> Verdict:
    text = after_thinking(response)
    plain = expected.kind == "value" and expected.scalar.number is not None
    marked = _marked(text, _DIGIT if plain else _WORD)
    strong = bool(marked) and _STRONG.search(text) is not None
    try:
        return _compared(marked or [_formula(text) or text], expected, plain)
    except UnreadableError:
        if not strong and not plain and marked and (formula := _formula(text)):  # "the answer is the fraction $…$"
            return _compared([formula], expected, plain)
        if strong or not plain:
            raise
    found = extract(text).found  # prose around a plain number
    if found is None:
        return Verdict("answer_unparsable", reason="no readable number in the answer")
    return _compared([found.spelling], expected, plain)


def _compared(answers: list[str], expected: Form, plain: bool) -> Verdict:
    for answer in answers:
        form = settled(read(answer))
        if plain and form.unit.startswith(BASE) and not expected.unit.startswith(BASE):
            return Verdict("rejected", reason="the answer is written in another base")
        if plain and form.kind == "value" and form.scalar.number is None:
            return Verdict("rejected", reason="the reference is a plain number, and the answer is none")
        if not same(expected, form):
            return Verdict("rejected", reason=f"{answer[:60]} is not the reference's answer")
    return Verdict("accepted", 1.0)
