"""Any mix of verifiers over a stream of answers: text verifiers in processes that can be killed, batch verifiers here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from tasks.runtime.errors import ContractError
from tasks.verify.settings import VerifySettings
from tasks.verify.verdict import Answer, Verdict, is_batch, plugin
from tasks.verify.workers import Workers

CHUNK_ANSWERS = 512


def verify_answers(answers: Iterable[Answer], settings: VerifySettings) -> Iterator[Verdict]:
    """One verdict for each answer, in order; memory holds one chunk of answers.

    Call it from a process that runs no threads of its own making (a stage, the command line): text verifiers run in forks.

    Raises:
        ContractError: a batch verifier does not return one verdict an answer.
        PassingFaultError: a worker dies again and again before it begins with an answer.
        UnknownPluginError: a verifier's name does not resolve.
    """
    stream = iter(answers)
    with Workers(settings.time_limit) as workers:
        while chunk := list(islice(stream, CHUNK_ANSWERS)):
            yield from _chunk(chunk, settings, workers)


def _chunk(chunk: Sequence[Answer], settings: VerifySettings, workers: Workers) -> list[Verdict]:
    kinds: dict[str, list[int]] = {}
    for index, answer in enumerate(chunk):
        # All text verifiers together: one answer's text is as good as another's to a worker.
        kinds.setdefault(answer.verifier if is_batch(plugin(answer.verifier)) else "", []).append(index)
    verdicts: dict[int, Verdict] = {}
    for name, places in kinds.items():
        answers = [chunk[index] for index in places]
        found = _batch(name, answers, settings) if name else workers.verdicts(answers)
        verdicts.update(zip(places, found, strict=True))
    return [verdicts[index] for index in range(len(chunk))]


def _batch(name: str, answers: list[Answer], settings: VerifySettings) -> list[Verdict]:
    verdicts: list[Verdict] = plugin(name)(answers, settings)
    if len(verdicts) != len(answers) or not all(isinstance(verdict, Verdict) for verdict in verdicts):
        raise ContractError(f"verifier {name!r} must return one Verdict for each of its {len(answers)} answers")
    return verdicts
