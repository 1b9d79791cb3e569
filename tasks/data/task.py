"""Loading a user's rows, drawing prompts, warm-start rows and evaluation items, and mixing training rows, as Prefect tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from tasks.data.draw import check_folders, mix_rows, write_prompts, write_warm_rows
from tasks.data.mix_settings import MixSettings
from tasks.data.mixing import mix_folders
from tasks.data.pools import write_pinned_pool
from tasks.data.procedural import Draw, Role
from tasks.data.settings import DataSettings
from tasks.data.sources.digest import Pinned
from tasks.runtime.errors import ContractError, DataError
from tasks.runtime.references import DatasetRef, ModelRef, ReportRef
from tasks.runtime.run import current_run
from tasks.runtime.task import in_stage, winnow_task
from tasks.validate.settings import ValidationSettings
from tasks.validate.task import publish_checked


@winnow_task(version="1", label="load {of}", unkeyed=("address", "of"))
def load_rows(
    address: str,
    digest: str,
    kind: Literal["chat", "prompts"],
    settings: ValidationSettings,
    of: str,
    model: ModelRef | None = None,
) -> DatasetRef:
    """Load a user's source into rows of a kind, and pass on those that pass their suite: a pool to draw from.

    Args:
        address, digest: from `tasks.data.sources.digest.pinned`: sources enter the key by content, not by place.
        of: what is loaded, for people; unique within the run.
        model: its tokenizer says which texts are control tokens.

    Returns:
        The accepted rows; counts `rows`, `read`, `rejected`; metadata `report`: the report's reference as JSON, and
        `format`: what the rows were converted from.

    Raises:
        DataError: the source cannot be read, holds no rows or rows of another kind, or more than the allowed share is
        rejected; in that case the report is in the store all the same.
    """
    store, source = current_run().store, Pinned(address, digest)
    inputs: dict[str, Any] = {"source": digest, **({"model": model} if model else {})}
    with store.draft() as accepted, store.draft() as draft:
        folder = store.open(model) if model else None
        summary = in_stage("load", write_pinned_pool, source, kind, settings, folder, accepted, draft)
        try:
            return publish_checked(of, summary, accepted, draft, inputs, settings, {"format": summary["format"]})
        except DataError as error:
            raise DataError(f"{address}: {error}") from error


@winnow_task(version="3", label="draw {role} prompts, round {round}")
def draw_prompts(
    settings: DataSettings,
    role: Role,
    night: int,
    round: int,
    seed: int,
    exclude: list[DatasetRef],
    pool: DatasetRef | None = None,
) -> DatasetRef:
    """Prompt rows for evaluation or training.

    Args:
        role: ``evaluation`` or ``train``.
        night, round, seed: of the run; they own the seeds that questions are made from.
        exclude: rows (prompt or chat) whose questions must not be asked again.
        pool: what `load_rows` made of the role's own source; None: the settings' source makes the prompts.

    Returns:
        Counts: ``rows``. Metadata: ``verifiers``, the names the rows use.

    Raises:
        DataError, ConfigurationError, UnknownPluginError: see `tasks.data.procedural` and `tasks.data.pools`.
    """
    store, draw = current_run().store, Draw(role, night, round, seed)
    with store.draft() as draft:
        folders = [store.open(ref) for ref in exclude]
        counts, verifiers = in_stage("draw", write_prompts, settings, draw, folders, _opened(pool), draft)
        return store.publish(  # type: ignore[no-any-return]
            draft,
            "prompts",
            inputs=_inputs(exclude, draw, pool),
            config=settings,
            counts=counts,
            metadata={"verifiers": verifiers},
        )


@winnow_task(version="2", label="draw warm-start rows")
def draw_warm_rows(
    settings: DataSettings, night: int, seed: int, exclude: list[DatasetRef], pool: DatasetRef | None = None
) -> DatasetRef:
    """Chat rows for the warm start: questions with the family's own answers, or rows of the pool.

    Arguments and errors as in `draw_prompts`. Counts: ``rows``.
    """
    store, draw = current_run().store, Draw("warm", night, 0, seed)
    with store.draft() as draft:
        folders = [store.open(ref) for ref in exclude]
        counts = in_stage("draw", write_warm_rows, settings, draw, folders, _opened(pool), draft)
        inputs = _inputs(exclude, draw, pool)
        return store.publish(draft, "chat", inputs=inputs, config=settings, counts=counts)  # type: ignore[no-any-return]


@winnow_task(version="2", label="mix rows of {of}", unkeyed=("of",))
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


@winnow_task(version="1", label="mix sources of {of}", unkeyed=("of",))
def mix_sources(parts: list[DatasetRef], settings: MixSettings, evaluation: list[DatasetRef], of: str) -> DatasetRef:
    """A mix of chat or prompt rows: shares and caps, no duplicates, nothing that gives an evaluation item away.

    Args:
        parts: the sound rows of each of ``settings.sources``, in order, all of one kind (see `load_rows`).
        evaluation: prompt or chat rows that nobody may train on.
        of: what is mixed, for people; unique within the run.

    Returns:
        The mix; beside its rows lie ``left_out.jsonl`` and ``overlaps.jsonl``. Counts: ``rows``, ``read``,
        ``held_out`` and each reason of `tasks.data.ledger.REASONS`. Metadata: ``summary`` of `mix_folders`, and where
        some are held out, ``held_out``: their reference as JSON.

    Raises:
        DataError, ConfigurationError, ContractError: see `tasks.data.mixing.mix_folders`.
    """
    store, holds = current_run().store, settings.held_out.wanted
    if len(kinds := {part.kind for part in parts}) != 1:
        raise ContractError(f"a mix needs parts of one kind, and these are of {sorted(kinds) or 'none'}; leave the others out")
    kind = kinds.pop()
    named = _inputs(parts) | {f"evaluation {index}": ref for index, ref in enumerate(evaluation)}
    with store.draft() as draft, store.draft() as aside:
        folders = [[store.open(ref) for ref in refs] for refs in (parts, evaluation)]
        summary = in_stage("mix", mix_folders, folders[0], kind, settings, folders[1], draft, aside if holds else None)
        about: dict[str, Any] = {"summary": summary}
        if holds:
            held = {"rows": summary["held_out"]}
            about["held_out"] = store.publish(aside, kind, inputs=named, config=settings, counts=held).model_dump()
        counts = {name: summary[name] for name in ("rows", "read", "held_out")} | summary["left_out"]
        return store.publish(  # type: ignore[no-any-return]
            draft, kind, inputs=named, config=settings, counts=counts, metadata=about
        )


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


def _opened(pool: DatasetRef | None) -> Path | None:
    return current_run().store.open(pool) if pool else None


def _inputs(refs: list[DatasetRef], draw: Draw | None = None, pool: DatasetRef | None = None) -> dict[str, object]:
    """What an artifact was made from, for its manifest."""
    named: dict[str, object] = {f"rows {index}": ref for index, ref in enumerate(refs)}
    if draw is not None:
        named["draw"] = [draw.role, draw.night, draw.round, draw.seed]
    if pool is not None:
        named["pool"] = pool
    return named
