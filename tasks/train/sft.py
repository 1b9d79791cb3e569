"""Supervised fine-tuning with TRL on label rows that are ready: our token ids, our labels, nothing templated again."""

from __future__ import annotations

import logging
import math
import shutil
from pathlib import Path
from typing import Any

from tasks.runtime.errors import DataError, WinnowError
from tasks.runtime.hardware import usable_cores
from tasks.runtime.models import load_model, save_model
from tasks.runtime.plugins import load_plugin
from tasks.runtime.progress import report_progress
from tasks.runtime.rows import read_rows
from tasks.train.settings import TrainingSettings

IGNORED = -100
log = logging.getLogger("winnow.train")


def train_sft(
    model_folder: Path, labels_folder: Path, out: Path, settings: TrainingSettings, *, seed: int, dtype: str
) -> dict[str, Any]:
    """Train the model on the label rows and write the merged model to `out`.

    The loss of an optimizer step is the sum of its label tokens' cross-entropies over their number, whatever the micro-batches
    (see `label_loss`), so a token weighs the same in a short row and in a long one.

    Args:
        model_folder: the model to start from; read only.
        labels_folder: label rows (`input_ids`, `labels` with −100 where not trained).
        out: an empty folder for the merged model, in `dtype`.
        settings: see `TrainingSettings`.
        seed: fixes the order of the rows and the adapter's start.
        dtype: ``bfloat16`` (autocast) or ``float32``.

    Returns:
        rows, steps, tokens, label_tokens (over all epochs), and loss: [[step, loss], …].

    Raises:
        DataError: no rows, or a row without a label.
        WinnowError: the loss or the saved weights are not finite.
    """
    import torch
    from transformers import set_seed

    rows = list(read_rows(labels_folder, columns=["input_ids", "labels"]))
    _refuse_unusable(rows)
    torch.set_num_threads(usable_cores())
    set_seed(seed)
    model, tokenizer = load_model(model_folder, dtype)
    scratch = out / ".trainer"
    trainer = _trainer(model, tokenizer, rows, settings, seed, dtype, scratch)
    trainer.train()
    shutil.rmtree(scratch, ignore_errors=True)
    merged = trainer.model.merge_and_unload() if hasattr(trainer.model, "merge_and_unload") else trainer.model
    merged = merged.to(getattr(torch, dtype)).eval()
    _refuse_broken(merged)
    save_model(merged, tokenizer, out)
    labels = sum(sum(label != IGNORED for label in row["labels"]) for row in rows)
    curve = [[entry["step"], round(entry["loss"], 5)] for entry in trainer.state.log_history if "loss" in entry]
    return {
        "rows": len(rows),
        "steps": trainer.state.global_step,
        "tokens": round(settings.epochs * sum(len(row["input_ids"]) for row in rows)),
        "label_tokens": round(settings.epochs * labels),
        "loss": curve,
    }


def _trainer(
    model: Any, tokenizer: Any, rows: list[dict[str, Any]], settings: TrainingSettings, seed: int, dtype: str, scratch: Path
) -> Any:
    from datasets import Dataset
    from transformers import PrinterCallback

    from tasks.train.label_loss import LabelTokenTrainer

    trainer = LabelTokenTrainer(
        model=model,
        args=_arguments(settings, len(rows), seed, dtype, scratch),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        peft_config=load_plugin("methods", settings.method)(settings),
        callbacks=[_watcher()],
    )
    trainer.remove_callback(PrinterCallback)  # it prints to standard output, which belongs to --json
    return trainer


def _arguments(settings: TrainingSettings, rows: int, seed: int, dtype: str, scratch: Path) -> Any:
    import torch
    from trl.trainer.sft_config import SFTConfig

    micro = math.gcd(settings.batch_rows, settings.micro_batch_rows)
    steps = math.ceil(settings.epochs * math.ceil(rows / settings.batch_rows))
    return SFTConfig(
        output_dir=str(scratch),
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=settings.batch_rows // micro,
        num_train_epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=math.ceil(settings.warmup_share * steps),
        max_grad_norm=settings.max_grad_norm,
        optim="adamw_torch",
        bf16=dtype == "bfloat16",
        use_cpu=not torch.cuda.is_available(),
        seed=seed,
        data_seed=seed,
        logging_steps=1,
        logging_nan_inf_filter=False,  # it would log the last good loss in place of NaN
        disable_tqdm=True,
        report_to="none",
        save_strategy="no",
        gradient_checkpointing=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
        dataloader_pin_memory=False,
    )


def _watcher() -> Any:
    from transformers import TrainerCallback

    class Watcher(TrainerCallback):  # type: ignore[misc]  # transformers has no types
        """Progress, and a stop at the first loss that is not a number."""

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
            loss = (logs or {}).get("loss")
            if loss is None:
                return
            if not math.isfinite(loss):
                raise WinnowError(
                    f"the loss is {loss} at step {state.global_step}: lower training.learning_rate, or look at the rows"
                )
            report_progress(state.global_step, state.max_steps, "steps", f"loss {loss:.3f}")

    return Watcher()


def _refuse_unusable(rows: list[dict[str, Any]]) -> None:
    if not rows:
        raise DataError("no label rows to train on; see the rendering's rejects for why rows were left out")
    for index, row in enumerate(rows):
        if all(label == IGNORED for label in row["labels"]):
            raise DataError(f"label row {index} trains no token; render it with another mask, or leave it out")


def _refuse_broken(model: Any) -> None:
    """Raise unless every weight is finite: a NaN adapter saves without complaint, and exits with 0."""
    for name, parameter in model.named_parameters():
        if not bool(parameter.isfinite().all()):
            raise WinnowError(f"weights of {name} are not finite after training: lower training.learning_rate")
