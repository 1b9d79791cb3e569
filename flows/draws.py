"""What a night draws: answers in waves, at a temperature of the night's own, and hinted ones where nothing else helps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from typing import TYPE_CHECKING

from flows.workers import in_pairs
from tasks.runtime.calls import Submitted
from tasks.runtime.references import DatasetRef, ModelRef, ReportRef
from tasks.runtime.task import Pending
from tasks.sample.endpoint.servers import kept_servers
from tasks.sample.randomness import derive_seed
from tasks.sample.settings import SamplingSettings
from tasks.sample.shards import shard_count
from tasks.sample.task import (
    choose_temperature,
    hint_prompts,
    plan_draws,
    plan_hints,
    plan_probe,
    policy_requests,
    sample_shard,
)
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
    so_far: str = "",
    fewest: int = 0,
) -> tuple[list[DatasetRef], list[DatasetRef]]:
    """Samples and verdicts, shard by shard: the draws of `requests`, or one of each prompt.

    Args:
        expected: number of prompts, while a plan cannot know it.
        so_far: what earlier draws brought, for people.
        fewest: shards made at least, without rows where nothing is asked for.
    """
    asked = prompts if requests is None else requests
    total = expected if isinstance(asked, Pending) else asked.rows

    def sample(shard: int) -> Submitted:
        return sample_shard.submit(policy, prompts, settings, shard, seed, round, night.dtype, of, requests, so_far)

    def verify(shard: int, samples: DatasetRef) -> Submitted:
        return verify_samples.submit(samples, prompts, night.settings.verification, night.verifiers, of=of, shard=shard)

    done = in_pairs(max(fewest, shard_count(total, settings)), sample, verify, night.settings.workers)
    samples, verdicts = [drawn for drawn, _ in done], [judged for _, judged in done]
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


def draw_in_waves(night: Night, number: int, policies: Sequence[ModelRef] = (), best: ReportRef | None = None) -> Answers:
    """A round's samples and verdicts: a few draws at a time, verified before the next ones are planned.

    A plan cannot know how many waves there will be: it lists the first whose prompts it does not know, and no later one.
    Where nothing may be drawn (the token budget is spent, all prompts are retired) there are samples too, without rows.

    Args:
        policies: who share the draws, the newest last; one or none: the head makes them all.
        best: which of them makes those of which family; None: they take turns.
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
        nothing = not isinstance(asked, Pending) and asked.rows == 0
        if wave and nothing:
            break
        # Policy after policy, not side by side: where they are served, the device is given to one server at a time.
        for policy, part, own in _shared(night, asked, prompts, policies, best, wave, seed, of):
            drawn, judged = answer(
                night,
                policy,
                prompts,
                settings.sampling,
                expected=settings.data.train_prompts,
                seed=seed,
                round=number,
                of=own,
                requests=part,
                so_far=_so_far(asked) if wave else "",
                fewest=1 if nothing else 0,
            )
            samples, verdicts = samples + drawn, verdicts + judged
        if isinstance(asked, Pending):
            break
    return samples, verdicts


def _shared(
    night: Night,
    asked: DatasetRef,
    prompts: DatasetRef,
    policies: Sequence[ModelRef],
    best: ReportRef | None,
    wave: int,
    seed: int,
    of: str,
) -> Iterator[tuple[ModelRef, DatasetRef, str]]:
    """Each policy with its part of a wave's requests and a name for its work."""
    if len(policies) < 2 or (not isinstance(asked, Pending) and asked.rows == 0):
        yield night.head, asked, of
        return
    step = night.settings.budget.step
    for place, policy in enumerate(policies, 1):
        own = f"{of}, policy {place}"
        yield policy, policy_requests(asked, prompts, list(policies), policy, best, wave, step, seed, own), own


def _so_far(asked: DatasetRef) -> str:
    """What a round has brought when a wave is planned; a plan does not know."""
    if isinstance(asked, Pending):
        return ""
    return f"{asked.counts['accepted']} accepted so far, {asked.counts['unsolved']} prompts unsolved"


def draw_hinted(night: Night, number: int) -> tuple[DatasetRef, Answers] | None:
    """Prompts that many draws never solved, asked with their hint: these prompts and their answers; None: there are none."""
    settings, memory = night.settings, night.before.pass_rates if night.before else None
    if memory is None or not settings.budget.hint_share:
        return None
    seed = derive_seed(settings.seed, "hints", night.number, number)
    longest, spent = settings.sampling.max_tokens, tokens_spent(night)
    prompts = night.prompts[number - 1]
    asked = plan_hints(prompts, memory, settings.budget, spent, tokens_hinted(night), longest, seed, number)
    if isinstance(asked, Pending) or asked.rows == 0:
        return None
    hinted = hint_prompts(prompts, asked, number)
    with kept_servers():
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
    return _tokens(ref for made in night.rounds for ref in made.samples) + tokens_hinted(night)


def tokens_hinted(night: Night) -> int:
    """Of these, tokens of prompts with their hint."""
    return _tokens(ref for made in night.rounds for ref in made.hinted_samples)


def _tokens(drawn: Iterable[DatasetRef]) -> int:
    return sum(ref.counts["tokens"] for ref in drawn if not isinstance(ref, Pending))
