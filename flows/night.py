"""A night: what it knows, and its steps in order. Each step takes the night so far and adds to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from flows import draws, parts, policies
from flows.settings import NightSettings
from tasks.data.task import check_disjoint
from tasks.gate.task import decide_lineage
from tasks.registry import ledger
from tasks.registry.nights import NightRows, NightState, last_night, load_night
from tasks.registry.records import Entry, Version
from tasks.registry.task import bootstrap_registry, write_night_state
from tasks.runtime.hardware import compute_dtype
from tasks.runtime.models import locate, source_digest
from tasks.runtime.plugins import load_plugin
from tasks.runtime.references import DatasetRef, ModelRef, ReportRef
from tasks.runtime.run import current_run
from tasks.runtime.task import Pending
from tasks.sample.endpoint.servers import kept_servers
from tasks.train.task import import_base_model
from tasks.verify.task import self_test
from tasks.verify.verdict import verifier_versions


@dataclass
class Round:
    """What one round of rejection sampling made.

    Attributes:
        pass_rates: what is known of the prompts' difficulty, this round included.
        audited: the second verifier's verdicts, with the audit's files beside them.
        control: as many rows a prompt as `chosen` has, drawn at random from the same answers: the control arm.
        hinted: accepted answers to prompts that nothing else solved, without the hint they had; None: no such prompts.
        hinted_samples: all that were drawn for these.
        labels: what was trained on; None when no answer was accepted.
    """

    number: int
    prompts: DatasetRef
    samples: list[DatasetRef]
    verdicts: list[DatasetRef]
    pass_rates: DatasetRef
    audited: DatasetRef
    chosen: DatasetRef
    control: DatasetRef | None
    hinted: DatasetRef | None = None
    hinted_samples: list[DatasetRef] = field(default_factory=list)
    labels: DatasetRef | None = None

    @property
    def accepted(self) -> list[DatasetRef]:
        """The chat rows that the round adds to the training."""
        return [self.chosen] if self.hinted is None else [self.chosen, self.hinted]

    @property
    def name(self) -> str:
        return f"round_{self.number}"


@dataclass
class Night:
    """A night in progress.

    Attributes:
        before: what the night before left; None on the first.
        champion_before: whom the night found served (the base model, in a new lineage); None only in a plan.
        head: the model that the next round samples from.
        pools: role → the sound rows of its own source.
        items, warm_rows, prompts: evaluation items, warm-start rows, and each round's prompts.
        verifiers: name → version of every verifier that the prompts use; `judges`: with the second one.
        self_test: the verifiers' self-test.
        temperatures: what tonight's answers are drawn at, by family; None: the settings' temperature.
        models, scores: by stage name (``base``, ``head``, ``warm_start``, ``round_1`` …, ``champion``).
        generated: every dataset of samples drawn.
        validated: what was validated → the accepted rows' reference.
        gates: stage → the history's entry, in order.
    """

    settings: NightSettings
    number: int
    before: NightState | None
    champion_before: Version | None
    dtype: str
    base: ModelRef
    head: ModelRef
    pools: dict[str, DatasetRef] = field(default_factory=dict)
    items: DatasetRef | None = None
    warm_rows: DatasetRef | None = None
    prompts: list[DatasetRef] = field(default_factory=list)
    verifiers: dict[str, str] = field(default_factory=dict)
    rounds: list[Round] = field(default_factory=list)
    models: dict[str, ModelRef] = field(default_factory=dict)
    scores: dict[str, DatasetRef] = field(default_factory=dict)
    generated: list[DatasetRef] = field(default_factory=list)
    validated: dict[str, DatasetRef] = field(default_factory=dict)
    gates: dict[str, Entry] = field(default_factory=dict)
    self_test: ReportRef | None = None
    temperatures: ReportRef | None = None
    lineage_decision: ReportRef | None = None

    @property
    def judges(self) -> dict[str, str]:
        """Every verifier of the night, the second one included: another second one leaves the first one's verdicts alone."""
        second = self.settings.audit.second_verifier
        return self.verifiers | verifier_versions([second] if second else [], self.settings.verification)

    @property
    def first_stage(self) -> str:
        """The stage whose model the night's rounds began with."""
        return "head" if self.before else "warm_start" if "warm_start" in self.models else "base"

    @property
    def candidate(self) -> str | None:
        """The stage whose model asks to be served: the last round that trained."""
        return next((made.name for made in reversed(self.rounds) if made.labels is not None), None)


def begin(settings: NightSettings) -> Night:
    """Which night it is, what the last one left, and the base model. Every plug-in's name resolves, or nothing starts."""
    _check_plugins(settings)
    policies.check_policies(settings)
    store = current_run().store
    last = last_night(store, settings.lineage)
    number = settings.night or (last.night + 1 if last else 1)
    before = load_night(store, settings.lineage, number - 1) if number > 1 else None
    dtype, path = compute_dtype(), locate(settings.model)
    base = import_base_model(str(path), settings.model, source_digest(path), dtype)
    bootstrap_registry(settings.lineage, base, {"source": settings.model})
    champion = ledger.champion(store, settings.lineage)
    return Night(settings, number, before, champion, dtype, base, before.head if before else base)


