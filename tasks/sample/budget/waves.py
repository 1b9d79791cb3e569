"""The next wave of a round: which draws of which prompts, within the token budget."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.runtime.errors import ContractError
from tasks.runtime.rows import Row, read_rows, write_rows
from tasks.sample.budget.progress import NO_DRAWS, Progress, Tally
from tasks.sample.budget.settings import BudgetSettings
from tasks.sample.budget.strategies import Standing, capped, retired, reviewed, wanted
from tasks.sample.budget.temperature import ALL
from tasks.select.pass_rates import DECAY
from tasks.select.rules.lots import lot

Memory = Mapping[str, tuple[float, float]]
_NEEDED = ["sample_id", "prompt_id", "draw", "text", "token_count", "finish_reason"]


@dataclass(frozen=True)
class Plan:
    """A wave.

    Attributes:
        requests: (prompt id, first draw number, how many), in the prompts' order; empty when the round is over.
        retired: prompts left out tonight because they were easy. reviewed: easy ones that are drawn all the same.
        solved: prompts with a correct answer so far. capped: short of answers, and at their cap.
    """

    requests: list[tuple[str, int, int]]
    retired: int
    reviewed: int
    solved: int
    capped: int


def plan_wave(
    prompts: Iterable[Row],
    progress: Mapping[str, Progress],
    memory: Memory,
    settings: BudgetSettings,
    *,
    wave: int,
    tokens_spent: int,
    longest: int,
    seed: int,
) -> list[tuple[str, int, int]]:
    """The next wave's requests; see `planned`."""
    return planned(
        prompts, progress, memory, settings, wave=wave, tokens_spent=tokens_spent, longest=longest, seed=seed
    ).requests


