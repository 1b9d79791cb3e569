"""The audit: a second verifier's word on rare successes, and a random sample of accepted answers put aside for people.

Where few answers of a prompt are right, an accepted one is likely to be a mistake of the verifier: at a true rate of 5 %
and 3 % false positives, 62 % of what is accepted is right. An accepted answer to a prompt whose estimated pass rate is
below `rare_below` therefore needs the agreement of a second, different verifier. Besides, a random sample of accepted
answers (the smallest sha256 of their ids) is shown to it, so that the share on which the two agree is known for prompts
of every difficulty. What a second verifier did not accept is never trained on, rare or not.

Only whole answers take part: one that was cut by length is not trained on anyway.
"""

from __future__ import annotations

import hashlib
import heapq
import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from tasks.runtime.errors import ConfigurationError, ContractError, DataError
from tasks.runtime.progress import tracked
from tasks.runtime.rows import Row, read_rows, write_rows
from tasks.select.pass_rates import pass_rate
from tasks.verify.dispatch import verify_answers
from tasks.verify.rows import prompts_by_id
from tasks.verify.settings import AuditSettings, VerifySettings
from tasks.verify.verdict import Answer, Verdict, needs_reference, reference_problem, verifier_versions

FILE, DISAGREED = "audit.jsonl", "disagreed.jsonl"
DECILES = 10
_JUDGED = ("accepted", "rejected", "answer_unparsable")
_SHOWN_PROBLEMS = 5


def second_reference(prompt: Row, name: str) -> str:
    """What the verifier called `name` checks answers to `prompt` against: its own entry in the prompt's
    ``metadata["references"]``, else the prompt's reference; none for one that needs none, for which that would be a rubric."""
    references = (prompt.get("metadata") or {}).get("references")
    own = references.get(name) if isinstance(references, Mapping) else None
    return own if isinstance(own, str) else str(prompt["reference"]) if needs_reference(name) else ""


def check_second(prompts: Iterable[Row], audit: AuditSettings) -> None:
    """Refuse, before anything is sampled, prompts that the second verifier cannot judge; nothing without one.

    Raises:
        DataError: it cannot read the references of some prompts, naming the first.
        ConfigurationError: it is the prompts' own verifier, whose agreement with itself would mean nothing.
        UnknownPluginError: its name does not resolve.
    """
    name, problems = audit.second_verifier, []
    for row in prompts if name else ():
        if row["verifier"] == name:
            raise ConfigurationError(
                f"audit.second_verifier: prompt {row['id']!r} is verified by {name!r} already; name another verifier, or none"
            )
        if problem := reference_problem(name, second_reference(row, name)):
            problems.append(f"{row['id']!r}: {problem}")
    if problems:
        more = f" … and {len(problems) - _SHOWN_PROBLEMS} more" if len(problems) > _SHOWN_PROBLEMS else ""
        raise DataError(
            f"audit.second_verifier {name!r} cannot read the references of {len(problems)} prompts "
            f"({'; '.join(problems[:_SHOWN_PROBLEMS])}{more}); give each prompt one in metadata.references.{name}, "
            "or name another verifier, or none"
        )


@dataclass(frozen=True)
class Audited:
    """An accepted answer that the audit looked at.

    Attributes:
        sample, verdict: its rows.
        pass_rate: of its prompt, 0–1.
        rare, random: why it is here; both may hold.
        second: the second verifier's verdict; None when there is no second verifier.
    """

    sample: Row
    verdict: Row
    pass_rate: float
    rare: bool
    random: bool
    second: Verdict | None = None

    @property
    def disagreed(self) -> bool:
        return self.second is not None and self.second.state != "accepted"

    @property
    def decile(self) -> int:
        """Of the pass rate: 0 for below 0.1, … 9 for 0.9 and above."""
        return min(int(self.pass_rate * DECILES), DECILES - 1)


def audited_answers(
    samples: Iterable[Row],
    verdicts: Iterable[Row],
    prompts: Mapping[str, Row],
    pass_rates: Mapping[str, float],
    settings: VerifySettings,
    audit: AuditSettings,
) -> list[Audited]:
    """The accepted answers that are rare successes or in the random sample, with the second verifier's verdicts.

    Args:
        samples, verdicts: of one round; a verdict whose sample is not there (put aside by validation) does not count.
        prompts: prompt id → prompt row.
        pass_rates: prompt id → estimated pass rate, of every prompt with an accepted answer.
        audit: `rows` is the size of the random sample. Without a second verifier nothing is a rare success.

    Returns:
        By sample id. Memory: the answers returned, and the accepted verdicts.

    Raises:
        ContractError: an accepted answer whose prompt has no row or no pass rate.
    """
    chosen = _chosen(samples, verdicts, prompts, pass_rates, audit)
    if not (name := audit.second_verifier):
        return chosen
    answers = (_second_answer(one.sample, prompts[one.sample["prompt_id"]], name) for one in chosen)
    seconds = tracked(verify_answers(answers, settings), len(chosen), "second verdicts")
    return [replace(one, second=second) for one, second in zip(chosen, seconds, strict=True)]


def _second_answer(sample: Row, prompt: Row, name: str) -> Answer:
    return Answer(sample["text"], name, second_reference(prompt, name), prompt["messages"])


