"""Whether two read answers are the same: forms part by part, values by math-verify in both argument orders, and guards.

math-verify is called with its own time-outs off, for it raises outside a main thread: the process that this runs in is
killed instead (tasks/verify/workers.py). Its answer alone is not enough: it depends on the order of its arguments, calls
any two equations without solutions equal, and numbers that are both near zero.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from types import SimpleNamespace
from typing import Any

from tasks.verify.maths.forms import Form
from tasks.verify.maths.notation import UnreadableError
from tasks.verify.maths.scalars import LARGEST_EXPONENT, LARGEST_FACTORIAL, Scalar

_LARGEST_SYMBOLIC_EXPONENT = 60
_NEAR = 1e-12


def same(left: Form, right: Form) -> bool:
    """Whether two answers are the same by the convention in MATH.md; the order does not matter.

    Raises:
        UnreadableError: one cannot be worked out.
    """
    if left.kind == "chain" or right.kind == "chain":
        raise UnreadableError("an equation between values: settle it first")
    if left.name and right.name and left.name != right.name:
        return _same_equations(left, right)
    if "equation" in (left.kind, right.kind):
        return _same_equations(left, right)
    if left.kind != right.kind or len(left.parts) != len(right.parts):
        return False
    if left.unit and right.unit and left.unit != right.unit:
        return False
    if left.kind == "words":
        return left.words == right.words
    if left.kind in ("<", "<="):
        return _ratio(left.scalar, right.scalar) == "positive"
    if left.kind == "value":
        return same_value(left.scalar, right.scalar)
    if left.kind in ("list", "union"):
        return _same_parts(left.parts, right.parts)
    return all(same(one, other) for one, other in zip(left.parts, right.parts, strict=True))


def settled(form: Form) -> Form:
    """`form`, with a chain of equal values (``x = 2 + 3 = 5``) as its last. Raises `UnreadableError` when they differ."""
    if form.kind == "list":
        return Form("list", tuple(settled(part) for part in form.parts))
    if form.kind != "chain":
        return form
    *sides, last = form.parts
    if not all(same_value(side.scalar, last.scalar) for side in sides):
        raise UnreadableError("an equation between different values")
    return Form("value", scalar=last.scalar, unit=last.unit, name=form.name)


def _same_parts(left: tuple[Form, ...], right: tuple[Form, ...]) -> bool:
    """Whether each part of one list is found in the other, each used once."""
    if (
        len({part.name for part in left}) > 1
        and [p.name for p in left] != [p.name for p in right]
        and not all(p.name for p in right)
    ):
        return False
    if len({part.name for part in right}) > 1 and not all(p.name for p in left):
        return False
    remaining = list(right)
    for part in left:
        found = next((other for other in remaining if same(part, other)), None)
        if found is None:
            return False
        remaining.remove(found)
    return True


def _same_equations(left: Form, right: Form) -> bool:
    sides = (_as_difference(left), _as_difference(right))
    return all(side.latex for side in sides) and _ratio(*sides) != ""


def _as_difference(form: Form) -> Scalar:
    """Left side minus right side of an equation, also of ``y = 2x + 1``; empty for what is none."""
    if form.kind == "equation":
        return form.scalar
    letter = form.name.removeprefix("\\")
    if form.kind == "value" and form.name and (len(letter) == 1 or letter != form.name):
        return Scalar(f"{form.name}-({form.scalar.latex})")
    return Scalar("")


@cache
def _library() -> Any:
    """math-verify and what it stands on, loaded once a process."""
    import sympy
    from latex2sympy2_extended.latex2sympy2 import ConversionConfig, _Latex2Sympy
    from math_verify import verify

    logging.getLogger("math_verify").setLevel(logging.ERROR)  # it warns that its time-outs are off

    class Reader(_Latex2Sympy):  # type: ignore[misc]  # no types
        """Factors side by side are a product; the grammar's own reader adds them, 2(3) = 5, for the sake of mixed numbers."""

        def convert_postfix_list(self, arr: Any, i: int = 0) -> Any:
            product = self.convert_postfix(arr[i])
            for factor in arr[i + 1 :]:
                product = self.mul_flat(product, self.convert_postfix(factor))
            return product

    def read(latex: str) -> Any:
        return Reader(is_real=True, config=ConversionConfig(lowercase_symbols=False)).parse(latex)

    return SimpleNamespace(sympy=sympy, read=read, verify=verify)


@contextmanager
def _failures_told() -> Iterator[None]:
    """The grammar and sympy fail on odd input with exceptions of any kind: then the answer cannot be read."""
    try:
        yield
    except UnreadableError:
        raise
    except Exception as error:
        raise UnreadableError(f"it cannot be worked out ({type(error).__name__})") from error


@lru_cache(maxsize=4096)
def expression(latex: str) -> Any:
    """The sympy expression that canonical LaTeX spells, with nothing worked out. Raises `UnreadableError`."""
    library = _library()
    with _failures_told():
        parsed = library.read(latex)
        if not isinstance(parsed, library.sympy.Expr):
            raise UnreadableError(f"{latex[:80]!r} is no value")
        _refuse_large(parsed)
        return parsed.xreplace({library.sympy.Symbol("i", real=True): library.sympy.I})


def _refuse_large(parsed: Any) -> None:
    """Refuse powers and factorials that nobody can write out; children first, so that each is worked out from small ones."""
    sympy = _library().sympy
    for node in sympy.postorder_traversal(parsed):
        if isinstance(node, sympy.Pow) and node.exp.is_number:
            limit = LARGEST_EXPONENT if node.base.is_number else _LARGEST_SYMBOLIC_EXPONENT
            if not abs(sympy.N(node.exp, 5)) <= limit:
                raise UnreadableError("a power too large to work out")
        if (
            isinstance(node, sympy.factorial)
            and node.args[0].is_number
            and not abs(sympy.N(node.args[0], 5)) <= LARGEST_FACTORIAL
        ):
            raise UnreadableError("a factorial too large to work out")


@lru_cache(maxsize=4096)
def same_value(left: Scalar, right: Scalar) -> bool:
    """Whether two values are equal: fractions exactly; expressions when math-verify says so in both orders."""
    if left.number is not None and right.number is not None:
        return left.number == right.number
    one, other = expression(left.latex), expression(right.latex)
    verify = _library().verify
    with _failures_told():
        equal = verify(one, other, timeout_seconds=None) and verify(other, one, timeout_seconds=None)
        return bool(equal) and _numerically_near(one, other)


def _numerically_near(one: Any, other: Any) -> bool:
    """Guard: math-verify calls numbers equal whose difference is small beside 1, whatever their own size."""
    if one.free_symbols or other.free_symbols or one == other:
        return True
    sympy = _library().sympy
    size = max(abs(sympy.N(one, 30)), abs(sympy.N(other, 30)))
    return bool(abs(sympy.N(one - other, 30)) <= _NEAR * size)


def _ratio(left: Scalar, right: Scalar) -> str:
    """``positive`` or ``negative`` when one is a constant times the other, and not zero; empty otherwise."""
    sympy = _library().sympy
    one, other = expression(left.latex), expression(right.latex)
    if not (one.free_symbols and one.free_symbols == other.free_symbols):
        return ""
    with _failures_told():
        if not sympy.simplify(one).free_symbols:  # x = x + 1
            return ""
        ratio = sympy.simplify(one / other)
        if ratio.free_symbols or not ratio.is_finite or ratio.is_zero is not False:
            return ""
    equal = same_value(left, Scalar(f"({sympy.latex(ratio)})\\cdot({right.latex})"))
    return ("positive" if ratio.is_positive else "negative") if equal else ""