def planned(
    prompts: Iterable[Row],
    progress: Mapping[str, Progress],
    memory: Memory,
    settings: BudgetSettings,
    *,
    wave: int,
    tokens_spent: int,
    longest: int,
    seed: int,
) -> Plan:
    """The next wave, a pure function of its arguments.

    Where the token budget does not allow all draws that the strategy wants, they are dealt out evenly: each prompt one, then
    each a second, and so on; the last ones by lot.

    Args:
        prompts: rows with ``id``, each prompt once.
        progress: this round's draws so far, by prompt id.
        memory: prompt id → (draws, accepted) as the night before left them; they fade by `DECAY` here.
        settings: strategy, caps and budget.
        wave: its number in the round, from 0.
        tokens_spent: generated tonight so far.
        longest: the longest answer, in tokens; a draw is reckoned to cost that much, so that a budget is never exceeded.
        seed: the night's: which retired prompts are reviewed, and lots.
    """
    ids: list[str] = []
    out = back = 0
    for row in prompts:
        if settings.strategy == "sequential" and retired(*memory.get(row["id"], (0.0, 0.0)), settings):
            if not reviewed(row["id"], seed, settings.review):
                out += 1
                continue
            back += 1
        ids.append(row["id"])
    standings = _Standings(ids, progress, memory)
    wants = wanted(standings, settings, wave)
    if settings.token_budget:
        wants = _dealt(ids, wants, max(0, settings.token_budget - tokens_spent) // longest, f"wave {wave} of {seed}")
    requests = [
        (prompt_id, standing.tonight.draws, count)
        for prompt_id, standing, count in zip(ids, standings, wants, strict=True)
        if count > 0
    ]
    solved = sum(one.tonight.distinct > 0 for one in standings)
    return Plan(requests, out, back, solved, sum(capped(one, settings) for one in standings))


@dataclass(frozen=True)
class _Standings(Sequence[Standing]):
    """The prompts' standings, made when they are looked at: of a million prompts only the ids are held."""

    ids: Sequence[str]
    progress: Mapping[str, Progress]
    memory: Memory

    def __getitem__(self, place: Any) -> Any:
        draws, accepted = self.memory.get(self.ids[place], (0.0, 0.0))
        return Standing(draws * DECAY, accepted * DECAY, self.progress.get(self.ids[place], NO_DRAWS))

    def __len__(self) -> int:
        return len(self.ids)


def _dealt(ids: Sequence[str], wants: Sequence[int], allowed: int, purpose: str) -> list[int]:
    """`wants` cut to `allowed` in all: to one height, and what is left of that by lot among those who want more."""
    if sum(wants) <= allowed:
        return list(wants)
    height = 0
    while (needed := sum(min(want, height + 1) for want in wants)) <= allowed:
        height += 1
    given = [min(want, height) for want in wants]
    left = allowed - sum(given)
    assert needed > allowed
    waiting = sorted((lot(purpose, ids[place]), place) for place, want in enumerate(wants) if want > height)
    for _, place in waiting[:left]:
        given[place] += 1
    return given


def plan_wave_folder(
    prompts: Path,
    samples: Sequence[Path],
    verdicts: Sequence[Path],
    memory: Path | None,
    settings: BudgetSettings,
    out: Path,
    *,
    wave: int,
    tokens_before: int,
    longest: int,
    seed: int,
    temperatures: Mapping[str, float],
) -> dict[str, int]:
    """`planned` over artifact folders: rows of kind ``requests`` into `out`.

    Args:
        prompts: the round's prompt rows.
        samples, verdicts: of this round so far; the verdicts at a place are those of the samples at the same place.
        memory: rows of kind ``pass_rates`` that the night before left; None on the first night.
        tokens_before: generated in earlier rounds of the night (this round's are counted here).
        temperatures: family → temperature of its draws, `ALL` for the others; none: the sampling settings'.

    Returns:
        Counts: ``rows`` (prompts in the wave), ``draws``, ``retired``, ``reviewed``, ``solved``, ``capped`` (see `Plan`),
        ``unsolved`` (drawn prompts without a correct answer), ``accepted`` (answers so far) and ``tokens_reserved`` (the most
        that the wave's draws can generate).

    Raises:
        ContractError: a shard without verdicts, a sample without one, or draws of a prompt that do not follow each other.
    """
    if len(samples) != len(verdicts):
        raise ContractError(f"{len(samples)} shards of samples and {len(verdicts)} of verdicts; verify each shard once")
    tally = Tally()
    for drawn, judged in zip(samples, verdicts, strict=True):
        tally.add(read_rows(drawn, _NEEDED), read_rows(judged, ["sample_id", "state"]))
    progress = tally.progress()
    plan = planned(
        read_rows(prompts, ["id"]),
        progress,
        remembered(read_rows(memory)) if memory else {},
        settings,
        wave=wave,
        tokens_spent=tokens_before + tally.tokens,
        longest=longest,
        seed=seed,
    )
    draws = sum(count for _, _, count in plan.requests)
    rows = placed(request_rows(plan.requests, {}), read_rows(prompts, ["id", "family"]), temperatures)
    return {
        "rows": write_rows(out, "requests", rows),
        "draws": draws,
        "retired": plan.retired,
        "reviewed": plan.reviewed,
        "solved": plan.solved,
        "unsolved": sum(not one.distinct for one in progress.values()),
        "accepted": sum(one.accepted for one in progress.values()),
        "capped": plan.capped,
        "tokens_reserved": draws * longest,
    }


def remembered(rows: Iterable[Row]) -> dict[str, tuple[float, float]]:
    """Pass-rate rows as what `planned` takes."""
    return {row["prompt_id"]: (row["draws"], row["accepted"]) for row in rows}


def request_rows(requests: Iterable[tuple[str, int, int]], temperatures: Mapping[str, float]) -> Iterator[Row]:
    """(prompt id, first, count) as rows of kind ``requests``; `temperatures`: prompt id → its own, where it has one."""
    for prompt_id, first, count in requests:
        row = {"prompt_id": prompt_id, "first": first, "count": count}
        yield row | ({"temperature": temperatures[prompt_id]} if prompt_id in temperatures else {})


def placed(rows: Iterable[Row], prompts: Iterable[Row], temperatures: Mapping[str, float]) -> Iterator[Row]:
    """Request rows in the prompts' order, with their prompt's place and its family's temperature. Memory: one row.

    Args:
        prompts: all of them, with ``id`` and ``family``.
        temperatures: as `plan_wave_folder` takes them.

    Raises:
        ContractError: see `with_prompts`.
    """
    for row, place, prompt in with_prompts(rows, prompts):
        own = temperatures.get(prompt.get("family") or "", temperatures[ALL]) if temperatures else None
        yield row | {"place": place} | ({} if own is None else {"temperature": own})


def with_prompts(rows: Iterable[Row], prompts: Iterable[Row]) -> Iterator[tuple[Row, int, Row]]:
    """Request rows in the prompts' order, each with its prompt's place and the prompt. Memory: one of each.

    Raises:
        ContractError: a row whose prompt does not come, or came before.
    """
    stream = enumerate(prompts)
    place, prompt = 0, Row(id=None)
    for row in rows:
        while prompt["id"] != row["prompt_id"]:
            if (following := next(stream, None)) is None:
                raise ContractError(f"draws of {row['prompt_id']!r} are not in the prompts' order; plan them in that order")
            place, prompt = following
        yield row, place, prompt
