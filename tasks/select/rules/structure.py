"""What makes two answers the same: the equations they go through, or, where there are none, their text.

RFT (Yuan et al. 2023, arXiv 2308.01825) tells reasoning paths apart by their list of equations. An equation here is an
``=`` with arithmetic on at least one side and a number on both: ``48 / 2 = 24``, ``<<48/2=24>>``, ``5 × $2 = $10``,
``3 + 5 = 8 = 16 / 2`` (two of them). White space, currency signs, thousands separators and the spelling of operators do
not count. ``x = 5`` and ``2x + 3 = 7`` are none.
"""

from __future__ import annotations

import re
from itertools import pairwise

from tasks.data.questions import normal_text

_SPELLINGS = (
    ("\\times", "*"),
    ("\\cdot", "*"),
    ("\\div", "/"),
    ("\\left", ""),
    ("\\right", ""),
    ("\\$", ""),
    ("$", ""),
    ("×", "*"),
    ("·", "*"),
    ("⋅", "*"),
    ("∗", "*"),
    ("÷", "/"),
    ("−", "-"),
    ("–", "-"),
    ("{,}", ","),
)
_FRACTION = re.compile(r"\\[dt]?frac\{([0-9.,]+)\}\{([0-9.,]+)\}")
_TIMES = re.compile(r"(?<=[0-9)]) ?[xX] ?(?=[0-9(.])")
_ARITHMETIC = "0123456789.,+-*/^()% \t"
_OPERATION = re.compile(r"[0-9)%][+\-*/^]+[(.]*[0-9]")
_SPACE = re.compile(r" ?([+\-*/^()]) ?")
# Where one expression ends and the next thing begins: "8. 2 + 2", "8, 2 + 2", "8 2 + 2"; thousands have no space.
_BREAK = re.compile(r"[.,](?: |$)|(?<=[0-9)%]) (?=[0-9(])")


def structure(text: str) -> tuple[str, ...]:
    """What an answer is told apart by: its equations in order, or its one `normal_text`. Takes linear time."""
    return tuple(equations(text)) or (normal_text(text),)


def equations(text: str) -> list[str]:
    """The arithmetic equations of `text`, in order, in one spelling."""
    for spelling, plain in _SPELLINGS:
        text = text.replace(spelling, plain)
    sides = _TIMES.sub("*", _FRACTION.sub(r"(\1/\2)", text)).split("=")
    found = []
    for before, after in pairwise(sides):
        left = _expression(_parts(before[len(before.rstrip(_ARITHMETIC)) :])[-1])
        right = _expression(_parts(after[: len(after) - len(after.lstrip(_ARITHMETIC))])[0])
        if left and right and (_OPERATION.search(left) or _OPERATION.search(right)):
            found.append(f"{left}={right}")
    return found


def _parts(written: str) -> list[str]:
    parts = [part for part in _BREAK.split(" ".join(written.split())) if part]
    return parts or [""]


def _expression(written: str) -> str:
    """The expression without spaces, separators, and what belongs to the sentence around it; empty without a digit."""
    # A minus in front is a sign when a digit follows at once, else a bullet.
    plain = written.rstrip(".,+-*/^ ").lstrip(".,+*/^ ").removeprefix("- ")
    plain = _SPACE.sub(r"\1", plain).replace(",", "")
    open_ones = plain.count("(") - plain.count(")")
    plain = plain[min(max(open_ones, 0), len(plain) - len(plain.lstrip("("))) :]
    plain = plain[: len(plain) - min(max(-open_ones, 0), len(plain) - len(plain.rstrip(")")))]
    return plain if any(map(str.isdigit, plain)) else ""
