"""The `math` verifier: one mathematical answer against another, by math-verify with guards.

The convention is the table in MATH.md, each row of which is a test. Where the answer stands: the strongest mark that occurs
(tasks/verify/answers.py); else the last formula between LaTeX delimiters; else, where the reference is a plain number, the
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
from tasks.verify.maths.equality import expression, same, settled
from tasks.verify.maths.forms import Form, read
from tasks.verify.maths.notation import UnreadableError
from tasks.verify.maths.plants import form_plants
from tasks.verify.number import extract
from tasks.verify.plants import Plant
from tasks.verify.verdict import Verdict, verifier

_FORMULA = re.compile(
    r"\$\$(.+?)\$\$|\\\[(.+?)\\\]|\\\((.+?)\\\)|(?<![\\$])\$(?![\s$])([^$\n]+?)(?<![\s\\])\$(?![0-9])", re.DOTALL
)
_WRAPPED = re.compile(r"\s*\\(?:boxed|fbox)\s*\{(.*)\}\s*", re.DOTALL)
_STRONG = re.compile(r"<answer>|\\(?:boxed|fbox)\{|####", re.IGNORECASE)


def _marked(text: str) -> list[str] | None:
    marked = marked_answers(text)
    return [_WRAPPED.sub(r"\1", offered) for offered in marked] if marked else None


def _formula(text: str) -> str:
    """The last formula of `text` between LaTeX delimiters, unless a number comes after it; else "" (then it is prose)."""
    found = deque(_FORMULA.finditer(text), maxlen=1)
    if not found or re.search("[0-9]", text[found[0].end() :]):
        return ""
    return "".join(filter(None, found[0].groups()))


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


@verifier(version=f"1+math-verify-{version('math-verify')}", check_reference=check_reference, plants=plants)
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
    marked = _marked(text)
    strong = bool(marked) and _STRONG.search(text) is not None
    try:
        return _compared(marked or [_formula(text) or text], expected, plain)
    except UnreadableError:
        if strong or not plain:
            raise
    found = extract(text).found  # prose around a plain number
    if found is None:
        return Verdict("answer_unparsable", reason="no readable number in the answer")
    return _compared([found.spelling], expected, plain)


def _compared(answers: list[str], expected: Form, plain: bool) -> Verdict:
    for answer in answers:
        form = settled(read(answer))
        if plain and form.kind == "value" and form.scalar.number is None:
            return Verdict("rejected", reason="the reference is a plain number, and the answer is none")
        if not same(expected, form):
            return Verdict("rejected", reason=f"{answer[:60]} is not the reference's answer")
    return Verdict("accepted", 1.0)
