"""Selection, the memory of pass rates, and replay, as Prefect tasks."""

from __future__ import annotations

from typing import Any

from tasks.runtime.references import DatasetRef
from tasks.runtime.run import current_run
from tasks.runtime.task import in_stage, winnow_task
from tasks.select.folders import select_folders
from tasks.select.pass_rates import update_folder
from tasks.select.replay import replay_folder
from tasks.select.settings import SelectionSettings


@winnow_task(version="4", label="{of}, round {round}", unkeyed=("round", "of"))
def select_answers(
    samples: list[DatasetRef],
    verdicts: list[DatasetRef],
    prompts: DatasetRef,
    settings: SelectionSettings,
    round: int,
    second: DatasetRef | None = None,
    past: list[DatasetRef] | None = None,
    evaluation: list[DatasetRef] | None = None,
    pass_rates: DatasetRef | None = None,
    of: str = "select",
) -> DatasetRef:
    """Chat rows of the answers to train on; none is a result like any other.

    The control arm is the same call with ``settings.control()`` and another `of`.

    Args:
        samples, verdicts: shards of one round; matched by sample id, in whatever order.
        prompts: the prompts the samples answer.
        settings: rule, filters and caps.
        second: a second verifier's verdicts on some of the samples; where it does not agree, the answer is dropped.
        past: chat rows of past nights, whose near duplicates are dropped.
        evaluation: prompt rows of evaluation sets; nothing that asks what they ask is kept.
        pass_rates: what is remembered of the prompts' pass rates; without it, this round's draws count.
        round, of: name the work for people.

    Returns:
        Counts as `tasks.select.folders.select_folders` has them. What was dropped, and why, lies beside the rows in
        ``dropped.jsonl``.

    Raises:
        ContractError: samples, verdicts and prompts do not belong together, or a rule breaks its promises.
        UnknownPluginError: the rule does not resolve.
    """
    store = current_run().store
    lists = {"samples": samples, "verdicts": verdicts, "past": past or [], "evaluation": evaluation or []}
    single = {"prompts": prompts, "second": second, "pass_rates": pass_rates}
    with store.draft() as draft:
        folders: dict[str, Any] = {name: [store.open(ref) for ref in refs] for name, refs in lists.items()}
        folders |= {name: store.open(ref) if ref else None for name, ref in single.items()}
        counts = in_stage(of, select_folders, settings=settings, out=draft, **folders)
        inputs = {f"{name} {index}": ref for name, refs in lists.items() for index, ref in enumerate(refs)}
        inputs |= {name: ref for name, ref in single.items() if ref}
        return store.publish(draft, "chat", inputs=inputs, config=settings, counts=counts)  # type: ignore[no-any-return]


@winnow_task(version="2", label="pass rates, round {round}", unkeyed=("round",))
def remember_pass_rates(
    memory: DatasetRef | None, samples: list[DatasetRef], verdicts: list[DatasetRef], round: int
) -> DatasetRef:
    """Each prompt's decayed counts of draws and accepted answers (kind ``pass_rates``), tonight's included.

    Args:
        memory: what the night before left; None on the first.
        samples, verdicts: of all of tonight's rounds so far.
        round: names the work for people.

    Raises:
        ContractError: samples and verdicts do not belong together.
    """
    store = current_run().store
    with store.draft() as draft:
        drawn, judged = [store.open(ref) for ref in samples], [store.open(ref) for ref in verdicts]
        counts = update_folder(store.open(memory) if memory else None, drawn, judged, draft)
        inputs = {f"samples {index}": ref for index, ref in enumerate(samples)}
        inputs |= {f"verdicts {index}": ref for index, ref in enumerate(verdicts)}
        inputs |= {"memory": memory} if memory else {}
        return store.publish(draft, "pass_rates", inputs=inputs, counts=counts)  # type: ignore[no-any-return]


@winnow_task(version="1", label="replay {of}", unkeyed=("of",))
def replay_rows(rows: DatasetRef, age: int, decay: float, of: str) -> DatasetRef:
    """The share ``decay ** age`` of a past night's chat rows; what is dropped once stays dropped as it ages."""
    store = current_run().store
    with store.draft() as draft:
        counts = replay_folder(store.open(rows), draft, age, decay)
        config = {"age": age, "decay": decay}
        return store.publish(draft, "chat", inputs={"rows": rows}, config=config, counts=counts)  # type: ignore[no-any-return]
