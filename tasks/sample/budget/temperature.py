"""The sampling temperature, by B-STaR's balance score on a probe (Zeng et al. 2024, arXiv 2412.17256).

Of a prompt with n selected answers, n' of them distinct and correct, the score is min(n' / n*, 1) · n' / n: enough answers
that differ, and few that are wasted. Selected are here the whole answers that the verifier accepted. A temperature's score is
the mean over the probe's prompts, an unsolved one counting zero.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from tasks.runtime.rows import Row, read_rows, write_rows
from tasks.sample.budget.progress import Progress, progress_of
from tasks.sample.budget.settings import TemperatureSettings
from tasks.select.rules.lots import lot

CHOSEN = "temperatures.json"
ALL = ""  # the family that stands for every prompt


@dataclass(frozen=True)
class Chosen:
    """What a probe says.

    Attributes:
        scores: family → temperature → balance score (0–1); the family `ALL` has every prompt.
        temperatures: family → its best temperature; `ALL` always, others when they are asked for.
    """

    scores: dict[str, dict[float, float]]
    temperatures: dict[str, float]

    def of(self, family: str) -> float:
        """The temperature of a family; one that the probe does not have takes that of all."""
        return self.temperatures.get(family, self.temperatures[ALL])


def balance_score(progress: Progress, enough: int) -> float:
    """min(n' / n*, 1) · n' / n of one prompt, with n' distinct and n accepted answers, and n* = `enough`; 0 without any."""
    if not progress.accepted:
        return 0.0
    return min(progress.distinct / enough, 1.0) * progress.distinct / progress.accepted


def probe_requests(prompts: Iterable[Row], settings: TemperatureSettings, seed: int) -> list[tuple[str, int, int]]:
    """The probe, the same at every temperature: (prompt id, 0, draws) of `settings.prompts` prompts by lot.

    Memory: the probe's ids.
    """
    ids = (row["id"] for row in prompts)
    names = heapq.nsmallest(settings.prompts, ids, key=lambda name: lot(f"probe {seed}", name))
    return [(name, 0, settings.draws) for name in names]


def choose_temperature(
    probes: Mapping[float, tuple[Iterable[Row], Iterable[Row]]],
    families: Mapping[str, str],
    settings: TemperatureSettings,
    otherwise: float,
) -> Chosen:
    """The temperature with the highest balance score; of equal ones the lowest.

    Args:
        probes: temperature → its (samples, verdicts).
        families: prompt id → family, of the probe's prompts.
        settings: `enough` is n*; with `per_family`, each family gets its own.
        otherwise: for a family that no temperature solved a prompt of.

    Raises:
        ContractError: see `tasks.sample.budget.progress.Tally`.
    """
    scores: dict[str, dict[float, float]] = {}
    for temperature, (samples, verdicts) in probes.items():
        found = progress_of(samples, verdicts)
        for family in {ALL, *(families[name] for name in found)}:
            every = [balance_score(one, settings.enough) for name, one in found.items() if family in (ALL, families[name])]
            scores.setdefault(family, {})[temperature] = sum(every) / len(every) if every else 0.0
    best = {family: _best(of, otherwise) for family, of in scores.items() if family == ALL or settings.per_family}
    return Chosen(scores, {ALL: otherwise} | best)


def _best(scores: Mapping[float, float], otherwise: float) -> float:
    if not any(scores.values()):
        return otherwise
    return min(scores, key=lambda temperature: (-scores[temperature], temperature))


def write_probe(prompts: Path, settings: TemperatureSettings, seed: int, out: Path) -> dict[str, int]:
    """`probe_requests` over a folder of prompts, as rows of kind ``requests`` into `out`; counts ``rows``."""
    requests = probe_requests(read_rows(prompts, ["id"]), settings, seed)
    rows = ({"prompt_id": name, "first": first, "count": count} for name, first, count in requests)
    return {"rows": write_rows(out, "requests", rows)}


def choose_from_folders(
    prompts: Path,
    probes: Sequence[tuple[float, Sequence[Path], Sequence[Path]]],
    settings: TemperatureSettings,
    otherwise: float,
    out: Path,
) -> dict[str, Any]:
    """`choose_temperature` over folders of (samples, verdicts) at each temperature; `CHOSEN` goes into `out`.

    Returns:
        ``temperatures`` (family → temperature) and ``scores`` (family → list of [temperature, score]).
    """
    families = {row["id"]: row.get("family") or "" for row in read_rows(prompts, ["id", "family"])}
    rows = {
        temperature: (chain.from_iterable(map(read_rows, samples)), chain.from_iterable(map(read_rows, verdicts)))
        for temperature, samples, verdicts in probes
    }
    chosen = choose_temperature(rows, families, settings, otherwise)
    told = {
        "temperatures": chosen.temperatures,
        "scores": {family: sorted(scores.items()) for family, scores in chosen.scores.items()},
    }
    (out / CHOSEN).write_text(json.dumps(told, indent=1))
    return told
