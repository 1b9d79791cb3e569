"""Verifying answers, protected, against calling the plain library in a loop, unprotected."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator

from flows.benches.workload import Workload, workload
from tasks.runtime.errors import WinnowError
from tasks.runtime.memory import PeakMemory
from tasks.verify.settings import VerifySettings
from tasks.verify.verdict import Answer

# `math` and `code` cost thousands of times what `number` costs: as many answers of each as take a like time.
_MATH_SHARE, _CODE_SHARE = 200, 5_000
_PEER_ANSWERS = 100_000


def bench_verification(count: int) -> list[Workload]:
    """`count` short answers through `number`, a share of that through `math` and `code`; `ratio`: verdicts/s ours ÷ peer.

    The peers: our own function called in a loop (what the killable processes cost or gain), math-verify's parse and verify
    in a loop, and a fresh Python a program with nothing to hold it. All answers are streamed; none is kept.
    """
    numbers = max(count // _MATH_SHARE, 20)
    programs = max(count // _CODE_SHARE, 10)
    return [
        _measured("number", lambda: _sums(count), _plain_number, min(count, _PEER_ANSWERS)),
        _measured("math", lambda: _formulas(numbers), _plain_math_verify, numbers),
        _measured("code", lambda: _programs(programs), _plain_subprocess, programs),
    ]


def _measured(name: str, answers: Callable[[], Iterator[Answer]], peer: Callable[[Answer], bool], of_peer: int) -> Workload:
    from itertools import islice

    from tasks.verify.dispatch import verify_answers

    settings = VerifySettings()
    peer(next(answers()))  # imports
    next(verify_answers(islice(answers(), 1), settings))
    started = time.monotonic()
    accepted_by_peer = sum(peer(answer) for answer in islice(answers(), of_peer))
    theirs = of_peer / (time.monotonic() - started)
    peak = PeakMemory()
    peak.start()
    started = time.monotonic()
    states: Counter[str] = Counter()
    first: Counter[str] = Counter()
    for index, verdict in enumerate(verify_answers(answers(), settings)):
        states[verdict.state] += 1
        if index < of_peer:
            first[verdict.state] += 1
    ours = states.total() / (time.monotonic() - started)
    peak.stop()
    if first["accepted"] != accepted_by_peer:
        raise WinnowError(f"{name}: {first} against {accepted_by_peer} accepted by the peer: they did not do the same work")
    return workload(
        f"{name}, {states.total():,} answers",
        ratio=ours / theirs,
        ours=ours,
        peer=theirs,
        unit="verdicts/s",
        limit_share=states["timed_out"] / states.total(),
        peak_bytes=peak.peak_bytes,
    )


def _sums(count: int) -> Iterator[Answer]:
    """Sums of two numbers, every third answer wrong."""
    draw = random.Random(0)
    for index in range(count):
        first, second = draw.randrange(1000), draw.randrange(1000)
        offered = first + second + (index % 3 == 0)
        yield Answer(f"{first} + {second} = {offered}. The answer is {offered}.", "number", str(first + second))


def _formulas(count: int) -> Iterator[Answer]:
    """Fractions and roots in LaTeX, every third answer wrong."""
    draw = random.Random(0)
    for index in range(count):
        top, root = draw.randrange(2, 100), draw.randrange(2, 30)
        offered = top + (index % 3 == 0)
        yield Answer(
            f"So the length is $\\boxed{{\\frac{{{2 * offered}\\sqrt{{{root}}}}}{{14}}}}$.",
            "math",
            f"$\\frac{{{top}\\sqrt{{{root}}}}}{{7}}$",
        )


def _programs(count: int) -> Iterator[Answer]:
    """Small functions, every third wrong."""
    for index in range(count):
        body = "a + b" if index % 3 else "a - b"
        program = f"```python\ndef add(a, b):\n    return {body}\n```"
        yield Answer(program, "code", json.dumps({"tests": f"assert add({index}, 2) == {index + 2}\n"}))


def _plain_number(answer: Answer) -> bool:
    from tasks.verify.number import number

    return number(answer.response, answer.reference).state == "accepted"


def _plain_math_verify(answer: Answer) -> bool:
    from math_verify import parse, verify

    gold = parse(answer.reference, parsing_timeout=None)
    return bool(verify(gold, parse(answer.response, parsing_timeout=None), timeout_seconds=None))


def _plain_subprocess(answer: Answer) -> bool:
    program = answer.response.removeprefix("```python\n").removesuffix("```")
    source = program + json.loads(answer.reference)["tests"]
    return subprocess.run([sys.executable, "-c", source], capture_output=True, check=False).returncode == 0
