"""One value (a number, or an expression in letters) as canonical LaTeX, and as an exact fraction where it is a plain number.

Decimals become exact fractions, mixed numbers become fractions, and every argument gets its braces, so that what reaches
the grammar has one reading. What could take for ever to work out is refused here, before anything is worked out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from tasks.verify.maths.notation import FUNCTIONS, GREEK, UnreadableError

MOST_DIGITS = 100
LARGEST_EXPONENT = 1_000
LARGEST_FACTORIAL = 200
_NUMBER = re.compile(r"([0-9]*)(?:\.([0-9]+))?(?:[eE]([-+]?[0-9]+))?")
_PLAIN = re.compile(
    r"([-+]*)(?:(?:([0-9]+)(?:/([0-9]+))?|\\frac\{([-+]?[0-9]+)\}\{([-+]?[0-9]+)\})(?:\\cdot *10\^\{([-+]?[0-9]+)\})?"
    r"|10\^\{([-+]?[0-9]+)\})"
)
_LETTER = re.compile(r"[A-Za-z]")


@dataclass(frozen=True)
class Scalar:
    """One value.

    Attributes:
        latex: its canonical LaTeX.
        number: its exact value when it is a plain number (digits, a fraction of digits, a power of ten times one).
    """

    latex: str
    number: Fraction | None = None

    @property
    def letters(self) -> bool:
        """Whether a variable is in it, by its look."""
        commands = set(re.findall(r"\\([A-Za-z]+)", self.latex))
        return bool(commands & (GREEK - {"pi"}) or re.search(r"[A-Za-z]", re.sub(r"\\[A-Za-z]+", "", self.latex)))


NO_SCALAR = Scalar("")


def scalar(tokens: list[str]) -> Scalar:
    """The value that `tokens` (tasks/verify/maths/notation.py, without units and words) spell. Raises `UnreadableError`."""
    if not tokens:
        raise UnreadableError("there is nothing where a value should be")
    if stray := next((piece for piece in tokens if piece.startswith(r"\text") or piece in (r"\%", r"\$", "€", "£", "'")), None):
        raise UnreadableError(f"{stray} stands where a value should be")
    if any(piece[1:] in FUNCTIONS for piece in tokens):
        tokens = _radians(tokens)
    _refuse_ambiguous(tokens)
    latex = _joined(_canonical(tokens))
    return Scalar(latex, _plain_number(latex))


def _radians(tokens: list[str]) -> list[str]:
    """``\\sin 30°``: the degree belongs to the angle, and is no unit of the whole."""
    out: list[str] = []
    for piece in tokens:
        if piece == r"\degree" and out and out[-1][0].isdigit():
            angle = out.pop()
            out += ["(", angle, r"\cdot", r"\frac", "{", r"\pi", "}", "{", "180", "}", ")"]
        else:
            out.append(piece)
    return out


def _refuse_ambiguous(tokens: list[str]) -> None:
    for index, piece in enumerate(tokens):
        following = tokens[index + 1] if index + 1 < len(tokens) else ""
        if piece[0].isdigit() and following == "_":
            raise UnreadableError("a subscript of a number within an expression")
        script = tokens[index - 1 : index] == ["_"]  # log_2 8
        if piece[0].isdigit() and following[:1].isdigit() and tokens[index + 2 : index + 3] != ["/"] and not script:
            raise UnreadableError("two numbers side by side")
        ends = following and (following.isalpha() or following in ("(", r"\sqrt", r"\pi"))
        if piece[0].isalnum() and tokens[index - 1 : index] == ["/"] and ends:
            raise UnreadableError("a/b c may be a/(bc) or (a/b)c; write a fraction")


def _canonical(tokens: list[str]) -> list[str]:
    """Braces around every argument; decimals and mixed numbers as fractions; towers of powers refused."""
    out: list[str] = []
    place = 0
    while place < len(tokens):
        piece = tokens[place]
        if piece in (r"\frac", r"\binom"):
            top, place = _argument(tokens, place + 1)
            bottom, place = _argument(tokens, place)
            if piece == r"\binom" and any(len(part) != 1 or len(part[0]) > 3 for part in (top, bottom)):
                raise UnreadableError("a binomial of something other than small numbers or letters")
            _append_fraction(out, piece, _canonical(top), _canonical(bottom))
        elif piece == r"\sqrt":
            place = _append_root(out, tokens, place + 1)
        elif piece in ("^", "_"):
            argument, place = _argument(tokens, place + 1)
            _refuse_tower(argument, tokens[place : place + 1])
            out += [piece, "{", *(_canonical(argument) if piece == "^" else argument), "}"]
        elif piece[0].isdigit() or piece[0] == ".":
            mixed = _mixed(tokens, place)
            out += mixed or _exact(piece)
            place += 4 if mixed else 1
        else:
            out.append(piece)
            place += 1
    return out


def _append_fraction(out: list[str], command: str, top: list[str], bottom: list[str]) -> None:
    plain = len(top) == len(bottom) == 1 and top[0].isdigit() and bottom[0].isdigit()
    if command == r"\frac" and out and out[-1].isdigit():
        if not plain:
            pass  # 2\frac{x}{3} is a product
        elif out[-2:-1] in ([], *([sign] for sign in ("+", "-", "(", "=", r"\cdot", "{"))):
            top = [str(int(out.pop()) * int(bottom[0]) + int(top[0]))]
        else:
            raise UnreadableError("a fraction beside a number that is no mixed number")
    out += [command, "{", *top, "}", "{", *bottom, "}"]


def _append_root(out: list[str], tokens: list[str], place: int) -> int:
    root: list[str] = []
    if tokens[place : place + 1] == ["["]:
        if "]" not in tokens[place:]:
            raise UnreadableError("a bracket is never closed")
        end = tokens.index("]", place)
        root, place = tokens[place + 1 : end], end + 1
    radicand, place = _argument(tokens, place)
    out += [r"\sqrt", *(["[", *_canonical(root), "]"] if root else []), "{", *_canonical(radicand), "}"]
    return place


def _argument(tokens: list[str], place: int) -> tuple[list[str], int]:
    """The argument at `place` without its braces, and where it ends: a group, a number (LaTeX: its first digit), a sign."""
    if place >= len(tokens):
        raise UnreadableError("a command without its argument")
    piece = tokens[place]
    if piece in ("{", "("):
        end = closing(tokens, place)
        return tokens[place + 1 : end], end + 1
    if piece in ("-", "+"):
        argument, end = _argument(tokens, place + 1)
        return [piece, *argument], end
    if piece.isdigit() and len(piece) > 1 and tokens[place - 1] not in ("^", "_"):
        # \frac12 and \sqrt2: one digit each. x^10 is left as people mean it.
        tokens[place : place + 1] = [piece[0], piece[1:]]
        return [piece[0]], place + 1
    if piece[0].isalnum() or (piece[0] == "\\" and piece[1:2].isalpha()):
        return [piece], place + 1
    raise UnreadableError(f"{piece} is no argument")


def closing(tokens: list[str], place: int) -> int:
    """Where the bracket at `place` closes. Raises `UnreadableError`."""
    kinds = {"{": "}", "(": ")", "[": "]", r"\{": r"\}", r"\langle": r"\rangle", r"\matrix": r"\endmatrix"}
    opening, close, depth = tokens[place], kinds[tokens[place]], 0
    for index in range(place, len(tokens)):
        depth += (tokens[index] == opening) - (tokens[index] == close)
        if depth == 0:
            return index
    raise UnreadableError("a bracket is never closed")


def _refuse_tower(exponent: list[str], following: list[str]) -> None:
    if "!" in exponent or following == ["^"]:
        raise UnreadableError("a power of a power, or of a factorial")
    for index, piece in enumerate(exponent):
        if piece == "^" and index and not exponent[index - 1].isalpha():
            raise UnreadableError("a power of a power of a number")


def _mixed(tokens: list[str], place: int) -> list[str]:
    """``1 1/2`` as one fraction; empty when there is none at `place`."""
    part = tokens[place : place + 4]
    if len(part) < 4 or part[2] != "/" or not all(part[index].isdigit() for index in (0, 1, 3)):
        return []
    return [r"\frac", "{", str(int(part[0]) * int(part[3]) + int(part[1])), "}", "{", part[3], "}"]


def _exact(number: str) -> list[str]:
    if len(number) > MOST_DIGITS:
        raise UnreadableError(f"a number of over {MOST_DIGITS} digits")
    match = _NUMBER.fullmatch(number)
    assert match is not None, "the tokens are numbers"
    whole, decimals, exponent = match[1], match[2] or "", match[3]
    if not decimals and not exponent:
        return [str(int(whole))]
    value = Fraction(int(whole + decimals), 10 ** len(decimals)) * Fraction(10) ** int(exponent or 0)
    return (
        [str(value.numerator)]
        if value.denominator == 1
        else [r"\frac", "{", str(value.numerator), "}", "{", str(value.denominator), "}"]
    )


def _joined(tokens: list[str]) -> str:
    out = ""
    for piece in tokens:
        out += " " * (bool(_LETTER.match(piece)) and bool(re.search(r"\\[A-Za-z]+$", out))) + piece
    return out


def _plain_number(latex: str) -> Fraction | None:
    match = _PLAIN.fullmatch(latex)
    if match is None:
        return None
    signs, whole, under, top, bottom, *powers = match.groups()
    divisor, power = int(under or bottom or 1), int(powers[0] or powers[1] or 0)
    if divisor == 0:
        raise UnreadableError("a division by zero")
    if abs(power) > LARGEST_EXPONENT:
        raise UnreadableError("a power too large to work out")
    value = Fraction(int(whole or top or 1), divisor) * Fraction(10) ** power
    return -value if signs.count("-") % 2 else value
