"""Sampling as cached tasks: a shard, and what the budget decides (the next wave, the temperature, hints)."""

from __future__ import annotations

from typing import Any

from tasks.runtime.references import DatasetRef, ModelRef, ReportRef
from tasks.runtime.run import current_run
from tasks.runtime.task import halved, in_stage, winnow_task
from tasks.sample.budget.hints import hint_folder, plan_hints_folder, strip_folder
from tasks.sample.budget.settings import BudgetSettings, TemperatureSettings
from tasks.sample.budget.temperature import choose_from_folders, write_probe
from tasks.sample.budget.waves import plan_wave_folder
from tasks.sample.endpoint.servers import served
from tasks.sample.endpoint.settings import EndpointSettings
from tasks.sample.settings import SamplingSettings
from tasks.sample.shards import sample_folder


@winnow_task(version="2", label="sample {of}, shard {shard}", unkeyed=("of",))
def sample_shard(
    policy: ModelRef,
    prompts: DatasetRef,
    settings: SamplingSettings,
    shard: int,
    seed: int,
    round: int,
    dtype: str,
    of: str,
    requests: DatasetRef | None = None,
) -> DatasetRef:
    """Prompt rows → sample rows of one shard.

    Args:
        requests: which draws of which prompts; None: `settings.k` draws of each.
        of: names the work for people.
    """
    store = current_run().store
    smaller = settings.model_copy(update={"batch_rows": halved(settings.batch_rows)})
    # A server that is launched belongs to the flow's process, for other shards of the same model.
    endpoint = settings.endpoint if settings.engine == "endpoint" else EndpointSettings()
    with store.draft() as draft, served(store.open(policy), endpoint, dtype) as ready:
        counts = in_stage(
            f"sample {of}",
            sample_folder,
            store.open(policy),
            store.open(prompts),
            store.open(requests) if requests else None,
            draft,
            smaller.model_copy(update={"endpoint": ready}),
            shard=shard,
            policy=policy.digest,
            seed=seed,
            round=round,
            dtype=dtype,
        )
        inputs = {"policy": policy, "prompts": prompts, **({"requests": requests} if requests else {})}
        return store.publish(draft, "samples", inputs=inputs, config=settings, counts=counts)  # type: ignore[no-any-return]


@winnow_task(version="1", label="plan {of}", unkeyed=("of",))
def plan_draws(
    prompts: DatasetRef,
    samples: list[DatasetRef],
    verdicts: list[DatasetRef],
    memory: DatasetRef | None,
    temperatures: ReportRef | None,
    settings: BudgetSettings,
    wave: int,
    tokens_before: int,
    longest: int,
    seed: int,
    of: str,
) -> DatasetRef:
    """Which draws of which prompts a round's next wave makes (kind ``requests``); no rows: the round is over.

    Args:
        samples, verdicts: of the round's waves so far, in the same order.
        memory: the pass rates that the night before left; None on the first.
        temperatures: what `choose_temperature` found; None: the sampling settings'.
        wave: its number in the round, from 0.
        tokens_before: generated in the night's earlier rounds.
        longest, seed: see `tasks.sample.budget.waves.planned`.
        of: names the work for people.

    Returns:
        Counts as `tasks.sample.budget.waves.plan_wave_folder` has them.
    """
    store = current_run().store
    with store.draft() as draft:
        counts = in_stage(
            f"plan {of}",
            plan_wave_folder,
            store.open(prompts),
            [store.open(ref) for ref in samples],
            [store.open(ref) for ref in verdicts],
            store.open(memory) if memory else None,
            settings,
            draft,
            wave=wave,
            tokens_before=tokens_before,
            longest=longest,
            seed=seed,
            temperatures=temperatures.metadata["temperatures"] if temperatures else {},
        )
        beside = {"prompts": prompts, "memory": memory, "temperatures": temperatures}
        inputs: dict[str, Any] = {name: ref for name, ref in beside.items() if ref}
        inputs |= {f"samples {index}": ref for index, ref in enumerate(samples)}
        inputs |= {f"verdicts {index}": ref for index, ref in enumerate(verdicts)}
        return store.publish(draft, "requests", inputs=inputs, config=settings, counts=counts)  # type: ignore[no-any-return]


