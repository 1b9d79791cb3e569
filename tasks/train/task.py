"""The base model and supervised fine-tuning as cached tasks."""

from __future__ import annotations

from pathlib import Path

from tasks.runtime.models import import_model
from tasks.runtime.references import DatasetRef, ModelRef
from tasks.runtime.run import current_run
from tasks.runtime.task import halved, in_stage, winnow_task
from tasks.train.settings import TrainingSettings
from tasks.train.sft import train_sft


@winnow_task(version="1", label="base model", unkeyed=("path", "name"))
def import_base_model(path: str, name: str, digest: str, dtype: str) -> ModelRef:
    """The base model as an artifact. It is known by its files' `digest`; `path` is only where they are today."""
    store = current_run().store
    with store.draft() as draft:
        counts = in_stage("base model", import_model, Path(path), draft, dtype)
        ref: ModelRef = store.publish(
            draft, "model", inputs={"source": digest}, config={"dtype": dtype}, counts=counts, metadata={"source": name}
        )
        return ref


@winnow_task(version="2", label="train {of}", unkeyed=("of",))
def train(base: ModelRef, labels: DatasetRef, settings: TrainingSettings, seed: int, dtype: str, of: str) -> ModelRef:
    """Fine-tune `base` on label rows; the reference's metadata has the loss curve."""
    store = current_run().store
    smaller = settings.model_copy(update={"micro_batch_rows": halved(settings.micro_batch_rows)})
    with store.draft() as draft:
        figures = in_stage(
            f"train {of}", train_sft, store.open(base), store.open(labels), draft, smaller, seed=seed, dtype=dtype
        )
        loss = figures.pop("loss")
        ref: ModelRef = store.publish(
            draft,
            "model",
            inputs={"base": base, "labels": labels},
            config={"training": settings, "seed": seed, "dtype": dtype},
            counts=figures,
            metadata={"loss": loss},
        )
        return ref
