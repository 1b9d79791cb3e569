"""Questions made on the spot by reasoning-gym, with the answer and a scorer for each.

Item i of a reasoning-gym data set with seed s is made from ``random.Random(s + i)``: data sets with near seeds share
items. Every (run seed, night, round, role) therefore owns a range of 2**20 seeds that no other one touches
(`seed_range`). Small families still repeat a question under another seed ("3 + 5"), so what was asked elsewhere is
skipped by its text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Literal

from tasks.data.questions import question_keys
from tasks.data.settings import DataSettings
from tasks.runtime.errors import ConfigurationError, DataError
from tasks.runtime.rows import Row
from tasks.verify.procedural import EVALUATING_FAMILIES, plain_number, reasoning_gym
from tasks.verify.verdict import Verdict, reference_problem

# Its questions are about programs from a data set, which it executes; one of them writes into the working folder.
EXECUTING_FAMILIES = frozenset({"codeio"})
Role = Literal["evaluation", "warm", "train"]
ROLES: tuple[Role, ...] = ("evaluation", "warm", "train")
SEEDS_PER_DRAW = 1 << 20
MAX_NIGHTS, MAX_ROUNDS, MAX_SEED = 1 << 20, 1 << 10, 1 << 63
_TRIES_PER_ROW = 50
_LEAST_TRIES = 2_000


@dataclass(frozen=True)
class Draw:
    """Which draw of a run: its role, night and round (from 0), and the run's seed."""

    role: Role
    night: int
    round: int
    seed: int


def seed_range(draw: Draw) -> range:
    """The seeds that this draw owns, in every family: ranges of different draws never overlap.

    Raises:
        ConfigurationError: a night, round, seed or role outside the bounds that guarantee it.
    """
    inside = 0 <= draw.night < MAX_NIGHTS and 0 <= draw.round < MAX_ROUNDS and 0 <= draw.seed < MAX_SEED
    if not inside or draw.role not in ROLES:
        raise ConfigurationError(
            f"{draw} has no seeds: night must be below {MAX_NIGHTS}, round below {MAX_ROUNDS}, seed in 0–2**63, "
            f"role one of {', '.join(ROLES)}"
        )
    block = ((draw.seed * MAX_NIGHTS + draw.night) * MAX_ROUNDS + draw.round) * len(ROLES) + ROLES.index(draw.role)
    return range(block * SEEDS_PER_DRAW, (block + 1) * SEEDS_PER_DRAW)


def procedural_prompts(settings: DataSettings, draw: Draw, count: int, exclude: AbstractSet[str]) -> Iterator[Row]:
    """`count` prompt rows with different questions, an equal share from each family.

    Args:
        settings: `families` and `family_config` are used.
        draw: owns the seeds; the row's id is ``family-seed``.
        count: how many rows.
        exclude: keys (`question_keys`) of the questions that must not be asked again.

    Raises:
        ConfigurationError: an unknown family or option, or a family whose scorer runs text as code.
        DataError: a family without so many different questions.
    """
    asked = set(exclude)
    for index, family in enumerate(families := settings.families):
        share = count // len(families) + (index < count % len(families))
        yield from _family_rows(family, settings.family_config.get(family, {}), draw, share, asked)


def _family_rows(family: str, config: dict[str, Any], draw: Draw, count: int, asked: set[str]) -> Iterator[Row]:
    seeds = seed_range(draw)
    tries = min(len(seeds), max(_LEAST_TRIES, _TRIES_PER_ROW * count))
    items = _dataset(family, config, seeds.start, tries)
    found = 0
    for index in range(tries):
        if found == count:
            return
        row = _row(family, _item(family, items, index), seeds[index])
        key = question_keys(row["messages"])[-1]
        if key in asked:
            continue
        asked.add(key)
        _check_scorer(family, row)
        found += 1
        yield row
    if found < count:
        raise DataError(
            f"family {family!r} yields only {found} of {count} distinct questions not used elsewhere; "
            "lower the counts or widen its configuration"
        )


def _dataset(family: str, config: dict[str, Any], seed: int, size: int) -> Any:
    import reasoning_gym
    from reasoning_gym.factory import DATASETS

    if family not in DATASETS:
        known = ", ".join(sorted(set(DATASETS) - EVALUATING_FAMILIES - EXECUTING_FAMILIES))
        raise ConfigurationError(f"reasoning-gym has no family {family!r}; known: {known}")
    if family in EVALUATING_FAMILIES:
        raise ConfigurationError(f"family {family!r}: its scorer runs the answer as Python; use another family")
    if family in EXECUTING_FAMILIES:
        raise ConfigurationError(f"family {family!r}: drawing its questions runs programs of others; use another family")
    if taken := {"seed", "size"} & set(config):
        raise ConfigurationError(f"family_config.{family}: {', '.join(sorted(taken))} is set by the run; remove it")
    try:
        return reasoning_gym.create_dataset(family, seed=seed, size=size, **config)
    except Exception as error:  # families check their options by assert, and by failing
        raise ConfigurationError(f"family_config.{family} {config}: {error}; correct its options") from error


def _item(family: str, items: Any, index: int) -> dict[str, Any]:
    try:
        return items[index]  # type: ignore[no-any-return]
    except Exception as error:
        raise ConfigurationError(
            f"family {family!r} fails to make a question ({type(error).__name__}: {error}); "
            "change its configuration or use another family"
        ) from error


def _row(family: str, entry: dict[str, Any], seed: int) -> Row:
    try:
        reference = json.dumps({"dataset": family, "entry": entry}, sort_keys=True, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"family {family!r}: its entries are not JSON ({error}); use another family") from error
    return {
        "id": f"{family}-{seed}",
        "messages": [{"role": "user", "content": entry["question"]}],
        "reference": reference,
        "verifier": "reasoning_gym",
        "family": family,
        **_for_second_verifiers(entry["answer"]),
    }


def _for_second_verifiers(answer: Any) -> dict[str, Any]:
    """The reference in the form that `number` reads, where the answer is a plain number: it can then check the scorer."""
    if not (isinstance(answer, str) and plain_number(answer)) or reference_problem("number", answer.strip()):
        return {}
    return {"metadata": {"references": {"number": answer.strip()}}}


def _check_scorer(family: str, row: Row) -> None:
    """Refuse a family whose scorer does not accept the family's own answer."""
    answer = reference_answer(row)
    verdict = reasoning_gym(f"<answer>{answer}</answer>", row["reference"]) if answer else Verdict("rejected", 0.0)
    if verdict.state != "accepted":
        raise ConfigurationError(
            f"family {family!r}: its own answer to {row['id']} is not accepted ({verdict.state}, score "
            f"{verdict.score:g}{', ' + verdict.reason if verdict.reason else ''}); use another family"
        )


def reference_answer(row: Row) -> str:
    """The family's own answer to a prompt row; empty when it has none."""
    answer = json.loads(row["reference"])["entry"]["answer"]
    return answer if isinstance(answer, str) else ""


def warm_row(row: Row) -> Row:
    """A prompt row with the family's own answer as a chat row."""
    return {
        "id": row["id"],
        "messages": [*row["messages"], {"role": "assistant", "content": reference_answer(row)}],
        "source": "reasoning_gym",
        "family": row["family"],
    }
