"""The `judge` verifier: a model says how well a response meets a rubric.

The reference is the rubric (tasks/verify/models/rubric.py: forms); it may be empty. The model is one on this machine, or
stands behind an endpoint. Each response gets two questions whose biases cancel (tasks/verify/models/questions.py); the
score is the mean of both answers, from 0 (worst) to 1 (best). A judge that does not understand the question gives one
half, so that only scores above it can be accepted.

How far instructions in a response can move the score. With the 135M model of the tests as judge, planted attacks (orders
to give 5, ratings written out, forged turns and fences) moved the answer to one question by up to 0.39, and the score by up
to 0.036, from that of neutral words of the same length; the tests hold the score to `MOVED_AT_MOST`. That model cannot
tell a good response from a bad one, so this measures one thing: a number that is talked in cancels out. With any judge, a
response that has one question wholly in its hand is accepted at 0.75 only if the other's answer is 0.5 or more. A judge
that reads well enough to be persuaded that a bad response is good is persuaded on both scales: against that stand the
fence, the rubric told again, and the audit by another verifier.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.runtime.endpoints import open_endpoint
from tasks.runtime.errors import ConfigurationError
from tasks.runtime.hardware import compute_dtype
from tasks.verify.answers import after_thinking
from tasks.verify.models.endpoint_judge import ask_endpoint
from tasks.verify.models.loading import model_digest
from tasks.verify.models.local_judge import local_judge
from tasks.verify.models.questions import Question, comparison_questions, rating_questions
from tasks.verify.models.rubric import Rubric, check_reference, parse_rubric
from tasks.verify.models.texts import control_pattern
from tasks.verify.settings import JudgeSettings, VerifySettings
from tasks.verify.verdict import Answer, Verdict, batch_verifier

VERSION = "2"
MOVED_AT_MOST = 0.05
TIE = 0.5

Opinion = float | Verdict  # a score, or the verdict to give instead


@dataclass(frozen=True)
class Case:
    """A response to judge: by itself, or against ``rubric.against``, where that is given.

    Attributes:
        messages: the prompt's; none where it is not known.
    """

    messages: Sequence[Mapping[str, Any]]
    response: str
    rubric: Rubric

    def questions(self, controls: re.Pattern[str]) -> tuple[Question, Question]:
        if self.rubric.against:
            return comparison_questions(self.messages, self.response, self.rubric.against, self.rubric, controls)
        return rating_questions(self.messages, self.response, self.rubric, controls)


def opinions(cases: Sequence[Case], settings: JudgeSettings) -> list[tuple[Opinion, str]]:
    """What the judge holds of each case, and why.

    A rating's opinion is the mean of the two answers. So is a comparison's, where 1 means that the response is better than
    what it is compared with; but when the two orders disagree, the two are a tie, 0.5.

    Raises:
        ConfigurationError: no judge is set, or it does not load.
        PassingFaultError: the endpoint is down.
    """
    return [_opinion(case, *pair) for case, pair in zip(cases, _answers(cases, settings), strict=True)]


def _answers(cases: Sequence[Case], settings: JudgeSettings) -> list[tuple[Opinion, Opinion]]:
    if not cases:
        return []
    if settings.endpoint:
        controls = control_pattern()
        questions = [question for case in cases for question in case.questions(controls)]
        answers = ask_endpoint(questions, open_endpoint(settings.endpoint, settings.model))
    else:
        judge = local_judge(_model(settings))
        questions = [question for case in cases for question in case.questions(judge.controls)]
        answers = judge.ask(questions, settings.batch_rows)
    return list(zip(answers[::2], answers[1::2], strict=True))


def _opinion(case: Case, one: Opinion, other: Opinion) -> tuple[Opinion, str]:
    for answer in (one, other):
        if isinstance(answer, Verdict):
            return answer, answer.reason
    assert not isinstance(one, Verdict)
    assert not isinstance(other, Verdict)
    if not case.rubric.against:
        return (one + other) / 2, f"rated {one:.2f}, and {other:.2f} on the mirrored scale"
    if (one > TIE) != (other > TIE):
        return TIE, f"a tie: better with {one:.2f} as the first of two, with {other:.2f} as the second"
    return (one + other) / 2, f"better with {one:.2f} as the first of two, with {other:.2f} as the second"


def _model(settings: JudgeSettings) -> str:
    if not settings.model:
        raise ConfigurationError(
            "no judge is set: give judge.model ('embedded', a folder, a hub id), or judge.endpoint and the model's name there"
        )
    return settings.model


def _version(settings: VerifySettings) -> str:
    """Changes with the judge: the digest of its weights and the number format, or where it is asked under which name."""
    judge = settings.judge
    if not judge.endpoint:
        return f"{VERSION}+{model_digest(_model(judge))}+{compute_dtype()}"
    endpoint = open_endpoint(judge.endpoint, judge.model)
    return f"{VERSION}+{hashlib.sha256(f'{endpoint.base_url} {endpoint.model}'.encode()).hexdigest()[:16]}"


def _case(answer: Answer) -> Case | Verdict:
    try:
        rubric = parse_rubric(answer.reference)
    except ValueError as error:
        return Verdict("reference_unparsable", reason=str(error))
    response = after_thinking(answer.response).strip()
    return Case(answer.messages, response, rubric) if response else Verdict("answer_unparsable", reason="the answer is empty")


@batch_verifier(version=_version, check_reference=check_reference)
def judge(answers: Sequence[Answer], settings: VerifySettings) -> list[Verdict]:
    """Accept a response whose score reaches ``settings.judge.accept_at`` (module docstring: score).

    Raises:
        ConfigurationError, PassingFaultError: as `opinions`; never for what a response says.
    """
    cases = [_case(answer) for answer in answers]
    asked = iter(opinions([case for case in cases if isinstance(case, Case)], settings.judge))
    return [case if isinstance(case, Verdict) else _verdict(*next(asked), settings.judge.accept_at) for case in cases]


def _verdict(opinion: Opinion, reason: str, accept_at: float) -> Verdict:
    if isinstance(opinion, Verdict):
        return opinion
    return Verdict("accepted" if opinion >= accept_at else "rejected", opinion, reason)
