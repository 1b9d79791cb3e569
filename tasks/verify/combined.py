"""Verifiers made of others: `all_of`, `any_of` and `weighted`, a rubric.

The reference is JSON: ``{"of": [{"verifier": name, "reference": text or object, "weight": number}, …], "accept_at": 0.7}``.
A part's reference that is no text is handed on as JSON; left out, it is empty. ``weight`` (default 1) and ``accept_at``
(needed) belong to `weighted` alone. A part may be one of these three again, at most three deep. Names are those of
registered verifiers: data never names code. A reference is readable when every part's is, also those never asked.

Parts are asked in the order given, so put the cheap ones first: an answer that is decided asks no further part.

- `all_of`: the first part that is `rejected` or `answer_unparsable` decides, whatever failed before it. Else the whole has
  the strongest of `error`, `reference_unparsable`, `timed_out`, `accepted`. The score is the smallest of the parts asked.
- `any_of`: the first part that is `accepted` decides, whatever failed before it. Else the whole has the strongest of
  `error`, `reference_unparsable`, `timed_out`, `rejected`, `answer_unparsable`. The score is the largest of the parts asked.
- `weighted`: the first part that is `error`, `reference_unparsable` or `timed_out` decides. Else the score is
  Σ weight · score / Σ weight, accepted from `accept_at` on; below it the answer is `rejected`, or `answer_unparsable` where
  every part says so.

`weighted` needs every part's score, so it stops early only at a part without one. A state without a score gives 0.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tasks.runtime.errors import UnknownPluginError
from tasks.runtime.plugins import plugin_names
from tasks.verify.dispatch import verify_answers
from tasks.verify.plants import Plant
from tasks.verify.settings import VerifySettings
from tasks.verify.verdict import Answer, Verdict, batch_verifier, judges_form, plugin, reference_problem

COMPOSITES = frozenset({"all_of", "any_of", "weighted"})
DEEPEST = 3
_NO = ("rejected", "answer_unparsable")
_UNKNOWN = ("error", "reference_unparsable", "timed_out")  # states that say nothing of the answer, the strongest first


class Part(BaseModel):
    """One verifier among several."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    verifier: str
    reference: str | dict[str, Any] | list[Any] = ""
    weight: float | None = Field(None, gt=0, le=1e6, allow_inf_nan=False)

    @property
    def text(self) -> str:
        """The part's reference as its verifier reads it."""
        return self.reference if isinstance(self.reference, str) else json.dumps(self.reference, ensure_ascii=False)