@winnow_task(version="1", label="plan the temperature probe")
def plan_probe(prompts: DatasetRef, settings: TemperatureSettings, seed: int) -> DatasetRef:
    """The draws that each temperature is tried with (kind ``requests``)."""
    store = current_run().store
    with store.draft() as draft:
        counts = write_probe(store.open(prompts), settings, seed, draft)
        inputs = {"prompts": prompts}
        return store.publish(draft, "requests", inputs=inputs, config=settings, counts=counts)  # type: ignore[no-any-return]


@winnow_task(version="1", label="choose the temperature")
def choose_temperature(
    prompts: DatasetRef,
    samples: list[list[DatasetRef]],
    verdicts: list[list[DatasetRef]],
    settings: TemperatureSettings,
    otherwise: float,
) -> ReportRef:
    """The temperature with the best balance score, for all prompts or for each family.

    Args:
        samples, verdicts: of the probe, a list of shards for each of `settings.candidates`.
        otherwise: where no temperature solved anything.

    Returns:
        Metadata: ``temperatures`` and ``scores``, by family.
    """
    store = current_run().store
    with store.draft() as draft:
        probes = [
            (temperature, [store.open(ref) for ref in drawn], [store.open(ref) for ref in judged])
            for temperature, drawn, judged in zip(settings.candidates, samples, verdicts, strict=True)
        ]
        told = in_stage("temperature", choose_from_folders, store.open(prompts), probes, settings, otherwise, draft)
        inputs: dict[str, Any] = {"prompts": prompts}
        for temperature, drawn, judged in zip(settings.candidates, samples, verdicts, strict=True):
            inputs |= {f"samples at {temperature} {index}": ref for index, ref in enumerate(drawn)}
            inputs |= {f"verdicts at {temperature} {index}": ref for index, ref in enumerate(judged)}
        return store.publish(draft, "report", inputs=inputs, config=settings, metadata=told)  # type: ignore[no-any-return]


@winnow_task(version="1", label="plan hints, round {round}", unkeyed=("round",))
def plan_hints(
    prompts: DatasetRef, memory: DatasetRef, settings: BudgetSettings, tokens_spent: int, longest: int, seed: int, round: int
) -> DatasetRef:
    """Draws of prompts that many draws never solved, to be made with their hint (kind ``requests``).

    Args:
        memory: the pass rates that the night before left.
        tokens_spent: generated tonight so far.
        longest, seed: see `tasks.sample.budget.hints.planned_hints`.
        round: names the work for people.
    """
    store = current_run().store
    with store.draft() as draft:
        counts = plan_hints_folder(
            store.open(prompts), store.open(memory), settings, draft, tokens_spent=tokens_spent, longest=longest, seed=seed
        )
        inputs = {"prompts": prompts, "memory": memory}
        return store.publish(draft, "requests", inputs=inputs, config=settings, counts=counts)  # type: ignore[no-any-return]


@winnow_task(version="1", label="hinted prompts, round {round}", unkeyed=("round",))
def hint_prompts(prompts: DatasetRef, requests: DatasetRef, round: int) -> DatasetRef:
    """The prompts that hinted draws are asked for, with their hint."""
    store = current_run().store
    with store.draft() as draft:
        counts = hint_folder(store.open(prompts), store.open(requests), draft)
        inputs = {"prompts": prompts, "requests": requests}
        return store.publish(draft, "prompts", inputs=inputs, counts=counts)  # type: ignore[no-any-return]


@winnow_task(version="1", label="strip hints, round {round}", unkeyed=("round",))
def strip_hints(chosen: DatasetRef, prompts: DatasetRef, round: int) -> DatasetRef:
    """Answers to hinted prompts as chat rows without the hint, marked ``metadata.hinted``."""
    store = current_run().store
    with store.draft() as draft:
        counts = strip_folder(store.open(chosen), store.open(prompts), draft)
        inputs = {"chosen": chosen, "prompts": prompts}
        return store.publish(draft, "chat", inputs=inputs, counts=counts)  # type: ignore[no-any-return]
