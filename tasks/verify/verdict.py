"""Verdicts, and what makes a plain function a verifier.

A verifier is ``def name(response: str, reference: str) -> Verdict``. It never raises on any response, and never accepts
one against a reference that it cannot read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from tasks.runtime.plugins import load_plugin
from tasks.runtime.rows import STATES

VerifierFunction = Callable[[str, str], "Verdict"]


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


def verifier(version: str, check_reference: Callable[[str], str]) -> Callable[[VerifierFunction], VerifierFunction]:
    """Give a verifier function its two attributes.

    Args:
        version: part of the cache key of a verification; bump it when the same texts should get another verdict.
        check_reference: ``(reference) -> problem``: why the reference cannot be read, empty when it can.

    A plug-in without these attributes works too: its version is ``"0"`` and its references are checked when used.
    """

    def mark(function: VerifierFunction) -> VerifierFunction:
        function.version = version  # type: ignore[attr-defined]
        function.check_reference = check_reference  # type: ignore[attr-defined]
        return function

    return mark


def verifier_versions(names: Iterable[str]) -> dict[str, str]:
    """Verifier name → its version, for a task's arguments. Raises `UnknownPluginError`."""
    return {name: version_of(load_plugin("verifiers", name)) for name in sorted(set(names))}


def version_of(function: Callable[..., Any]) -> str:
    """A verifier function's version."""
    return str(getattr(function, "version", "0"))


def reference_problem(name: str, reference: str) -> str:
    """Why the verifier called `name` cannot read `reference`; empty when it can, or has no way to tell.

    Raises:
        UnknownPluginError: no such verifier.
    """
    check = _reference_check(name)
    return str(check(reference)) if check else ""


@cache  # a look-up reads what is registered on the disk, and a file of prompts asks once a row
def _reference_check(name: str) -> Callable[[str], str] | None:
    return getattr(load_plugin("verifiers", name), "check_reference", None)
