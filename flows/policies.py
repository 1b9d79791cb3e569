"""Which of the models that a night knows make a round's draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.draws import Answers, answer
from tasks.runtime.errors import ConfigurationError
from tasks.runtime.references import ModelRef, ReportRef
from tasks.runtime.task import Pending
from tasks.sample.randomness import derive_seed
from tasks.sample.task import choose_policies, plan_policy_probe

if TYPE_CHECKING:
    from flows.night import Night
    from flows.settings import NightSettings


def check_policies(settings: NightSettings) -> None:
    """Refuse to let several models draw from servers that somebody else runs: they have one, whatever is asked for.

    Raises:
        ConfigurationError: so it is.
    """
    running = settings.sampling.engine == "endpoint" and not settings.sampling.endpoint.launch
    if running and settings.budget.policies.choice != "head":
        raise ConfigurationError(
            f"budget.policies.choice {settings.budget.policies.choice!r} needs a server for each model: give "
            "sampling.endpoint.launch instead of addresses, or take the engine transformers"
        )


def policies_of(night: Night) -> list[ModelRef]:
    """The models that share tonight's draws as the settings want it, the newest last; the head alone unless they do."""
    settings = night.settings.budget.policies
    if settings.choice == "head":
        return [night.head]
    champion = [night.champion_before.model] if night.champion_before else []
    stages = [night.first_stage, *(made.name for made in night.rounds)]
    trained = [night.models[stage] for stage in stages if stage in night.models]
    # The same model may be known by several names; the newest of them says how new it is.
    newest_first: dict[str, ModelRef] = {}
    for model in reversed([night.base, *champion, *trained, night.head]):
        newest_first.setdefault(model.label if isinstance(model, Pending) else model.digest, model)
    return [*newest_first.values()][: settings.newest][::-1]


def best_of(night: Night, number: int, policies: list[ModelRef]) -> ReportRef | None:
    """The best policy of each family, by a probe on the round's prompts; None where there is nothing to choose."""
    settings, prompts = night.settings, night.prompts[number - 1]
    probe = settings.budget.policies
    if len(policies) == 1 or probe.choice != "best_per_family":
        return None
    seed = derive_seed(settings.seed, "policies", night.number, number)
    asked = plan_policy_probe(prompts, night.temperatures, probe, seed, number)
    drawn: list[Answers] = [
        answer(
            night,
            policy,
            prompts,
            settings.sampling,
            expected=settings.data.train_prompts,
            seed=seed,
            round=0,
            of=f"probe of policy {place}, round {number}",
            requests=asked,
        )
        for place, policy in enumerate(policies, 1)
    ]
    samples, verdicts = [one for one, _ in drawn], [one for _, one in drawn]
    found: ReportRef = choose_policies(prompts, policies, samples, verdicts, probe, number)
    return found
