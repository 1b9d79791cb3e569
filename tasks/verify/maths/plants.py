"""Right and wrong answers around one mathematical answer, for the self-test of `math`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tasks.verify.maths.equality import same
from tasks.verify.maths.forms import Form
from tasks.verify.maths.scalars import Scalar
from tasks.verify.number_plants import number_plants
from tasks.verify.plants import Plant

_RIGHT = (
    ("\\boxed{{{}}}", "boxed"),
    ("So it is $\\boxed{{{}}}$.", "boxed"),
    ("\\[\\boxed{{ {} }}\\]", "boxed"),
    ("<answer>{}</answer>", "answer tag"),
    ("#### {}", "GSM8K mark"),
    ("First $a = 1$, then $a = 2$.\nThe result is ${}$.", "last formula"),
    ("<think>Is it $7$?</think>${}$", "after thinking"),
)
_WRONG = (
    ("\\boxed{{{0}}} or \\boxed{{{1}}}", "two boxes"),
    ("<answer>{1}</answer><answer>{0}</answer>", "two tags"),
    ("\\boxed{{{1} = {0}}}", "false equation"),
    ("\\boxed{{\\text{{not }} {0}}}", "denied"),
    ("\\boxed{{{0}", "box never closed"),
    ("<think>\\boxed{{{0}}}</think>", "only in thinking"),
    ("\\boxed{{{1}}}", "another answer"),
    ("<answer>{1}</answer>", "another answer"),
)


def form_plants(form: Form) -> Iterator[Plant]:
    """Right answers in odd notations, and wrong ones, for an answer of any form."""
    if form.kind == "value" and form.scalar.number is not None:
        known = {"unit", "percent", "currency"} if form.unit else set()
        known |= {"equation"} if form.name else set()
        yield from (plant for plant in number_plants(form.scalar.number) if plant.kind not in known or not plant.right)
        return
    text = _spelled(form)
    if not text:
        return
    for frame, kind in _RIGHT:
        yield Plant(frame.format(text), True, kind)
    for other, kind in _others(form):
        yield Plant(f"\\boxed{{{_spelled(other)}}}", False, kind)
        if kind == "another answer":
            for frame, told in _WRONG:
                if told == "false equation" and form.kind == "words":
                    continue  # "the day = Monday" names what Monday is
                yield Plant(frame.format(text, _spelled(other)), False, told)


def _spelled(form: Form) -> str:
    """LaTeX for a form; empty for relations and matrices."""
    if form.kind == "value":
        return form.scalar.latex
    if form.kind == "words":
        return rf"\text{{{form.words}}}"
    named = len({part.name for part in form.parts}) > 1
    parts = [f"{part.name} = {_spelled(part)}" if named else _spelled(part) for part in form.parts]
    if not all(parts) or not parts:
        return ""
    if form.kind in ("list", "union"):
        return (", " if form.kind == "list" else r" \cup ").join(parts)
    return form.kind[0] + ", ".join(parts) + form.kind[1] if len(form.kind) == 2 and form.kind != "<=" else ""


def _others(form: Form) -> Iterator[tuple[Form, str]]:
    """Answers that are wrong whatever the form's values are."""
    if form.kind == "words":
        yield replace(form, words=f"{form.words} never"), "another answer"
    elif form.kind == "value" and r"\infty" not in form.scalar.latex:
        yield _value(f"{form.scalar.latex}+1"), "another answer"
        yield _value(f"2+({form.scalar.latex})-10"), "another value"
        yield Form("list", (form, _value(f"{form.scalar.latex}+1"))), "two answers"
    elif form.parts:
        *first, last = form.parts
        changed = next((other for other, _ in _others(last)), None) if last.kind == "value" else None
        if changed:
            yield replace(form, parts=(*first, changed)), "another answer"
        if len(form.parts) > 1:
            yield replace(form, parts=form.parts[:-1]) if len(form.parts) > 2 else form.parts[0], "a part missing"
            yield replace(form, parts=(*form.parts, last)), "a part too many"
        if form.kind == "()" and len(form.parts) == 2 and not same(*form.parts):
            yield replace(form, parts=form.parts[::-1]), "swapped"
            yield replace(form, kind="[]"), "other brackets"


def _value(latex: str) -> Form:
    return Form("value", scalar=Scalar(latex))
