"""Verifiers that say what their reference tells them to, to be parts of others in tests."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from tasks.verify.plants import Plant
from tasks.verify.settings import VerifySettings
from tasks.verify.verdict import Answer, Verdict, batch_verifier, verifier

ASKED: list[list[str]] = []  # the references of each call of `said`


def _check(reference: str) -> str:
    return "" if reference.partition(" ")[0] != "unreadable" else "it says so"


def _plants(reference: str) -> Iterator[Plant]:
    yield Plant(f"right for {reference}", True, "plain")
    yield Plant(f"wrong for {reference}", False, "plain")


@batch_verifier(version="1", check_reference=_check, plants=_plants)
def said(answers: Sequence[Answer], settings: VerifySettings) -> list[Verdict]:
    """The state and the score that the reference holds: ``accepted 0.8``."""
    ASKED.append([answer.reference for answer in answers])
    verdicts = []
    for answer in answers:
        state, _, score = answer.reference.partition(" ")
        verdicts.append(Verdict(state, float(score or (state == "accepted")), f"{state} was asked for"))
    return verdicts


@verifier(version="1", check_reference=lambda reference: "")
def sleepy(response: str, reference: str) -> Verdict:
    """Takes as many seconds as the reference says."""
    time.sleep(float(reference))
    return Verdict("accepted", 1.0)
