"""Which checkpoint makes which of a round's draws: one for all, all of them in turn, or each family's best.

A night knows several: the base model, the warm start or the head that the night before left, the champion, and tonight's
rounds. Pooled samplers answer in more ways; a family of questions may be answered best by a checkpoint that later training
made worse at it. The best is found by a probe on the round's own prompts, which nothing was trained on yet, and never by the
evaluation's items: a choice made on those would flatter the candidate before the gate.
"""

from __future__ import annotations

import json
from bisect import insort
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from tasks.gate.statistics import mcnemar
from tasks.runtime.rows import Row, read_rows, write_rows
from tasks.sample.budget.progress import Progress, progress_of
from tasks.sample.budget.settings import PolicySettings
from tasks.sample.budget.temperature import ALL
from tasks.sample.budget.waves import request_rows, with_prompts
from tasks.select.rules.lots import lot

FOUND = "policies.json"


@dataclass(frozen=True)
class Found:
    """What a probe says of one checkpoint in one family.

    Attributes:
        rate: accepted share of its draws there, each prompt counting the same (0–1).
        p_value: of its being better than the newest only by luck, times the number of such comparisons; 1.0 for the newest.
    """

    rate: float
    p_value: float


def pooled(rows: Iterable[Row], policies: Sequence[str], *, wave: int, step: int, seed: int) -> Iterator[Row]:
    """Request rows shared among checkpoints: a prompt's waves take turns, from one that it draws by lot.

    More than `step` draws at once are cut, so that they take turns too. Draw numbers stay as they are.

    Args:
        policies: digests, each once.
        wave: its number in the round, from 0.
        seed: the round's.
    """
    for row in rows:
        turn, end = int(lot(f"policies {seed}", row["prompt_id"]), 16) + wave, row["first"] + row["count"]
        for part, first in enumerate(range(row["first"], end, step)):
            own = {"first": first, "count": min(step, end - first), "policy": policies[(turn + part) % len(policies)]}
            yield row | own


def assigned(rows: Iterable[Row], prompts: Iterable[Row], best: Mapping[str, str], newest: str) -> Iterator[Row]:
    """Request rows with the digest of their family's best checkpoint; a family that was not probed takes the newest.

    Args:
        rows: in the prompts' order.
        prompts: all of them, with ``id`` and ``family``; one at a time is kept.
        best: family → digest.

    Raises:
        ContractError: see `waves.with_prompts`.
    """
    for row, _, prompt in with_prompts(rows, prompts):
        yield row | {"policy": best.get(prompt.get("family") or ALL, newest)}


def probe_requests(prompts: Iterable[Row], settings: PolicySettings, seed: int) -> list[tuple[str, int, int]]:
    """The probe, the same for every checkpoint: (prompt id, 0, draws) of `settings.prompts` prompts of each family, by lot.

    Memory: the probe's ids.
    """
    chosen: dict[str, list[tuple[str, str]]] = {}
    for row in prompts:
        names = chosen.setdefault(row.get("family") or ALL, [])
        insort(names, (lot(f"policies {seed}", row["id"]), row["id"]))
        del names[settings.prompts :]
    return [(name, 0, settings.draws) for family in sorted(chosen) for _, name in chosen[family]]


def choose_policies(
    probes: Mapping[str, tuple[Iterable[Row], Iterable[Row]]], families: Mapping[str, str], settings: PolicySettings
) -> tuple[dict[str, str], dict[str, dict[str, Found]]]:
    """Each family's checkpoint: the newest, unless an older one is better there beyond luck.

    Few draws say little, and of several checkpoints one always looks best. So an older one must answer more of its draws
    rightly than the newest on so many more prompts than it answers fewer, that the sign test (McNemar's exact one, on prompts)
    leaves it at most `settings.evidence`, times the number of older ones (Bonferroni). Of those that pass, the one with the
    highest rate is taken; of equal ones the newest.

    Args:
        probes: digest → its (samples, verdicts), the newest last.
        families: prompt id → family.

    Returns:
        family → digest, and family → digest → `Found`.

    Raises:
        ContractError: see `tasks.sample.budget.progress.Tally`.
    """
    rates = {digest: _rates(progress_of(*probe)) for digest, probe in probes.items()}
    *older, newest = rates
    best: dict[str, str] = {}
    found: dict[str, dict[str, Found]] = {}
    for family in sorted({families[name] for name in rates[newest]}):
        own = {digest: {name: rate for name, rate in of.items() if families[name] == family} for digest, of in rates.items()}
        found[family] = {digest: Found(_mean(own[digest]), _luck(own[digest], own[newest], len(older))) for digest in rates}
        able = [newest, *(digest for digest in reversed(older) if found[family][digest].p_value <= settings.evidence)]
        best[family] = max(able, key=lambda digest: found[family][digest].rate)  # of equal ones the first, which is newer
    return best, found