class Reference(BaseModel):
    """What a composite's reference holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    of: tuple[Part, ...] = Field(min_length=1, max_length=32)
    accept_at: float | None = Field(None, gt=0, le=1)


@lru_cache(maxsize=1024)  # a prompt is answered many times
def _read(name: str, reference: str) -> Reference:
    """The parts of `name`'s reference, their own not read. Raises `ValueError`."""
    try:
        read = Reference.model_validate(json.loads(reference))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ValueError(f"{name}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f'{name}: the reference is not JSON {{"of": [{{"verifier", "reference"}}, …]}} ({error})') from error
    if name == "weighted" and read.accept_at is None:
        raise ValueError('weighted: needs "accept_at", the smallest score that is accepted')
    if name != "weighted" and (read.accept_at is not None or any(part.weight is not None for part in read.of)):
        raise ValueError(f'{name}: "accept_at" and "weight" belong to `weighted`')
    return read


@lru_cache(maxsize=1024)
def _problem(name: str, reference: str, depth: int = 1) -> str:
    if depth > DEEPEST:
        return f"{name}: more than {DEEPEST} deep"
    try:
        parts = _read(name, reference).of
    except ValueError as error:
        return str(error)
    for place, part in enumerate(parts):
        if part.verifier in COMPOSITES:
            problem = _problem(part.verifier, part.text, depth + 1)
        elif part.verifier not in _registered():
            problem = f"no verifier called {part.verifier!r} is registered; known: {', '.join(_registered())}"
        else:
            problem = _part_problem(part)
        if problem:
            return f"part {place}: {problem}"
    return ""


def _part_problem(part: Part) -> str:
    try:
        return reference_problem(part.verifier, part.text)
    except UnknownPluginError as error:  # registered, and does not load
        return str(error)


@lru_cache(maxsize=1)
def _registered() -> tuple[str, ...]:
    return tuple(plugin_names("verifiers"))


def part_names(reference: str) -> set[str]:
    """The verifiers that a composite's reference names, nested ones too: their versions belong in a cache key.

    What cannot be read names nothing; validation refuses such a prompt before it is sampled.
    """
    names: set[str] = set()
    todo = [(reference, 1)]
    while todo:
        text, depth = todo.pop()
        try:
            parts = Reference.model_validate(json.loads(text)).of
        except (ValueError, RecursionError):
            continue
        names |= {part.verifier for part in parts} & set(_registered())
        todo += [(part.text, depth + 1) for part in parts if part.verifier in COMPOSITES and depth < DEEPEST]
    return names


Whole = Callable[[Reference, Sequence[Verdict]], Verdict]


def _combine(
    name: str, deciding: Collection[str], whole: Whole, answers: Sequence[Answer], settings: VerifySettings
) -> list[Verdict]:
    """One verdict an answer: its parts are asked in order until one's state is `deciding`, then `whole` has the word."""
    references = [None if _problem(name, answer.reference) else _read(name, answer.reference) for answer in answers]
    asked: list[list[Verdict]] = [[] for _ in answers]
    # One place over all answers at once: a batch verifier is called once for a place, not once for an answer.
    for place in range(max((len(reference.of) for reference in references if reference), default=0)):
        parts = {
            index: Answer(answer.response, reference.of[place].verifier, reference.of[place].text, answer.messages)
            for index, (answer, reference) in enumerate(zip(answers, references, strict=True))
            if reference and place < len(reference.of) and not (place and asked[index][-1].state in deciding)
        }
        for index, verdict in zip(parts, verify_answers(parts.values(), settings), strict=True):
            asked[index].append(verdict)
    return [
        whole(reference, verdicts) if reference else Verdict("reference_unparsable", reason=_problem(name, answer.reference))
        for answer, reference, verdicts in zip(answers, references, asked, strict=True)
    ]


def _strongest(order: Sequence[str], pick: Callable[[Iterator[float]], float]) -> Whole:
    """The whole has the state that stands first in `order`, and the score that `pick` picks."""

    def whole(reference: Reference, verdicts: Sequence[Verdict]) -> Verdict:
        first = min(range(len(verdicts)), key=lambda place: order.index(verdicts[place].state))
        state, reason = verdicts[first].state, verdicts[first].reason
        score = 0.0 if state in _UNKNOWN else pick(verdict.score for verdict in verdicts)
        return Verdict(state, score, f"{reference.of[first].verifier}: {reason}" if reason else "")

    return whole


def _weighted(reference: Reference, verdicts: Sequence[Verdict]) -> Verdict:
    last, part = verdicts[-1], reference.of[len(verdicts) - 1]
    if last.state in _UNKNOWN:
        return Verdict(last.state, reason=f"{part.verifier}: {last.reason}")
    weights = [1.0 if part.weight is None else part.weight for part in reference.of]
    total = sum(weight * verdict.score for weight, verdict in zip(weights, verdicts, strict=True))
    score = min(1.0, total / sum(weights))
    assert reference.accept_at is not None, "`_read` said so"
    if score >= reference.accept_at - 1e-9:  # 0.3 three times 0.1
        return Verdict("accepted", score)
    state = "rejected" if any(verdict.state != "answer_unparsable" for verdict in verdicts) else "answer_unparsable"
    return Verdict(state, score, f"{score:.3g} of the rubric, {reference.accept_at:g} wanted")


def _plants(name: str, keep_right: bool) -> Callable[[str], Iterator[Plant]]:
    """The parts' plants whose verdict is known for the whole: a part's wrong answer is wrong for `all_of`, and so on."""

    def plants(reference: str) -> Iterator[Plant]:
        parts = () if _problem(name, reference) else _read(name, reference).of
        for part in parts:
            make = getattr(plugin(part.verifier), "plants", None)
            for plant in make(part.text) if make else ():
                if plant.right == keep_right or len(parts) == 1:
                    yield Plant(plant.text, plant.right, f"{part.verifier}: {plant.kind}")

    return plants


def _form(name: str, whole: Callable[[Iterable[bool]], bool]) -> Callable[[str], bool]:
    """Whether only the form of an answer is judged, so that one which says the wrong thing may still be right."""

    def form(reference: str) -> bool:
        parts = () if _problem(name, reference) else _read(name, reference).of
        return whole(judges_form(part.verifier, part.text) for part in parts)

    return form


def _check(name: str) -> Callable[[str], str]:
    return lambda reference: _problem(name, reference)


# Of parts that judge only the form, `all_of` needs one that looks at what is said; the others accept by one that does not.
@batch_verifier(
    version="1",
    check_reference=_check("all_of"),
    plants=_plants("all_of", keep_right=False),
    parts=part_names,
    judges_form=_form("all_of", all),
)
def all_of(answers: Sequence[Answer], settings: VerifySettings) -> list[Verdict]:
    """Accept what every part accepts (module docstring: convention). Raises what `verify_answers` does."""
    return _combine("all_of", _NO, _strongest((*_NO, *_UNKNOWN, "accepted"), min), answers, settings)


@batch_verifier(
    version="1",
    check_reference=_check("any_of"),
    plants=_plants("any_of", keep_right=True),
    parts=part_names,
    judges_form=_form("any_of", any),
)
def any_of(answers: Sequence[Answer], settings: VerifySettings) -> list[Verdict]:
    """Accept what one part accepts (module docstring: convention). Raises what `verify_answers` does."""
    return _combine("any_of", ("accepted",), _strongest(("accepted", *_UNKNOWN, *_NO), max), answers, settings)


@batch_verifier(version="1", check_reference=_check("weighted"), parts=part_names, judges_form=_form("weighted", any))
def weighted(answers: Sequence[Answer], settings: VerifySettings) -> list[Verdict]:
    """Accept what reaches `accept_at` (module docstring: convention). Raises what `verify_answers` does."""
    return _combine("weighted", _UNKNOWN, _weighted, answers, settings)
