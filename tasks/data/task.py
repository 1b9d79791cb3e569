"""Drawing prompts, warm-start rows and evaluation items, and mixing training rows, as Prefect tasks."""

from __future__ import annotations

from tasks.data.draw import check_folders, mix_rows, write_prompts, write_warm_rows
from tasks.data.procedural import Draw, Role
from tasks.data.settings import DataSettings
from tasks.runtime.references import DatasetRef, ReportRef
from tasks.runtime.run import current_run
from tasks.runtime.task import in_stage, winnow_task


@winnow_task(version="1", label="draw {role} prompts, round {round}")
def draw_prompts(
    settings: DataSettings,
    role: Role,
    night: int,
    round: int,
    seed: int,
    exclude: list[DatasetRef],
    file_sha256: str = "",
) -> DatasetRef:
    """Prompt rows for evaluation or training.

    Args:
        role: ``evaluation`` or ``train``.
        night, round, seed: of the run; they own the seeds that questions are made from.
        exclude: rows (prompt or chat) whose questions must not be asked again.
        file_sha256: `tasks.data.files.file_sha256` of the role's file: files enter the key by content, not by path.

    Returns:
        Counts: ``rows``. Metadata: ``verifiers``, the names the rows use.

    Raises:
        DataError, ConfigurationError, UnknownPluginError: see `tasks.data.procedural` and `tasks.data.files`.
    """
    store, draw = current_run().store, Draw(role, night, round, seed)
    with store.draft() as draft:
        folders = [store.open(ref) for ref in exclude]
        counts, verifiers = in_stage("draw", write_prompts, settings, draw, folders, file_sha256, draft)
        return store.publish(  # type: ignore[no-any-return]
            draft,
            "prompts",
            inputs=_inputs(exclude, file_sha256, draw),
            config=settings,
            counts=counts,
            metadata={"verifiers": verifiers},
        )


@winnow_task(version="1", label="draw warm-start rows")
def draw_warm_rows(
    settings: DataSettings, night: int, seed: int, exclude: list[DatasetRef], file_sha256: str = ""
) -> DatasetRef:
    """Chat rows for the warm start: questions with the family's own answers, or the rows of `warm_file`.

    Arguments and errors as in `draw_prompts`. Counts: ``rows``.
    """
    store, draw = current_run().store, Draw("warm", night, 0, seed)
    with store.draft() as draft:
        folders = [store.open(ref) for ref in exclude]
        counts = in_stage("draw", write_warm_rows, settings, draw, folders, file_sha256, draft)
        inputs = _inputs(exclude, file_sha256, draw)
        return store.publish(draft, "chat", inputs=inputs, config=settings, counts=counts)  # type: ignore[no-any-return]


@winnow_task(version="1", label="mix rows of {of}", unkeyed=("of",))
def mix_training_rows(parts: list[DatasetRef], of: str) -> DatasetRef:
    """Chat rows put together in the order of `parts`, each conversation once. `of` names the work for people.

    Counts: ``rows``, ``duplicates``.

    Raises:
        ContractError: two different conversations share an id.
    """
    store = current_run().store
    with store.draft() as draft:
        counts = mix_rows([store.open(part) for part in parts], draft)
        return store.publish(draft, "chat", inputs=_inputs(parts), counts=counts)  # type: ignore[no-any-return]


@winnow_task(version="1", label="check that evaluation items are apart")
def check_disjoint(evaluation: DatasetRef, others: list[DatasetRef]) -> ReportRef:
    """Proof that no evaluation item is also in `others` (prompt or chat rows). Counts: ``evaluation``, ``compared``.

    Raises:
        OverlapError: listing the shared ids.
    """
    store = current_run().store
    with store.draft() as draft:
        counts = check_folders(store.open(evaluation), [store.open(ref) for ref in others], draft)
        inputs = {"evaluation": evaluation, **_inputs(others)}
        return store.publish(draft, "report", inputs=inputs, counts=counts)  # type: ignore[no-any-return]


def _inputs(refs: list[DatasetRef], file_sha256: str = "", draw: Draw | None = None) -> dict[str, object]:
    """What an artifact was made from, for its manifest."""
    named: dict[str, object] = {f"rows {index}": ref for index, ref in enumerate(refs)}
    if draw is not None:
        named |= {"draw": [draw.role, draw.night, draw.round, draw.seed], "file": file_sha256}
    return named