def _chosen(
    samples: Iterable[Row],
    verdicts: Iterable[Row],
    prompts: Mapping[str, Row],
    pass_rates: Mapping[str, float],
    audit: AuditSettings,
) -> list[Audited]:
    accepted = {row["sample_id"]: row for row in verdicts if row["state"] == "accepted"}
    rare: dict[str, Row] = {}

    def whole() -> Iterator[Row]:
        for sample in samples:
            if sample["sample_id"] not in accepted or sample["finish_reason"] != "stop":
                continue
            if sample["prompt_id"] not in prompts or sample["prompt_id"] not in pass_rates:
                raise ContractError(
                    f"sample {sample['sample_id']!r}: its prompt has no row or no pass rate; count the round's verdicts first"
                )
            if audit.second_verifier and pass_rates[sample["prompt_id"]] < audit.rare_below:
                rare[sample["sample_id"]] = sample
            yield sample

    stream = whole()
    drawn = heapq.nsmallest(audit.rows, stream, key=lambda row: hashlib.sha256(row["sample_id"].encode()).digest())
    deque(stream, maxlen=0)  # of no rows at all, `nsmallest` reads nothing
    random = {row["sample_id"]: row for row in drawn}
    return [
        Audited(sample, accepted[name], pass_rates[sample["prompt_id"]], name in rare, name in random)
        for name, sample in sorted((rare | random).items())
    ]


def audit_folders(
    samples: list[Path],
    verdicts: list[Path],
    prompts: Path,
    pass_rates: Path,
    settings: VerifySettings,
    audit: AuditSettings,
    out: Path,
) -> dict[str, Any]:
    """`audited_answers` over artifact folders.

    Into `out`: the second verdicts as verdict rows, the random sample as `FILE`, and what the second verifier did not
    accept as `DISAGREED` (JSON lines with texts and both verdicts).

    Returns:
        ``counts`` (``rows``: second verdicts; ``rare``, ``random``, ``disagreed``, ``rare_disagreed``, ``undecided``) and
        ``deciles``: for each decile of difficulty, how many answers the second verifier judged and accepted.
    """
    by_id = prompts_by_id(read_rows(prompts))
    rates = {row["prompt_id"]: pass_rate(row) for row in read_rows(pass_rates)}
    audited = audited_answers(_rows(samples), _rows(verdicts), by_id, rates, settings, audit)
    rows = write_rows(out, "verdicts", second_verdicts(audited, audit.second_verifier, settings))
    for file, lines in ((FILE, [one for one in audited if one.random]), (DISAGREED, [one for one in audited if one.disagreed])):
        with (out / file).open("w", encoding="utf-8") as written:
            written.writelines(json.dumps(_line(one, by_id, audit.second_verifier)) + "\n" for one in lines)
    about = {
        "rows": rows,
        "rare": sum(one.rare for one in audited),
        "random": sum(one.random for one in audited),
        "disagreed": sum(one.disagreed for one in audited),
        "rare_disagreed": sum(one.rare and one.disagreed for one in audited),
        "undecided": sum(one.second is not None and one.second.state not in _JUDGED for one in audited),
    }
    return {"counts": about, "deciles": deciles(audited)}


def _rows(folders: list[Path]) -> Iterator[Row]:
    return chain.from_iterable(map(read_rows, folders))


def second_verdicts(audited: Iterable[Audited], name: str, settings: VerifySettings) -> Iterator[Row]:
    """The second verifier's verdict rows; none without one."""
    version = verifier_versions([name], settings)[name] if name else ""
    for one in audited:
        if one.second is not None:
            about = {"sample_id": one.sample["sample_id"], "verifier": name, "verifier_version": version}
            yield about | {"state": one.second.state, "score": one.second.score, "reason": one.second.reason}


def deciles(audited: Iterable[Audited]) -> list[dict[str, int]]:
    """How far the two verifiers agree, by difficulty: ``decile`` (0: pass rates below 0.1), ``judged``, ``agreed``.

    Deciles of rare successes are a census, the others a sample. A second verdict that says nothing about the answer (an
    error, a time-out, a reference it cannot read) is not counted.
    """
    judged, agreed = Counter[int](), Counter[int]()
    for one in audited:
        if one.second is not None and one.second.state in _JUDGED:
            judged[one.decile] += 1
            agreed[one.decile] += not one.disagreed
    return [{"decile": decile, "judged": judged[decile], "agreed": agreed[decile]} for decile in sorted(judged)]


def _line(one: Audited, prompts: Mapping[str, Row], name: str) -> dict[str, Any]:
    prompt, second = prompts[one.sample["prompt_id"]], one.second
    return {
        "sample_id": one.sample["sample_id"],
        "prompt_id": one.sample["prompt_id"],
        "pass_rate": one.pass_rate,
        "decile": one.decile,
        "rare": one.rare,
        "random": one.random,
        "messages": prompt["messages"],
        "response": one.sample["text"],
        "reference": prompt["reference"],
        "first": {key: one.verdict.get(key) for key in ("verifier", "verifier_version", "state", "score", "reason")},
        "second": second and {"verifier": name, "state": second.state, "score": second.score, "reason": second.reason},
    }


def for_round(audit: AuditSettings, audited: int, rounds_left: int) -> AuditSettings:
    """The settings for one of a night's rounds: an equal share of the rows that the rounds before left over."""
    return audit.model_copy(update={"rows": -(-max(audit.rows - audited, 0) // rounds_left)})
