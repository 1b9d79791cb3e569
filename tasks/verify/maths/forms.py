"""The form of an answer: one value, a list, something in brackets, an interval, a matrix, a relation, or words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from tasks.verify.maths.notation import GREEK, UnreadableError, tokens_of
from tasks.verify.maths.scalars import NO_SCALAR, Scalar, closing, scalar
from tasks.verify.maths.units import split_unit

MOST_PARTS = 24
_OPENING = ("(", "[", "{", r"\{", r"\langle", r"\matrix")
_CLOSING = (")", "]", "}", r"\}", r"\rangle", r"\endmatrix")
_FLIPPED = {"<": ">", ">": "<", r"\le": r"\ge", r"\ge": r"\le"}
_ENDS = ("()", "(]", "[)", "[]")
_RELATIONS = ("=", r"\ne", "<", ">", r"\le", r"\ge")
_NAME = re.compile(
    r"(?:\|?(?:\\?[A-Za-z]+|\\text\{[^}]*\})(?:_\{?[A-Za-z0-9]+\}?)?)+'*(?:\^\{-1\}|\^\(-1\))?(?:\([A-Za-z0-9]+(?:,[A-Za-z0-9]+)*\))?\|?"
)
_NEARLY = re.compile(r"\\approx(?![A-Za-z])|≈")
_NAMES = re.compile(r"\([A-Za-z](?:,[A-Za-z])*\)")


@dataclass(frozen=True)
class Form:
    """A read answer.

    Attributes:
        kind: ``value``, ``list`` (the order does not matter), ``union`` (of intervals), ``matrix``, ``row``, the two
            brackets of a tuple or interval (``()``, ``[)`` …), ``equation``, ``<``, ``<=`` or ``words``.
        parts: what a list, union, matrix, row or bracket holds.
        scalar: the value; for a relation, its left side minus its right side.
        words: the words, in lower case; empty for the other kinds.
        unit: the unit beside a value, in one spelling.
        name: what the answer says it is the value of (``x = 5``).
    """

    kind: str
    parts: tuple[Form, ...] = ()
    scalar: Scalar = NO_SCALAR
    words: str = ""
    unit: str = ""
    name: str = ""


@lru_cache(maxsize=4096)
def read(text: str) -> Form:
    """The form of one answer text, marks and prose already taken away.

    Raises:
        UnreadableError: no form fits, or more than one.
    """
    exact, *near = _NEARLY.split(text)
    if near and exact.strip():  # \frac{1}{3} \approx 0.333: the value, and then what it is near
        text = exact
    tokens = tokens_of(text.strip(' \n\t\r*`":').rstrip(' \n\t\r*`".'))
    if tokens[-1:] == [","]:
        tokens = tokens[:-1]
    return _form(tokens)


def _form(tokens: list[str]) -> Form:
    if words := _words(tokens):
        return Form("words", words=words)
    parts = _split(tokens, (",", ";"))
    if len(parts) > 1:
        return _list(parts)
    if any(token in _RELATIONS for token in tokens):
        return _relation(tokens)
    if r"\in" in tokens:
        name, place = "".join(tokens[: tokens.index(r"\in")]), tokens.index(r"\in")
        return replace(_form(tokens[place + 1 :]), name=name)
    if r"\cup" in tokens:
        return Form("union", tuple(_form(part) for part in _split(tokens, (r"\cup",))))
    if r"\pm" in tokens or r"\mp" in tokens:
        signs = ({r"\pm": "+", r"\mp": "-"}, {r"\pm": "-", r"\mp": "+"})
        return Form("list", tuple(_form([sign.get(token, token) for token in tokens]) for sign in signs))
    if tokens in ([r"\emptyset"], [r"\{", r"\}"]):
        return Form("list")
    if tokens == [r"\RR"]:
        return Form("()", (_value(["-", r"\infty"]), _value([r"\infty"])))
    return _bracketed(tokens) or _value(tokens)


def _words(tokens: list[str]) -> str:
    """The words of an answer that is nothing but words, without brackets, in lower case."""
    inner = [token for token in tokens if token not in ("(", ")", ",", "'", "-", ":", ".", "!")]
    if (
        inner
        and all(token.startswith(r"\text") or token.isalpha() for token in inner)
        and any(t.startswith(r"\text") for t in inner)
    ):
        return " ".join(
            re.sub(r"[^\w\s]", " ", " ".join(t[6:-1] if t.startswith(r"\text") else t for t in inner)).lower().split()
        )
    return ""


def _value(tokens: list[str]) -> Form:
    value, unit = split_unit(tokens)
    while value[:1] == ["("] and closing(value, 0) == len(value) - 1:
        value = value[1:-1]
    return Form("value", scalar=scalar(value), unit=unit)


def _split(tokens: list[str], separators: Sequence[str]) -> list[list[str]]:
    """`tokens` cut at the separators outside all brackets. Raises `UnreadableError` for brackets that do not pair."""
    parts: list[list[str]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token in _OPENING) - (token in _CLOSING)
        if depth < 0:
            raise UnreadableError("a bracket closes that was never opened")
        if depth == 0 and token in separators:
            parts.append([])
        else:
            parts[-1].append(token)
    if depth:
        raise UnreadableError("a bracket is never closed")
    if len(parts) > MOST_PARTS:
        raise UnreadableError(f"a list of over {MOST_PARTS} parts")
    return parts


def _list(parts: list[list[str]]) -> Form:
    forms = tuple(_form(part) for part in parts)
    if forms[0].name and not any(form.name for form in forms[1:]):  # x = 1, 2
        forms = tuple(replace(form, name=forms[0].name) for form in forms)
    if any(form.kind == "list" for form in forms):  # x = 0, \pm 1
        forms = tuple(inner for form in forms for inner in (form.parts if form.kind == "list" else (form,)))
    if len(forms) > 1 and all(form.name and form.kind in _ENDS for form in forms):  # x < 1 or x > 3
        return Form("union", forms, name=forms[0].name)
    return Form("list", forms)


def _bracketed(tokens: list[str]) -> Form | None:
    """A set, tuple, interval or matrix, when the first bracket closes last; None otherwise."""
    if len(tokens) < 2 or not _encloses(tokens):
        return None
    if tokens[1] == r"\matrix" and closing(tokens, 1) == len(tokens) - 2:
        tokens = tokens[1:-1]
    if tokens[0] == r"\matrix":
        rows = [row for row in _split(tokens[1:-1], (r"\newrow",)) if row]
        return Form("matrix", tuple(Form("row", tuple(_form(cell) for cell in _split(row, ("&",)))) for row in rows))
    if tokens[0] == "{":
        return _form(tokens[1:-1])
    inner = tokens[1:-1]
    parts = _split(inner, (",", ";"))
    if tokens[0] == r"\{":
        return _list(parts) if len(parts) > 1 else _form(inner)
    if len(parts) == 1 and tokens[0] == "(":
        return _form(inner) if any(token in inner for token in (r"\pm", "=")) else None
    brackets = {r"\langle": "(", r"\rangle": ")"}
    kind = brackets.get(tokens[0], tokens[0]) + brackets.get(tokens[-1], tokens[-1])
    return Form(kind, tuple(_form(part) for part in parts))


def _encloses(tokens: list[str]) -> bool:
    """Whether the first token is a bracket that the last one closes."""
    depth = 0
    for index, token in enumerate(tokens):
        depth += (token in _OPENING) - (token in _CLOSING)
        if depth <= 0:
            return index > 0 and index == len(tokens) - 1
    return False


def _relation(tokens: list[str]) -> Form:
    sides = _split(tokens, _RELATIONS)
    signs = [token for token in tokens if token in _RELATIONS]
    if len(sides) != len(signs) + 1 or not all(sides[1:]):
        raise UnreadableError("a relation without both its sides")
    if set(signs) == {"="}:
        return _equation(sides)
    if len(sides) == 2 and signs == [r"\ne"]:
        value, low, high = _value(sides[1]), _value(["-", r"\infty"]), _value([r"\infty"])
        if not _is_name(sides[0]):
            raise UnreadableError("a ≠ whose left side is no name")
        return Form("union", (Form("()", (low, value)), Form("()", (value, high))), name=_name(sides[0]))
    if r"\ne" in signs or "=" in signs:
        raise UnreadableError("a chain of different relations")
    return _interval(sides, signs) or _inequality(sides, signs)


def _equation(sides: list[list[str]]) -> Form:
    """``x = 5``: the value, with its name; ``3 + 2 = 5``: the value; other equations: left minus right."""
    names = 0
    while names < len(sides) - 1 and (not sides[names] or _is_name(sides[names])):
        names += 1
    values = sides[names:]
    name = _name(sides[0]) if names else ""
    if len(values) == 1:
        return replace(_form(values[0]), name=name)
    forms = [_value(side) for side in values]
    if names or not any(form.scalar.letters for form in forms):
        return Form("chain", tuple(forms), name=name)
    if len(values) > 2:
        raise UnreadableError("a chain of equations")
    return Form("equation", scalar=_difference(values[0], values[1]))


def _difference(left: list[str], right: list[str]) -> Scalar:
    return scalar(["(", *left, ")", "-", "(", *right, ")"])


def _interval(sides: list[list[str]], signs: list[str]) -> Form | None:
    """``a < x <= b`` and ``x > a`` as the interval they say; None for other inequalities."""
    if signs[0] in (">", r"\ge"):
        sides, signs = sides[::-1], [_FLIPPED[sign] for sign in signs[::-1]]
    if any(sign in (">", r"\ge") for sign in signs):
        raise UnreadableError("an inequality that runs both ways")
    ends = {"<": "()", r"\le": "[]"}
    minus, plus = _value(["-", r"\infty"]), _value([r"\infty"])
    if len(sides) == 3 and _is_name(sides[1]):
        return Form(ends[signs[0]][0] + ends[signs[1]][1], (_value(sides[0]), _value(sides[2])), name=_name(sides[1]))
    if len(sides) == 2 and _is_name(sides[0]) and not _is_name(sides[1]):
        return Form("(" + ends[signs[0]][1], (minus, _value(sides[1])), name=_name(sides[0]))
    if len(sides) == 2 and _is_name(sides[1]) and not _is_name(sides[0]):
        return Form(ends[signs[0]][0] + ")", (_value(sides[0]), plus), name=_name(sides[1]))
    return None


def _inequality(sides: list[list[str]], signs: list[str]) -> Form:
    if len(sides) != 2:
        raise UnreadableError("a chain of inequalities whose middle is no name")
    flip = signs[0] in (">", r"\ge")
    left, right = sides[::-1] if flip else sides
    return Form("<" if signs[0] in ("<", ">") else "<=", scalar=_difference(left, right))


def _is_name(tokens: list[str]) -> bool:
    """Whether a side names what is asked for, and computes nothing: ``x``, ``f(x)``, ``AB``, ``\\text{the area}``."""
    text = "".join(tokens)
    commands = [token[1:] for token in tokens if token[0] == "\\" and not token.startswith(r"\text")]
    constants = {r"\pi", r"\infty", r"\emptyset", r"\RR"} & set(tokens) or tokens in (["e"], ["i"])
    return (
        bool(_NAME.fullmatch(text) or _NAMES.fullmatch(text))
        and not constants
        and all(command in GREEK for command in commands)
    )


def _name(tokens: list[str]) -> str:
    return re.sub(r"\\text\{([^}]*)\}", r"\1", "".join(tokens)).replace(" ", "")