def _rates(progress: Mapping[str, Progress]) -> dict[str, float]:
    """Accepted share of each prompt's draws; a prompt whose draws tell nothing is left out."""
    return {name: one.accepted / one.told for name, one in progress.items() if one.told}


def _mean(rates: Mapping[str, float]) -> float:
    return sum(rates.values()) / len(rates) if rates else 0.0


def _luck(one: Mapping[str, float], newest: Mapping[str, float], comparisons: int) -> float:
    both = one.keys() & newest.keys()
    wins, losses = sum(one[name] > newest[name] for name in both), sum(one[name] < newest[name] for name in both)
    return min(1.0, mcnemar(wins, losses) * comparisons) if wins + losses else 1.0


def write_policy_probe(
    prompts: Path, settings: PolicySettings, temperatures: Mapping[str, float], seed: int, out: Path
) -> dict[str, int]:
    """`probe_requests` over a folder of prompts, as rows of kind ``requests`` into `out`; counts ``rows``.

    Args:
        temperatures: as in `waves.plan_wave_folder`.
    """
    asked = probe_requests(read_rows(prompts, ["id", "family"]), settings, seed)
    families = families_of(prompts, {name for name, _, _ in asked})
    own = {name: temperatures.get(families[name], temperatures[ALL]) for name, _, _ in asked} if temperatures else {}
    return {"rows": write_rows(out, "requests", request_rows(asked, own))}


def families_of(prompts: Path, names: Set[str]) -> dict[str, str]:
    """Prompt id → family, of some of the prompts in a folder; `ALL` for one without."""
    return {row["id"]: row.get("family") or ALL for row in read_rows(prompts, ["id", "family"]) if row["id"] in names}


def choose_policies_from_folders(
    prompts: Path, probes: Sequence[tuple[str, Sequence[Path], Sequence[Path]]], settings: PolicySettings, out: Path
) -> dict[str, Any]:
    """`choose_policies` over folders of (samples, verdicts) of each digest, the newest last; `FOUND` goes into `out`.

    Returns:
        ``best`` (family → digest) and ``found`` (family → list of [digest, rate, p-value]).
    """
    rows = {
        digest: (chain.from_iterable(map(read_rows, samples)), chain.from_iterable(map(read_rows, verdicts)))
        for digest, samples, verdicts in probes
    }
    names = {row["prompt_id"] for _, samples, _ in probes for folder in samples for row in read_rows(folder, ["prompt_id"])}
    best, found = choose_policies(rows, families_of(prompts, names), settings)
    told = {
        "best": best,
        "found": {family: [[name, one.rate, one.p_value] for name, one in of.items()] for family, of in found.items()},
    }
    (out / FOUND).write_text(json.dumps(told, indent=1))
    return told


def policy_requests_folder(
    requests: Path,
    prompts: Path,
    policies: Sequence[str],
    policy: str,
    best: Mapping[str, str] | None,
    out: Path,
    *,
    wave: int,
    step: int,
    seed: int,
) -> dict[str, int]:
    """A checkpoint's own part of a wave's requests, into `out`; counts ``rows``. The parts of all make up the wave.

    Args:
        policies: digests, the newest last. policy: one of them.
        best: as `choose_policies` found it; None: all of them in turn.
        wave, step, seed: see `pooled`.

    Raises:
        ContractError: see `assigned`.
    """
    asked = read_rows(requests)
    if best is None:
        rows = pooled(asked, policies, wave=wave, step=step, seed=seed)
    else:
        rows = assigned(asked, read_rows(prompts, ["id", "family"]), best, policies[-1])
    return {"rows": write_rows(out, "requests", (row for row in rows if row["policy"] == policy))}
