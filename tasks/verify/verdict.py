"""Verdicts, and what makes a plain function a verifier.

There are two kinds. A text verifier is ``def name(response: str, reference: str) -> Verdict``; it runs in a process that
can be killed (tasks/verify/workers.py). A batch verifier is ``def name(answers: Sequence[Answer], settings:
VerifySettings) -> list[Verdict]``, one verdict an answer, in order: for what needs a model, a sandbox or other verifiers.
Neither raises on any response, nor accepts one against a reference that it cannot read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from tasks.runtime.plugins import load_plugin, plugin_names
from tasks.runtime.rows import STATES
from tasks.verify.plants import Plant
from tasks.verify.settings import VerifySettings

TextVerifier = Callable[[str, str], "Verdict"]
BatchVerifier = Callable[[Sequence["Answer"], VerifySettings], list["Verdict"]]


@dataclass(frozen=True)
class Answer:
    """One answer to verify.

    Attributes:
        response: what the model wrote.
        verifier: the name of the verifier that judges it.
        reference: what it is checked against, in the form that the verifier reads.
        messages: the prompt's messages, last the user's turn; empty where only the two texts are known.
    """

    response: str
    verifier: str
    reference: str
    messages: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Verdict:
    """One verifier's word on one answer.

    Attributes:
        state: one of `tasks.runtime.rows.STATES`.
        score: 0–1; what the verifier measured. Only `state` decides what is trained on.
        reason: for people; empty when there is nothing to say.

    Raises:
        ValueError: an unknown state, or a score that is not a number in 0–1.
    """

    state: str
    score: float = 0.0
    reason: str = ""

    def __post_init__(self) -> None:
        if self.state not in STATES:
            raise ValueError(f"state {self.state!r} is none of {', '.join(STATES)}")
        if not (math.isfinite(self.score) and 0 <= self.score <= 1):
            raise ValueError(f"score {self.score!r} is not in 0–1")


def verifier(
    version: str,
    check_reference: Callable[[str], str],
    plants: Callable[[str], Iterable[Plant]] | None = None,
    judges_form: Callable[[str], bool] = lambda reference: False,
) -> Callable[[TextVerifier], TextVerifier]:
    """Give a text verifier its attributes.

    Args:
        version: part of the cache key of a verification; bump it when the same texts should get another verdict.
        check_reference: ``(reference) -> problem``: why the reference cannot be read, empty when it can.
        plants: ``(reference) -> answers`` that are right and wrong by construction, for the self-test; the wrong ones
            that any verifier must see through (tasks/verify/plants.py) need not be among them.
        judges_form: ``(reference)``: whether only the form of an answer is judged, so that one which says nothing, or the
            prompt again, may be right.

    A plug-in without these attributes works too: its version is ``"0"``, its references are checked when used, and the
    self-test has only the general wrong answers for it.
    """

    def mark(function: TextVerifier) -> TextVerifier:
        function.version = version  # type: ignore[attr-defined]
        function.check_reference = check_reference  # type: ignore[attr-defined]
        function.plants = plants  # type: ignore[attr-defined]
        function.judges_form = judges_form  # type: ignore[attr-defined]
        return function

    return mark


def batch_verifier(
    version: str | Callable[[VerifySettings], str],
    check_reference: Callable[[str], str],
    plants: Callable[[str], Iterable[Plant]] | None = None,
    parts: Callable[[str], set[str]] | None = None,
    judges_form: Callable[[str], bool] = lambda reference: False,
) -> Callable[[BatchVerifier], BatchVerifier]:
    """Give a batch verifier its attributes, as `verifier` does.

    Args:
        version: may depend on the settings (a model's digest).
        parts: ``(reference) -> names`` of the verifiers that this one asks; their versions count as well.
    """

    def mark(function: BatchVerifier) -> BatchVerifier:
        function.batch = True  # type: ignore[attr-defined]
        function.version = version  # type: ignore[attr-defined]
        function.check_reference = check_reference  # type: ignore[attr-defined]
        function.plants = plants  # type: ignore[attr-defined]
        function.parts = parts  # type: ignore[attr-defined]
        function.judges_form = judges_form  # type: ignore[attr-defined]
        return function

    return mark


def is_batch(function: Callable[..., Any]) -> bool:
    """Whether a verifier function is a batch verifier."""
    return bool(getattr(function, "batch", False))


def verifier_versions(names: Iterable[str], settings: VerifySettings) -> dict[str, str]:
    """Verifier name → its version, for a task's arguments. Raises `UnknownPluginError`."""
    return {name: version_of(plugin(name), settings) for name in sorted(set(names))}


def version_of(function: Callable[..., Any], settings: VerifySettings) -> str:
    """A verifier function's version under `settings`."""
    version = getattr(function, "version", "0")
    return str(version(settings)) if callable(version) else str(version)


def verifiers_of(name: str, reference: str) -> set[str]:
    """A prompt's verifier, and those that it asks in turn. Raises `UnknownPluginError`."""
    parts = getattr(plugin(name), "parts", None)
    return {name, *(parts(reference) if parts else ())}


def reference_problem(name: str, reference: str) -> str:
    """Why the verifier called `name` cannot read `reference`; empty when it can, or has no way to tell.

    Raises:
        UnknownPluginError: no such verifier.
    """
    check = getattr(plugin(name), "check_reference", None)
    return str(check(reference)) if check else ""


@cache
def needs_reference(name: str) -> bool:
    """Whether prompts for the verifier called `name` must have a reference: not when it says that it can read an empty one.

    Only a registered name is looked up: it may come from data, which never chooses what is imported.
    """
    if name not in plugin_names("verifiers"):
        return True
    check = getattr(plugin(name), "check_reference", None)
    return check is None or bool(check(""))


def judges_form(name: str, reference: str) -> bool:
    """Whether the verifier called `name` judges only the form of an answer to such a reference."""
    form = getattr(plugin(name), "judges_form", None)
    return bool(form and form(reference))


@cache  # a look-up reads what is registered on the disk, and a file of prompts asks once a row
def plugin(name: str) -> Callable[..., Any]:
    """The verifier function called `name`, looked up once a process. Raises `UnknownPluginError`."""
    function: Callable[..., Any] = load_plugin("verifiers", name)
    return function
