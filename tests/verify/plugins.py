"""Verifiers that misbehave, found by path in the tests."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tasks.verify.settings import VerifySettings
from tasks.verify.verdict import Answer, Verdict, batch_verifier, verifier


def trivial(response: str, reference: str) -> Verdict:
    """Accepts what equals the reference."""
    return Verdict("accepted", 1.0) if response == reference else Verdict("rejected")


def unruly(response: str, reference: str) -> Verdict:
    """Does what the response says."""
    if response == "hang":
        while True:
            pass
    if response == "sleep":
        time.sleep(3600)
    if response == "segfault":
        faulthandler.disable()  # pytest's, which would print a page
        os.kill(os.getpid(), signal.SIGSEGV)
    if response == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if response == "leave":
        os._exit(0)
    if response == "exit":
        sys.exit(3)
    if response == "raise":
        raise RuntimeError("no such thing")
    if response == "text":
        return "accepted"  # type: ignore[return-value]
    if response == "close":
        os.closerange(3, 256)
    if response == "print":
        print("a verifier that talks", flush=True)
    if response == "surrogate":
        return Verdict("rejected", reason="\ud800" * 1000)
    return trivial(response, reference)


unruly.version = "7"  # type: ignore[attr-defined]


@verifier(version="1", check_reference=lambda reference: "")
def slow(response: str, reference: str) -> Verdict:
    """Takes a tenth of a second."""
    time.sleep(0.1)
    return trivial(response, reference)


def _version_in_file(settings: VerifySettings) -> str:
    return Path(settings.judge.model).read_text()


@batch_verifier(version=_version_in_file, check_reference=lambda reference: "")
def of_a_model(answers: Sequence[Answer], settings: VerifySettings) -> list[Verdict]:
    """Says the version of its model, which is what stands in the file that the settings name."""
    return [Verdict("accepted", 1.0, _version_in_file(settings)) for _ in answers]
