"""Sampling as cached tasks: a shard, and what the budget decides (the next wave, the temperature, hints)."""

from __future__ import annotations

from typing import Any

from tasks.runtime.references import DatasetRef, ModelRef, ReportRef
from tasks.runtime.run import current_run
from tasks.runtime.task import halved, in_stage, winnow_task
from tasks.sample.budget.hints import hint_folder, plan_hints_folder, strip_folder
from tasks.sample.budget.policies import choose_policies_from_folders, policy_requests_folder, write_policy_probe
from tasks.sample.budget.settings import BudgetSettings, PolicySettings, TemperatureSettings
from tasks.sample.budget.temperature import choose_from_folders, write_probe
from tasks.sample.budget.waves import plan_wave_folder
from tasks.sample.endpoint.servers import served
from tasks.sample.endpoint.settings import EndpointSettings
from tasks.sample.settings import SamplingSettings
from tasks.sample.shards import sample_folder


@winnow_task(version="2", label="sample {of}, shard {shard}", unkeyed=("of", "so_far"))
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
    so_far: str = "",
) -> DatasetRef:
    """Prompt rows → sample rows of one shard.

    Args:
        requests: which draws of which prompts; None: one draw of each.
        of, so_far: for people: the work's name, and what earlier draws brought.
    """
    store = current_run().store
    smaller = settings.model_copy(update={"batch_rows": halved(settings.batch_rows)})
    # A server that is launched belongs to the flow's process, for other shards of the same model.
    asks = settings.engine == "endpoint" and (requests is None or requests.rows > 0)
    endpoint = settings.endpoint if asks else EndpointSettings()
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
            so_far=so_far,
        )
        inputs = {"policy": policy, "prompts": prompts, **({"requests": requests} if requests else {})}
        about = {"prompts": prompts.digest}
        return store.publish(draft, "samples", inputs=inputs, config=settings, counts=counts, metadata=about)  # type: ignore[no-any-return]


@winnow_task(version="2", label="plan {of}", unkeyed=("of",))
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


@winnow_task(version="1", label="plan the probe of policies, round {round}", unkeyed=("round",))
def plan_policy_probe(
    prompts: DatasetRef, temperatures: ReportRef | None, settings: PolicySettings, seed: int, round: int
) -> DatasetRef:
    """The draws that each policy is tried with (kind ``requests``).

    Args:
        temperatures: what `choose_temperature` found; None: the sampling settings'.
        round: names the work for people.
    """
    store = current_run().store
    with store.draft() as draft:
        found = temperatures.metadata["temperatures"] if temperatures else {}
        counts = write_policy_probe(store.open(prompts), settings, found, seed, draft)
        inputs: dict[str, Any] = {"prompts": prompts, **({"temperatures": temperatures} if temperatures else {})}
        return store.publish(draft, "requests", inputs=inputs, config=settings, counts=counts)  # type: ignore[no-any-return]


@winnow_task(version="1", label="choose policies, round {round}", unkeyed=("round",))
def choose_policies(
    prompts: DatasetRef,
    policies: list[ModelRef],
    samples: list[list[DatasetRef]],
    verdicts: list[list[DatasetRef]],
    settings: PolicySettings,
    round: int,
) -> ReportRef:
    """Each family's policy, by the probe's draws.

    Args:
        policies: the newest last.
        samples, verdicts: of the probe, a list of shards for each of `policies`.
        round: names the work for people.

    Returns:
        Metadata: ``best`` and ``found``, by family.
    """
    store = current_run().store
    with store.draft() as draft:
        probes = [
            (policy.digest, [store.open(ref) for ref in drawn], [store.open(ref) for ref in judged])
            for policy, drawn, judged in zip(policies, samples, verdicts, strict=True)
        ]
        told = in_stage("policies", choose_policies_from_folders, store.open(prompts), probes, settings, draft)
        inputs: dict[str, Any] = {"prompts": prompts}
        for number in range(len(policies)):
            inputs |= {f"samples {number} {index}": ref for index, ref in enumerate(samples[number])}
            inputs |= {f"verdicts {number} {index}": ref for index, ref in enumerate(verdicts[number])}
        return store.publish(draft, "report", inputs=inputs, config=settings, metadata=told)  # type: ignore[no-any-return]


@winnow_task(version="1", label="requests of {of}", unkeyed=("of",))
def policy_requests(
    requests: DatasetRef,
    prompts: DatasetRef,
    policies: list[ModelRef],
    policy: ModelRef,
    best: ReportRef | None,
    wave: int,
    step: int,
    seed: int,
    of: str,
) -> DatasetRef:
    """A policy's own part of a wave's draws (kind ``requests``).

    Args:
        policies: all that share them, the newest last. best: what `choose_policies` found; None: they take turns.
        wave, step, seed: see `tasks.sample.budget.policies.pooled`.
        of: names the work for people.
    """
    store, turn = current_run().store, {"wave": wave, "step": step, "seed": seed}
    digests, found = [one.digest for one in policies], best.metadata["best"] if best else None
    with store.draft() as draft:
        counts = policy_requests_folder(store.open(requests), store.open(prompts), digests, policy.digest, found, draft, **turn)
        inputs: dict[str, Any] = {"requests": requests, "prompts": prompts, **({"best": best} if best else {})}
        config = {"policies": digests, "policy": policy.digest, **turn}
        return store.publish(draft, "requests", inputs=inputs, config=config, counts=counts)  # type: ignore[no-any-return]


@winnow_task(version="2", label="plan hints, round {round}", unkeyed=("round",))
def plan_hints(
    prompts: DatasetRef,
    memory: DatasetRef,
    settings: BudgetSettings,
    tokens_spent: int,
    tokens_hinted: int,
    longest: int,
    seed: int,
    round: int,
) -> DatasetRef:
    """Draws of prompts that many draws never solved, to be made with their hint (kind ``requests``).

    Args:
        memory: the pass rates that the night before left.
        tokens_spent: generated tonight so far; tokens_hinted: of these, with hints.
        longest, seed: see `tasks.sample.budget.hints.planned_hints`.
        round: names the work for people.
    """
    store = current_run().store
    with store.draft() as draft:
        counts = plan_hints_folder(
            store.open(prompts),
            store.open(memory),
            settings,
            draft,
            tokens_spent=tokens_spent,
            tokens_hinted=tokens_hinted,
            longest=longest,
            seed=seed,
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