def prepare_data(night: Night) -> None:
    """Evaluation items, warm-start rows and each round's prompts, which share no question; a short file's come again."""
    settings, before = night.settings, night.before
    night.warm_rows = before.warm_rows if before else None
    # Items avoid whatever a past night trained on. Prompts avoid tonight's items, but not past nights' prompts: asking those
    # again harms nothing, and a small family of questions would run out.
    trained = [*(before.training_prompts if before else []), *([night.warm_rows] if night.warm_rows else [])]
    night.items = parts.draw(night, "evaluation", 0, trained)
    tonight = [night.items]
    if not before and (settings.data.warm_rows or settings.data.warm_file or settings.data.warm_mix.sources):
        night.warm_rows = parts.draw_warm(night, tonight)
    tonight = [*tonight, night.warm_rows] if night.warm_rows is not None else tonight
    for number in range(1, settings.rounds + 1):
        # A file's prompts come again once they are used up (`pool_prompts`); questions that are made are new in every round.
        made = [] if settings.data.train_file else night.prompts
        night.prompts.append(parts.draw(night, "train", number, [*tonight, *made]))
    check_disjoint(night.items, [*trained, *tonight[1:], *night.prompts])


def test_verifiers(night: Night) -> None:
    """Halt, with the champion as it was, when a verifier errs too often on planted answers to the night's own prompts."""
    assert night.items is not None, "data was prepared"
    settings = night.settings
    night.self_test = self_test([night.items, *night.prompts], settings.verification, settings.audit, night.judges)


def warm_start(night: Night) -> None:
    """On the first night: teach the base model the answers' form. The gate says whether that is to be served already."""
    parts.evaluate(night, "base", night.base)
    if night.before:
        parts.evaluate(night, "head", night.head)
    elif night.warm_rows is not None:
        night.head, _ = parts.train_on(night, "warm start", [night.warm_rows], night.settings.warm_start)
        parts.evaluate(night, "warm_start", night.head)
        parts.gate(night, "warm_start")


def rejection_sampling_round(night: Night, number: int) -> None:
    """Draw answers to the prompts, keep distinct accepted ones, and train on all of them so far from the base model."""
    with kept_servers():  # until training, which needs the device
        if number == 1:
            draws.probe_temperatures(night)
        models = policies.policies_of(night)
        samples, verdicts = draws.draw_in_waves(night, number, models, policies.best_of(night, number, models))
    sound = samples[0]
    if any(isinstance(ref, Pending) or ref.rows for ref in samples):  # no rows are nothing to refuse here: the budget is spent
        sound = parts.validated(night, samples, f"samples of round {number}", prompts=night.prompts[number - 1])
    made = parts.select(night, number, samples, verdicts, sound)
    night.rounds.append(made)
    parts.hint_arm(night, made)
    if all(not isinstance(rows, Pending) and rows.rows == 0 for rows in made.accepted):
        return  # nothing to learn from: the head stays
    accepted = [rows for done in night.rounds for rows in done.accepted]
    rows = [*([night.warm_rows] if night.warm_rows else []), *parts.replayed(night), *accepted]
    night.head, made.labels = parts.train_on(night, f"round {number}", rows, night.settings.training)
    parts.evaluate(night, made.name, night.head)


def serving_gate(night: Night) -> None:
    """Promote the night's last model when it beats the champion, at this look's share of the error budget."""
    if night.candidate:
        parts.gate(night, night.candidate)


def lineage_gate(night: Night) -> None:
    """Let the next night go on from the night's last model, unless it is worse than the one the night began with."""
    if not night.candidate:
        return
    decision = decide_lineage(night.scores[night.first_stage], night.scores[night.candidate], night.settings.gate)
    if isinstance(decision, Pending):
        return
    night.lineage_decision = decision
    if decision.metadata["decision"] != "accept":
        night.head = night.models[night.first_stage]


def leave_state(night: Night) -> None:
    """Write what the next night continues from."""
    run, settings, before = current_run(), night.settings, night.before
    if run.planning:
        return
    champion = ledger.champion(run.store, settings.lineage)
    assert champion is not None, "the registry was bootstrapped when the night began"
    assert night.items is not None, "data was prepared"
    accepted = NightRows(night=night.number, rows=[rows for made in night.rounds for rows in made.accepted])
    state = NightState(
        night=night.number,
        lineage=settings.lineage,
        base=night.base,
        head=night.head,
        warm_rows=night.warm_rows,
        window=[*(before.window if before else []), accepted][-settings.window :],
        pass_rates=night.rounds[-1].pass_rates,
        training_prompts=[*(before.training_prompts if before else []), *night.prompts],
        looks_spent=ledger.looks_spent(ledger.history(run.store, settings.lineage)),
        champion=champion.version,
    )
    write_night_state(state)


def _check_plugins(settings: NightSettings) -> None:
    """Raise `UnknownPluginError` for the first name that does not resolve."""
    for group, name in (
        ("sources", settings.data.source),
        ("engines", settings.sampling.engine),
        ("engines", settings.evaluation.engine),
        ("selectors", settings.selection.rule),
        ("selectors", settings.selection.match),
        ("methods", settings.warm_start.method),
        ("methods", settings.training.method),
        *([("verifiers", settings.audit.second_verifier)] if settings.audit.second_verifier else []),
    ):
        load_plugin(group, name)


def record_of(night: Night) -> dict[str, Any]:
    """A version's lineage: digests of what the night's models were made from, and their settings."""

    def digest(ref: Any) -> str | None:
        return getattr(ref, "digest", None)

    return {
        "night": night.number,
        "base": digest(night.base),
        "items": digest(night.items),
        "warm_rows": digest(night.warm_rows),
        "rounds": [
            {
                "prompts": digest(made.prompts),
                "samples": [digest(ref) for ref in made.samples],
                "verdicts": [digest(ref) for ref in made.verdicts],
                "audited": digest(made.audited),
                "chosen": digest(made.chosen),
                "control": digest(made.control),
                "hinted": digest(made.hinted),
                "labels": digest(made.labels),
            }
            for made in night.rounds
        ],
        "settings": night.settings.model_dump(mode="json", exclude={"store", "workers"}),
    }
