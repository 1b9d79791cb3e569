"""Selection as a Prefect task."""

from __future__ import annotations

from tasks.runtime.references import DatasetRef
from tasks.runtime.run import current_run
from tasks.runtime.task import winnow_task
from tasks.select.outcomes import select_folders
from tasks.select.settings import SelectionSettings


@winnow_task(version="1", label="select, round {round}", unkeyed=("round",))
def select_answers(
    samples: list[DatasetRef],
    verdicts: list[DatasetRef],
    prompts: DatasetRef,
    settings: SelectionSettings,
    round: int,
) -> DatasetRef:
    """Chat rows of the answers to train on; none is a result like any other.

    Args:
        samples, verdicts: shards of one round; matched by sample id, in whatever order.
        prompts: the prompts the samples answer.
        settings: rule and cap.
        round: names the work for people.

    Returns:
        Counts as `tasks.select.outcomes.select_folders` has them. What was dropped, and why, lies beside the rows in
        ``dropped.jsonl``.

    Raises:
        ContractError: samples, verdicts and prompts do not belong together.
        UnknownPluginError: the rule does not resolve.
    """
    store = current_run().store
    with store.draft() as draft:
        counts = select_folders(
            [store.open(ref) for ref in samples], [store.open(ref) for ref in verdicts], store.open(prompts), settings, draft
        )
        inputs = {
            "prompts": prompts,
            **{f"samples {index}": ref for index, ref in enumerate(samples)},
            **{f"verdicts {index}": ref for index, ref in enumerate(verdicts)},
        }
        return store.publish(draft, "chat", inputs=inputs, config=settings, counts=counts)  # type: ignore[no-any-return]
