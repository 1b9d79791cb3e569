"""What the audit is worth: verifiers with an injected fault, on answers that the embedded model really draws.

Both verifiers know the truth, and each accepts 3 % of the wrong answers all the same: those whose sample id its own
sha256 falls on, so that the two faults are independent. Where the model is right with probability p and the fault is f, a
share p / (p + f (1 − p)) of what one verifier accepts is right, and p / (p + f² (1 − p)) of what both accept.

The first half of a question's draws stands for past nights: pass rates come from it. The audit is measured on the second
half. With one set of draws for both, a question would be called hard because its draws were refused, and the arithmetic
would be that of a truncated distribution.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from flows.benches.workload import Workload, workload
from tasks.runtime.errors import ConfigurationError
from tasks.runtime.rows import Row
from tasks.verify.audit import audited_answers
from tasks.verify.number import number
from tasks.verify.rows import verify_rows
from tasks.verify.settings import AuditSettings, VerifySettings
from tasks.verify.verdict import Verdict

FAULT = 0.03
FIRST, SECOND = "flows.benches.audit:first", "flows.benches.audit:second"
_EXAMPLES = 3  # worked examples before each question: the base model then answers in a number, and ends
_MAX_TOKENS = 8


def _faulty(salt: str) -> Callable[[str, str], Verdict]:
    """`number`, which accepts a wrong answer when the sha256 of salt and sample id falls below `FAULT`.

    Its reference is JSON: ``{"number", "sample"}``.
    """

    def verify(response: str, reference: str) -> Verdict:
        known = json.loads(reference)
        verdict = number(response, known["number"])
        place = int(hashlib.sha256(f"{salt}/{known['sample']}".encode()).hexdigest()[:13], 16) / 16**13
        return Verdict("accepted", 1.0, "the injected fault") if verdict.state != "accepted" and place < FAULT else verdict

    return verify


first, second = _faulty("first"), _faulty("second")


@dataclass(frozen=True)
class Precision:
    """Accepted answers to questions with pass rates below 0.1: how many, how many of them right, and what was expected."""

    accepted: int
    right: int
    expected: float


def expected_precision(right_share: float, false_positives: float) -> float:
    """p / (p + f (1 − p)): the share of right ones among accepted answers (Bayes); 0 when nothing is right.

    Args:
        right_share: p, the probability that an answer is right.
        false_positives: f, the probability that a wrong one is accepted.
    """
    accepted = right_share + false_positives * (1 - right_share)
    return right_share / accepted if accepted else 0.0


def bench_audit(questions: int, draws: int) -> list[Workload]:
    """Precision of the accepted answers without and with the audit; `ratio`: measured ÷ expected, near 1.

    Args:
        questions: sums of a number of two digits and one of one digit.
        draws: for each question, of past nights, and as many again that are audited.

    Raises:
        ConfigurationError: so few answers that none of the accepted ones is right.
    """
    from tasks.runtime.memory import PeakMemory

    peak = PeakMemory()
    peak.start()
    asked = sums(questions)
    alone, audited = measured(asked, list(_drawn(asked, 2 * draws)), draws)
    peak.stop()
    return [_told(name, one, alone.right, peak.peak_bytes) for name, one in (("one verifier", alone), ("audited", audited))]


def _told(name: str, found: Precision, right: int, peak_bytes: int) -> Workload:
    """`right`: of the right answers that one verifier accepts, whose kept share is the limit."""
    from tasks.gate.statistics import wilson

    if not found.right:
        raise ConfigurationError(
            "no answer that was accepted is right: too few to measure anything; raise --questions or --draws"
        )
    share = found.right / found.accepted
    low, high = wilson(found.right, found.accepted)
    made = workload(
        f"{name}: {found.right} of {found.accepted} right, 95 % interval {low:.1%} – {high:.1%}",
        ratio=share / found.expected,
        ours=100 * share,
        peer=100 * found.expected,
        unit="% right",
        limit_share=found.right / right,
        peak_bytes=peak_bytes,
    )
    return made | {"low": 100 * low, "high": 100 * high, "right": found.right, "accepted": found.accepted}


def sums(count: int) -> list[Row]:
    """`count` prompt rows, the same every time; each question follows worked examples.

    The base model is right on about one draw in ten of such sums, and on one in twenty to fifty of the harder half.
    """
    numbers = random.Random(5)

    def turn() -> tuple[str, str]:
        one, other = numbers.randint(10, 99), numbers.randint(1, 9)
        return f"{one} + {other} =", str(one + other)

    examples = []
    for question, answer in (turn() for _ in range(_EXAMPLES)):
        examples += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return [
        {"id": f"sum-{index}", "messages": [*examples, {"role": "user", "content": question}], "reference": answer}
        for index, (question, answer) in enumerate(turn() for _ in range(count))
    ]


def measured(questions: list[Row], samples: Iterable[Row], draws: int) -> tuple[Precision, Precision]:
    """Precision without and with the audit, through the real verification, pass rates and audit.

    Args:
        questions: prompt rows whose reference is a number.
        samples: sample rows; draws below `draws` are those of past nights.
    """
    from tasks.select.pass_rates import pass_rate, updated

    past: list[Row] = []
    tonight: list[Row] = []
    for sample in samples:
        (past if sample["draw"] < draws else tonight).append(sample)
    settings, audit = VerifySettings(), AuditSettings(second_verifier=SECOND, rows=0)
    prompts = _a_prompt_a_draw(questions, [*past, *tonight])
    verdicts = list(verify_rows(map(_own_prompt, [*past, *tonight]), prompts, settings))
    rates = {row["prompt_id"]: pass_rate(row) for row in updated((), past, verdicts)}
    rare = [sample for sample in tonight if rates[sample["prompt_id"]] < audit.rare_below and sample["finish_reason"] == "stop"]
    of_draws = {sample["sample_id"]: rates[sample["prompt_id"]] for sample in tonight}
    audited = audited_answers(map(_own_prompt, tonight), verdicts, prompts, of_draws, settings, audit)
    truth = {row["id"]: row["reference"] for row in questions}
    right = {one["sample_id"] for one in rare if number(one["text"], truth[one["prompt_id"]]).state == "accepted"}
    share = len(right) / len(rare) if rare else 0.0
    alone = [one.sample["sample_id"] for one in audited]
    agreed = [one.sample["sample_id"] for one in audited if not one.disagreed]
    return (
        Precision(len(alone), len(right & set(alone)), expected_precision(share, FAULT)),
        Precision(len(agreed), len(right & set(agreed)), expected_precision(share, FAULT**2)),
    )


def _a_prompt_a_draw(questions: list[Row], samples: list[Row]) -> dict[str, Row]:
    """A prompt row for each draw, by its sample's id: the faulty verifiers must know which draw they judge."""
    by_id = {row["id"]: row for row in questions}
    rows = {}
    for sample in samples:
        question, name = by_id[sample["prompt_id"]], sample["sample_id"]
        known = {"number": question["reference"], "sample": name}
        rows[name] = {"id": name, "messages": question["messages"], "reference": json.dumps(known), "verifier": FIRST}
    return rows


def _own_prompt(sample: Row) -> Row:
    return sample | {"prompt_id": sample["sample_id"]}


def _drawn(questions: list[Row], k: int) -> Iterator[Row]:
    from tasks.runtime.hardware import compute_dtype
    from tasks.runtime.models import embedded_model_folder
    from tasks.sample.requests import uniform_requests
    from tasks.sample.settings import SamplingSettings
    from tasks.sample.shards import sample_rows

    settings = SamplingSettings(max_tokens=_MAX_TOKENS)
    yield from sample_rows(
        embedded_model_folder(),
        uniform_requests(questions, k),
        settings,
        {},
        policy="embedded",
        seed=1,
        round=0,
        dtype=compute_dtype(),
    )
