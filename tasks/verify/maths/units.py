"""Units beside a value: found, named in one way, and set apart."""

from __future__ import annotations

import re

from tasks.verify.maths.notation import FUNCTIONS, UnreadableError

_CURRENCY = (r"\$", "€", "£")
_SYNONYMS = {
    "dollar": r"\$", "usd": r"\$", "buck": r"\$", "euro": "€", "eur": "€", "pound sterling": "£", "percent": r"\%",
    "per cent": r"\%", "percentage": r"\%", "pct": r"\%", "%": r"\%", "degree": r"\degree", "deg": r"\degree",
    "meter": "m", "metre": "m",
    "centimeter": "cm", "centimetre": "cm", "millimeter": "mm", "millimetre": "mm", "kilometer": "km", "kilometre": "km",
    "inche": "in", "inch": "in", "feet": "ft", "foot": "ft", "yard": "yd", "mile": "mi", "gram": "g", "kilogram": "kg",
    "milligram": "mg", "ounce": "oz", "lb": "pound", "lbs": "pound", "liter": "l", "litre": "l", "L": "l", "milliliter": "ml",
    "millilitre": "ml", "mL": "ml", "second": "s", "sec": "s", "minute": "min", "hour": "h", "hr": "h", "yr": "year",
    "mi per h": "mph", "mi/h": "mph", "km per h": "km/h", "km/hr": "km/h", "m per s": "m/s", "people": "person", "men": "man",
    "women": "woman", "children": "child", "cc": "cm^3",
}  # fmt: skip
_SCALES = {"thousand": "3", "million": "6", "billion": "9", "trillion": "12"}
_POWERS = {"square": "^2", "sq": "^2", "squared": "^2", "cubic": "^3", "cubed": "^3"}
# With one of these among them, words beside a number say more than what is counted.
_NO_UNIT = frozenset(
    [
        "not", "no", "nor", "non", "never", "or", "and", "if", "is", "are", "was", "be", "as", "to", "than", "more", "less",
        "least", "most", "about", "approximately", "around", "over", "under", "above", "below", "up", "only", "unless",
        "except", "instead", "maybe", "perhaps", "either", "neither", "both", "any", "all", "every", "plus", "minus", "times",
        "divided", "half", "quarter", "dozen", "hundred", "ten", "hundreds", "thousands", "millions", "billions", "wrong",
        "incorrect", "false", "answer", "factorial", "halves", "thirds", "quarters", "fourths", "fifths", "sixths", "eighths",
        "tenths", "hundredths", "thousandths", "k", "bn",
    ]
)  # fmt: skip
_MOST_WORDS = 4
BASE = "base "  # the unit of a number with a subscript: 204_5


def split_unit(tokens: list[str]) -> tuple[list[str], str]:
    """The tokens of the value, and its unit in one spelling ("" for none). Raises `UnreadableError` for other words."""
    tokens, unit = list(tokens), ""
    if tokens[-1:] == [r"\degree"] and any(token[1:] in FUNCTIONS for token in tokens):
        return tokens, unit  # the angle's
    if len(tokens) > 1 and tokens[-1].startswith(r"\text"):
        word, _, rest = tokens[-1][6:-1].partition(" ")
        if word in _SCALES:  # 5 million dollars
            tokens[-1:] = [r"\cdot", "10", "^", "{", _SCALES[word], "}", *([rf"\text{{{rest}}}"] if rest else [])]
    number, under, base = ["", "", "", *(piece for piece in tokens[-5:] if piece not in ("{", "}"))][-3:]
    if under == "_" and number.isdigit():
        return tokens[: -1 - tokens[::-1].index("_")], BASE + base
    signs = 1 if tokens[:1] in (["-"], ["+"]) else 0
    if tokens[signs : signs + 1] and tokens[signs] in _CURRENCY:
        unit = tokens.pop(signs)
    if len(tokens) > 3 and tokens[-3].startswith(r"\text") and tokens[-2] == "/" and tokens[-1].isalpha():  # km/h
        tokens[-3:] = [rf"{tokens[-3][:-1]}/{tokens[-1]}}}"]
    power = ""
    if len(tokens) > 3 and tokens[-4].startswith(r"\text") and tokens[-3] == "^":
        power, tokens = f"^{tokens[-2]}", tokens[:-3]
    if len(tokens) > 2 and tokens[-3].startswith(r"\text") and tokens[-2] == "^":
        power, tokens = f"^{tokens[-1]}", tokens[:-2]
    while len(tokens) > 1 and (tokens[-1].startswith(r"\text") or tokens[-1] in (r"\%", r"\degree", *_CURRENCY)):
        last = tokens.pop()
        unit = " ".join(filter(None, (_named(last, power), unit)))
        power = ""
        if len(tokens) > 2 and tokens[-1] == "/" and tokens[-2].startswith(r"\text"):  # km/h
            unit = f"{_named(tokens[-2], '')}/{unit}"
            tokens = tokens[:-2]
    return tokens, _SYNONYMS.get(unit, unit)


def _named(token: str, power: str) -> str:
    if not token.startswith(r"\text"):
        return token
    words = re.sub(r"[.,!]", " ", token[6:-1]).split()
    if len(words) > _MOST_WORDS or _NO_UNIT & {word.lower() for word in words} or re.search("[0-9]", token):
        raise UnreadableError(f"words that are no unit: {token[6:-1][:60]!r}")
    for word in words[:1] + words[-1:]:
        power = power or _POWERS.get(word, "")
    if all(word in _POWERS for word in words):
        raise UnreadableError("a power in words, and of no unit")
    names = [_singular(word) for word in words if word not in _POWERS]
    name = " ".join(names)
    return _SYNONYMS.get(name, name) + power


def _singular(word: str) -> str:
    word = word if len(word) < 3 or word.isupper() else word.lower()
    word = word if word in _SYNONYMS or word in ("mph", "gas", "bus") else word.removesuffix("s") if len(word) > 2 else word
    return _SYNONYMS.get(word, word)
