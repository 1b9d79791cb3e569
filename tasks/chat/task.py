"""The Prefect task of this room: chat rows → label rows."""

from __future__ import annotations

from tasks.chat.files import render_files
from tasks.chat.settings import RenderSettings
from tasks.runtime.references import DatasetRef, ModelRef
from tasks.runtime.run import current_run
from tasks.runtime.task import in_stage, winnow_task


@winnow_task(version="3", label="render {of}", unkeyed=("of",))
def render_labels(chat: list[DatasetRef], model: ModelRef, settings: RenderSettings, of: str) -> DatasetRef:
    """Render chat rows with the model's own template.

    Args:
        chat: datasets of chat rows, rendered one after the other.
        model: whose tokenizer and template are used.
        settings: see `RenderSettings`.
        of: what is rendered, for people; unique within the run.

    Returns:
        A dataset of label rows; counts `rows`, `tokens`, `label_tokens`, `dropped`, `shortened`, `split` (and `members` of
        packs); metadata `mask` and `reasons`. The file ``dropped.jsonl`` beside the rows says which rows were dropped, or
        shortened, and why.

    Raises:
        DataError: not one row could be rendered (the message has the reasons), or one is too long where that is an error.
    """
    store = current_run().store
    with store.draft() as draft:
        folders, total = [store.open(part) for part in chat], sum(part.rows for part in chat)
        done = in_stage("render", render_files, folders, total, store.open(model), settings, draft)
        return store.publish(  # type: ignore[no-any-return]
            draft,
            "labels",
            inputs={"chat": chat, "model": model},
            config=settings,
            counts=done["counts"],
            metadata={"mask": settings.mask, "reasons": done["reasons"]},
        )
