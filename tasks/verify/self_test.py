"""The self-test: each verifier of a run on planted answers to the run's own prompts, before anything is sampled.

Prompts are taken in the order of the sha256 of their ids, plants in turn from each kind, so that no kind crowds out the
others and the same prompts give the same test. Of each share of mistakes the one-sided 95 % upper bound of Clopper and
Pearson (Biometrika 26, 1934) is what must not pass the limit. Plants of one kind, or of one prompt, are not independent:
the bound says how far the test reaches, not how often the verifier errs on what a model writes.

Where the prompts are so few that not even a flawless verifier could reach the bound, all their plants are asked, and the
verifier passes only without a single mistake.
"""

from __future__ import annotations

import hashlib
import heapq
import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import Any

from tasks.runtime.errors import SelfTestError
from tasks.runtime.progress import tracked
from tasks.runtime.rows import Row, read_rows
from tasks.verify.audit import check_second, second_reference
from tasks.verify.dispatch import verify_answers
from tasks.verify.plants import Plant, general_plants
from tasks.verify.settings import AuditSettings, VerifySettings
from tasks.verify.verdict import Answer, Verdict, is_batch, judges_form, plugin

REPORT = "self_test.json"
# So many mistakes may still pass, which decides how many answers are planted. Batch verifiers are the dear ones.
MISTAKES, MISTAKES_OF_BATCH = 2, 1
LEAST_PROMPTS, PLANTS_A_PROMPT = 150, 4
SHOWN_MISTAKES, SHOWN_CHARACTERS = 50, 2_000
_UNDECIDED = ("error", "reference_unparsable")


@dataclass(frozen=True)
class Planted:
    """A plant on a prompt, as an answer to verify."""

    prompt_id: str
    plant: Plant
    answer: Answer


def upper_bound(mistakes: int, planted: int) -> float:
    """One-sided 95 % upper bound of a share, exact (module docstring); 1.0 when nothing was planted."""
    from scipy.stats import binomtest

    if planted == 0:
        return 1.0
    return float(binomtest(mistakes, planted, alternative="less").proportion_ci(0.95, method="exact").high)


@cache
def enough(limit: float, mistakes: int) -> int:
    """The fewest plants of which `mistakes` may go wrong with the upper bound still at `limit` (0.02 and none: 149)."""
    return bisect_left(range(1 << 24), True, lo=mistakes, key=lambda planted: upper_bound(mistakes, planted) <= limit)


def run_self_test(
    rows: Callable[[], Iterable[Row]], names: Iterable[str], settings: VerifySettings, audit: AuditSettings
) -> dict[str, Any]:
    """Plant answers and count what becomes of them.

    Args:
        rows: gives the run's prompt rows, anew at each call.
        names: the verifiers to test; `audit.second_verifier` on its own references. One that no prompt uses is left out.

    Returns:
        ``verifiers``: counts, bounds and verdict (``pass``, ``few``, ``fail``) of each; ``kinds``: counts of each kind of
        plant; ``mistakes``: what went wrong, with texts.

    Raises:
        DataError, ConfigurationError: the second verifier cannot judge some prompts (`tasks.verify.audit.check_second`).
    """
    check_second(rows(), audit)
    planted = [one for name in sorted(set(names)) for one in plant(rows, name, audit)]
    verdicts = tracked(verify_answers((one.answer for one in planted), settings), len(planted), "planted answers")
    results: dict[str, list[tuple[Planted, Verdict]]] = {}
    for one, verdict in zip(planted, verdicts, strict=True):
        results.setdefault(one.answer.verifier, []).append((one, verdict))
    told: dict[str, Any] = {"verifiers": [], "kinds": [], "mistakes": []}
    for name, own in results.items():
        told["verifiers"].append(_judged(name, own, audit))
        told["kinds"] += _by_kind(name, own)
        told["mistakes"] += [_shown(*pair) for pair in own if _mistaken(*pair)][:SHOWN_MISTAKES]
    return told


