"""What a night draws: answers in waves, at a temperature of the night's own, and hinted ones where nothing else helps."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from tasks.runtime.references import DatasetRef, ModelRef
from tasks.runtime.task import Pending
from tasks.sample.randomness import derive_seed
from tasks.sample.settings import SamplingSettings
from tasks.sample.shards import shard_count
from tasks.sample.task import choose_temperature, hint_prompts, plan_draws, plan_hints, plan_probe, sample_shard
from tasks.verify.task import verify_samples

if TYPE_CHECKING:
    from flows.night import Night

Answers = tuple[list[DatasetRef], list[DatasetRef]]


def answer(
    night: Night,
    policy: ModelRef,
    prompts: DatasetRef,
    settings: SamplingSettings,
    *,
    expected: int,
    seed: int,
    round: int,
    of: str,
    requests: DatasetRef | None = None,
) -> tuple[list[DatasetRef], list[DatasetRef]]:
    """Samples and verdicts, shard by shard: the draws of `requests`, or one of each prompt.

    Args:
        expected: number of prompts, while a plan cannot know it.
    """
    asked = prompts if requests is None else requests
    total = expected if isinstance(asked, Pending) else asked.rows
    samples, verdicts = [], []
    for shard in range(shard_count(total, settings)):
        samples.append(sample_shard(policy, prompts, settings, shard, seed, round, night.dtype, of, requests))
        verdicts.append(verify_samples(samples[-1], prompts, night.settings.verification, night.verifiers, of=of, shard=shard))
    night.generated += samples
    return samples, verdicts


def probe_temperatures(night: Night) -> None:
    """Find the temperature that tonight's answers are drawn at, where there are several to choose from."""
    settings, prompts = night.settings, night.prompts[0]
    probe = settings.budget.temperature
    if not probe.candidates:
        return
    seed = derive_seed(settings.seed, "probe", night.number)
    asked = plan_probe(prompts, probe, seed)
    drawn: list[Answers] = [
        answer(
            night,
            night.head,
            prompts,
            settings.sampling.model_copy(update={"temperature": temperature}),
            expected=min(probe.prompts, settings.data.train_prompts),
            seed=seed,
            round=0,
            of=f"probe at {temperature}",
            requests=asked,
        )
        for temperature in probe.candidates
    ]
    samples, verdicts = [one for one, _ in drawn], [one for _, one in drawn]
    night.temperatures = choose_temperature(prompts, samples, verdicts, probe, settings.sampling.temperature)


def draw_in_waves(night: Night, number: int) -> Answers:
    """A round's samples and verdicts: a few draws at a time, verified before the next ones are planned.

    A plan cannot know how many waves there will be: it lists the first whose prompts it does not know, and no later one.
    """
    settings, prompts = night.settings, night.prompts[number - 1]
    memory, longest = night.before.pass_rates if night.before else None, settings.sampling.max_tokens
    seed = derive_seed(settings.seed, "sample", night.number, number)
    spent = tokens_spent(night)
    samples: list[DatasetRef] = []
    verdicts: list[DatasetRef] = []
    for wave in count():
        of = f"round {number}, wave {wave + 1}"
        asked = plan_draws(
            prompts, samples, verdicts, memory, night.temperatures, settings.budget, wave, spent, longest, seed, of
        )
        if not isinstance(asked, Pending) and asked.rows == 0:
            break
        drawn, judged = answer(
            night,
            night.head,
            prompts,
            settings.sampling,
            expected=settings.data.train_prompts,
            seed=seed,
            round=number,
            of=of,
            requests=asked,
        )
        samples, verdicts = samples + drawn, verdicts + judged
        if isinstance(asked, Pending):
            break
    return samples, verdicts


def draw_hinted(night: Night, number: int) -> tuple[DatasetRef, Answers] | None:
    """Prompts that many draws never solved, asked with their hint: these prompts and their answers; None: there are none."""
    settings, memory = night.settings, night.before.pass_rates if night.before else None
    if memory is None or not settings.budget.hint_share:
        return None
    seed = derive_seed(settings.seed, "hints", night.number, number)
    longest, spent = settings.sampling.max_tokens, tokens_spent(night)
    prompts = night.prompts[number - 1]
    asked = plan_hints(prompts, memory, settings.budget, spent, longest, seed, number)
    if isinstance(asked, Pending) or asked.rows == 0:
        return None
    hinted = hint_prompts(prompts, asked, number)
    drawn = answer(
        night,
        night.head,
        hinted,
        settings.sampling,
        expected=asked.rows,
        seed=seed,
        round=number,
        of=f"round {number}, hints",
        requests=asked,
    )
    return hinted, drawn


def tokens_spent(night: Night) -> int:
    """Tokens of tonight's rounds so far; probes and evaluations are not of the budget."""
    drawn = [ref for made in night.rounds for ref in (*made.samples, *made.hinted_samples)]
    return sum(ref.counts["tokens"] for ref in drawn if not isinstance(ref, Pending))
