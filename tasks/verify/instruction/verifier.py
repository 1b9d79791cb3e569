"""The `instruction` verifier: whether a response follows instructions that can be checked without judgement (IFEval).

The reference is JSON, and a row of the IFEval data set (Zhou et al., arXiv 2311.07911) is one:
``{"instruction_id_list": [id, …], "kwargs": [{…}, …], "mode": "strict" | "loose"}``; `mode` is strict where it is not
given, other keys are not read. KINDS.md lists the ids, their kwargs and what each one means here.

The score is the share of the constraints that are followed; accepted is a response that follows all of them. `loose` is
the paper's: a constraint counts as followed when the response follows it as it is or without its first line, its last
line, both, each also without asterisks. Text up to the last ``</think>`` does not count. **A response that is empty
(white space) follows nothing**, whatever is asked, and neither does an empty variant.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from tasks.verify.answers import after_thinking
from tasks.verify.instruction.kinds import Constraint, constraint
from tasks.verify.instruction.texts import readable
from tasks.verify.plants import Plant
from tasks.verify.verdict import Verdict, verifier

MODES = ("strict", "loose")
_MOST = 100  # constraints on one response


@lru_cache(maxsize=256)  # a prompt is answered many times
def parse(reference: str) -> tuple[tuple[Constraint, ...], str]:
    """The constraints and the mode of a reference. Raises `ValueError`."""
    try:
        data = json.loads(reference)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the reference is not JSON ({error})") from error
    ids = data.get("instruction_id_list") if isinstance(data, dict) else None
    if not isinstance(ids, list) or not 0 < len(ids) <= _MOST or not all(isinstance(kind, str) for kind in ids):
        raise ValueError(f'the reference needs "instruction_id_list", a list of 1 to {_MOST} ids')
    kwargs: Any = data.get("kwargs")
    if not isinstance(kwargs, list) or len(kwargs) != len(ids) or not all(isinstance(one, dict | None) for one in kwargs):
        raise ValueError(f'the reference needs "kwargs", a list of {len(ids)} objects, one an id')
    mode = data.get("mode", "strict")
    if mode not in MODES:
        raise ValueError(f'"mode" is {mode!r}, it must be strict or loose')
    return tuple(constraint(kind, given or {}) for kind, given in zip(ids, kwargs, strict=True)), mode


def check_reference(reference: str) -> str:
    """Why `reference` holds no constraints that can be checked; empty when it does."""
    try:
        parse(reference)
    except ValueError as error:
        return str(error)
    return ""


def _plants(reference: str) -> Iterator[Plant]:
    from tasks.verify.instruction.plants import plants  # it needs `parse`

    return plants(reference)


def variants(text: str) -> list[str]:
    """The readings of the loose mode, the text itself first; empty ones left out."""
    lines = text.split("\n")
    cut = [text, *("\n".join(part) for part in (lines[1:], lines[:-1], lines[1:-1]))]
    found = [part.strip() for whole in cut for part in (whole, whole.replace("*", ""))]
    return [part for part in dict.fromkeys(found) if part]


# An answer that echoes the prompt may follow every constraint.
@verifier(version="2", check_reference=check_reference, plants=_plants, judges_form=lambda reference: True)
def instruction(response: str, reference: str) -> Verdict:
    """Accept a response that follows every constraint of the reference (module docstring). Never raises."""
    try:
        constraints, mode = parse(reference)
    except ValueError as error:
        return Verdict("reference_unparsable", reason=str(error))
    text = readable(after_thinking(response))
    if not text:
        return Verdict("answer_unparsable", reason="the answer is empty")
    readings = variants(text) if mode == "loose" else [text]
    missed = [one for one in constraints if all(one.problem(reading) for reading in readings)]
    score = 1 - len(missed) / len(constraints)
    if not missed:
        return Verdict("accepted", 1.0)
    return Verdict("rejected", score, f"{missed[0].kind}: {missed[0].problem(text)}")