def plant(rows: Callable[[], Iterable[Row]], name: str, audit: AuditSettings) -> list[Planted]:
    """The answers to plant for the verifier called `name`: wrong ones, then right ones, as many as the limits ask for."""
    spare = MISTAKES_OF_BATCH if is_batch(plugin(name)) else MISTAKES
    wanted = {False: enough(audit.false_positives, spare), True: enough(audit.false_negatives, spare)}
    second = name == audit.second_verifier
    prompts = heapq.nsmallest(
        max(LEAST_PROMPTS, max(wanted.values()) // PLANTS_A_PROMPT),
        (row for row in rows() if second or row["verifier"] == name),
        key=lambda row: _digest(row["id"]),
    )
    references = [second_reference(row, name) if second else row["reference"] for row in prompts]
    own = [_own_plants(name, reference) for reference in references]
    others = [*own[1:], *own[:1]]
    candidates = [
        Planted(row["id"], one, Answer(one.text, name, reference, row["messages"]))
        for row, reference, plants, other in zip(prompts, references, own, others, strict=True)
        for one in {made.text: made for made in _all_plants(name, row, reference, plants, other)}.values()
    ]
    return [
        one for right, count in wanted.items() for one in _in_turn((c for c in candidates if c.plant.right is right), count)
    ]


def _own_plants(name: str, reference: str) -> list[Plant]:
    plants = getattr(plugin(name), "plants", None)
    return list(plants(reference)) if plants else []


def _all_plants(name: str, row: Row, reference: str, own: list[Plant], others: list[Plant]) -> Iterator[Plant]:
    """A prompt's plants, the general ones first; `others` are another prompt's own ones."""
    right, other = ([one.text for one in plants if one.right] for plants in (own, others))
    if {_plain(text) for text in right} & {_plain(text) for text in other}:
        other = []  # the same answer, so not a wrong one
    yield from general_plants(
        str(row["messages"][-1]["content"]) if row["messages"] else "",
        reference,
        right[0] if right else "",
        other[0] if other else "",
        form=judges_form(name, reference),
    )
    yield from own


def _plain(text: str) -> str:
    return "".join(text.casefold().split())


def _digest(text: str) -> str:
    return hashlib.sha256(f"self-test/{text}".encode("utf-8", "replace")).hexdigest()


def _in_turn(candidates: Iterable[Planted], count: int) -> Iterator[Planted]:
    """`count` of the candidates, in turn from each kind."""
    kinds: dict[str, list[Planted]] = {}
    for one in sorted(candidates, key=lambda one: _digest(f"{one.prompt_id}/{one.plant.text}")):
        kinds.setdefault(one.plant.kind, []).append(one)
    turns = chain.from_iterable(zip_longest(*(kinds[kind] for kind in sorted(kinds))))
    return islice((one for one in turns if one is not None), count)


def _mistaken(one: Planted, verdict: Verdict) -> bool:
    return (verdict.state == "accepted") is not one.plant.right


def _judged(name: str, own: list[tuple[Planted, Verdict]], audit: AuditSettings) -> dict[str, Any]:
    """A verifier's counts, bounds and verdict.

    A right answer without a verdict is one that was not accepted; a wrong one without a verdict was not seen through.
    """
    wrong = [pair for pair in own if not pair[0].plant.right and pair[1].state not in _UNDECIDED]
    right = [pair for pair in own if pair[0].plant.right]
    accepted, missed = (sum(_mistaken(*pair) for pair in side) for side in (wrong, right))
    states = Counter(verdict.state for _, verdict in own)
    undecided = sum(states[state] for state in _UNDECIDED)
    bounds = upper_bound(accepted, len(wrong)), upper_bound(missed, len(right)) if right else None
    hold = bounds[0] <= audit.false_positives and (bounds[1] is None or bounds[1] <= audit.false_negatives)
    return {
        "verifier": name,
        "wrong": len(wrong),
        "accepted_wrong": accepted,
        "false_positives": bounds[0],
        "false_positives_limit": audit.false_positives,
        "right": len(right),
        "missed_right": missed,
        "false_negatives": bounds[1],
        "false_negatives_limit": audit.false_negatives,
        "timed_out": states["timed_out"],
        "undecided": undecided,
        "verdict": "pass" if hold else "fail" if accepted or missed or undecided else "few",
    }


def _by_kind(name: str, own: list[tuple[Planted, Verdict]]) -> list[dict[str, Any]]:
    planted, mistaken, undecided = Counter[tuple[bool, str]](), Counter[tuple[bool, str]](), Counter[tuple[bool, str]]()
    for one, verdict in own:
        key = one.plant.right, one.plant.kind
        planted[key] += 1
        mistaken[key] += _mistaken(one, verdict)
        undecided[key] += verdict.state in _UNDECIDED
    return [
        {"verifier": name, "right": key[0], "kind": key[1], "planted": planted[key]}
        | {"mistaken": mistaken[key], "undecided": undecided[key]}
        for key in sorted(planted)
    ]


def _shown(one: Planted, verdict: Verdict) -> dict[str, Any]:
    about = {"verifier": one.answer.verifier, "prompt_id": one.prompt_id, "kind": one.plant.kind, "right": one.plant.right}
    texts = {"response": one.answer.response, "reference": one.answer.reference, "reason": verdict.reason}
    return about | {"state": verdict.state} | {name: text[:SHOWN_CHARACTERS] for name, text in texts.items()}


def self_test_folders(
    prompts: list[Path], names: Iterable[str], settings: VerifySettings, audit: AuditSettings, out: Path
) -> dict[str, Any]:
    """`run_self_test` over artifact folders: the report goes to `REPORT` in `out`, and all but its texts is returned."""
    told = run_self_test(lambda: chain.from_iterable(map(read_rows, prompts)), names, settings, audit)
    (out / REPORT).write_text(json.dumps(told, indent=1), encoding="utf-8")
    return {name: told[name] for name in ("verifiers", "kinds")}


def refuse_failed(told: Mapping[str, Any], place: str) -> None:
    """Raise `SelfTestError` when a verifier failed; `place`: where the report lies."""
    failed = [line for line in told["verifiers"] if line["verdict"] == "fail"]
    if failed:
        table = "\n".join(f"  {sentence}" for line in failed for sentence in _faults(line, told["kinds"]))
        raise SelfTestError(
            f"the self-test of the verifiers failed; nothing was sampled, and the champion stays:\n{table}\n"
            f"Correct the verifier or the references, or give the prompts another verifier; the answers are in {place}. "
            "The limits are audit.false_positives and audit.false_negatives."
        )


def _faults(line: Mapping[str, Any], kinds: list[dict[str, Any]]) -> Iterator[str]:
    """A failed verifier's mistakes in sentences."""
    sides = (False, "accepted_wrong", "wrong", "accepted"), (True, "missed_right", "right", "not accepted")
    for is_right, mistakes, side, done in sides:
        bound, limit = (line[f"false_{'negatives' if is_right else 'positives'}{end}"] for end in ("", "_limit"))
        if not line[mistakes] or bound <= limit:
            continue
        worst = [one for one in kinds if one["verifier"] == line["verifier"] and one["right"] is is_right and one["mistaken"]]
        where = ", ".join(f"{one['kind']} {one['mistaken']} of {one['planted']}" for one in worst)
        yield (
            f"{line['verifier']}: {line[mistakes]} of {line[side]} planted {side} answers were {done} ({where}); "
            f"upper 95 % bound {bound:.1%}, allowed {limit:.1%}"
        )
    if line["undecided"]:
        yield f"{line['verifier']}: no verdict on {line['undecided']} planted answers (errors, or references it cannot read)"
