"""What a judge judges by: the reference of the `judge` verifier.

A reference is one of

- empty: the criteria of a good answer in general (`GENERAL`);
- a text: the rubric itself;
- JSON: ``{"rubric": text, "scale": [1, 5]}``, each key optional. The scale's ends are whole numbers from 0 to 9, so
  that each rating is one token; without one it is 1 to 5;
- JSON: ``{"rubric": text, "against": text}``: the response is compared with the text `against`, in both orders.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

GENERAL = (
    "A good response does all that the request asks and nothing else; what it says is true, its reasoning is sound and its "
    "result is right; it is clear, and no longer than it has to be. A response that is wrong, does something else than was "
    "asked, or says nothing, is a bad one, however well it is written."
)
_KEYS = {"rubric", "scale", "against"}


@dataclass(frozen=True)
class Rubric:
    """What a response is judged by.

    Attributes:
        text: the criteria.
        low, high: the worst and the best rating.
        against: the answer to compare with; empty: the response is rated by itself.
    """

    text: str = GENERAL
    low: int = 1
    high: int = 5
    against: str = ""


def parse_rubric(reference: str) -> Rubric:
    """The rubric a reference describes (module docstring: forms). Raises `ValueError` with what is wrong."""
    text = reference.strip()
    if not text:
        return Rubric()
    if not text.startswith("{"):
        return Rubric(text)
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the reference begins with '{{' and is not JSON ({error})") from error
    if unknown := sorted(set(data) - _KEYS):
        raise ValueError(f"the reference has the unknown keys {json.dumps(unknown)[:80]}; known: {', '.join(sorted(_KEYS))}")
    if "scale" in data and "against" in data:
        raise ValueError("the reference has both a scale and an answer to compare with; a comparison has no scale")
    low, high = _scale(data.get("scale", [1, 5]))
    against = _text(data, "against") if "against" in data else ""
    return Rubric(_text(data, "rubric") if "rubric" in data else GENERAL, low, high, against)


def _text(data: dict[str, object], name: str) -> str:
    value = data[name]
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"the reference's {name!r} is no text")
    return value.strip()


def _scale(scale: object) -> tuple[int, int]:
    if isinstance(scale, list) and len(scale) == 2 and all(type(end) is int for end in scale):
        low, high = scale
        if 0 <= low < high <= 9:
            return low, high
    raise ValueError(f"the reference's scale {json.dumps(scale)[:40]} is not [worst, best], two whole numbers from 0 to 9")


def check_reference(reference: str) -> str:
    """Why `reference` is no rubric; empty when it is one. An empty reference is."""
    try:
        parse_rubric(reference)
    except ValueError as error:
        return str(error)
    return ""
