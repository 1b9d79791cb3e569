"""Supervised fine-tuning with TRL on label rows that are ready: our token ids, our labels, nothing templated again."""

from __future__ import annotations

import logging
import math
import shutil
from pathlib import Path
from typing import Any

from tasks.runtime.errors import ConfigurationError, WinnowError
from tasks.runtime.hardware import usable_cores
from tasks.runtime.models import load_model, save_model
from tasks.runtime.plugins import load_plugin
from tasks.runtime.progress import report_progress
from tasks.runtime.rows import Row
from tasks.train.label_files import TRAINED, count_rows, members, read_label_rows
from tasks.train.settings import TrainingSettings

log = logging.getLogger("winnow.train")


def train_sft(
    model_folder: Path, labels_folder: Path, out: Path, settings: TrainingSettings, *, seed: int, dtype: str
) -> dict[str, Any]:
    """Train the model on the label rows and write the merged model to `out`.

    The loss of an optimizer step is the weighted mean of its label tokens' cross-entropies, whatever the micro-batches (see
    `label_loss`), so a token weighs the same in a short row, in a long one and in a pack. Batches hold as little padding as the
    model's attention allows (see `collation`); where it allows none of that, rows of like length are padded together.

    Args:
        model_folder: the model to start from; read only.
        labels_folder: label rows (`input_ids`, `labels` with −100 where not trained, `loss_weights?`, `weight?`), or packs of
            them, whose `position_ids` restart at each.
        out: an empty folder for the merged model, in `dtype`.
        settings: see `TrainingSettings`.
        seed: fixes the order of the rows and the adapter's start.
        dtype: ``bfloat16`` (autocast) or ``float32``.

    Returns:
        rows (a pack counts as its members), steps, tokens, label_tokens (both over all epochs), and loss: [[step, loss], …].

    Raises:
        DataError: no rows, a row that trains nothing, or a weight that is none.
        ConfigurationError: packs, and a model that would not keep their rows apart.
        WinnowError: the loss or the saved weights are not finite.
    """
    import torch
    from transformers import set_seed

    rows = read_label_rows(labels_folder)
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
    counts = count_rows(rows)
    curve = [[entry["step"], round(entry["loss"], 5)] for entry in trainer.state.log_history if "loss" in entry]
    return {
        "rows": counts["rows"],
        "steps": trainer.state.global_step,
        "tokens": round(settings.epochs * counts["tokens"]),
        "label_tokens": round(settings.epochs * counts["label_tokens"]),
        "loss": curve,
    }


def _trainer(
    model: Any, tokenizer: Any, rows: list[Row], settings: TrainingSettings, seed: int, dtype: str, scratch: Path
) -> Any:
    from datasets import Dataset
    from transformers import PrinterCallback

    from tasks.train.collation import LabelCollator, choose_layout
    from tasks.train.label_loss import LabelTokenTrainer

    layout = choose_layout(model)
    log.info("batches: %s", layout)
    if layout == "padded" and any(members(row) > 1 for row in rows):
        raise ConfigurationError(
            f"{type(model).__name__} with {model.config._attn_implementation} attention would mix the rows of a pack; "
            "render with pack_tokens 0"
        )
    trainer = LabelTokenTrainer(
        model=model,
        args=_arguments(settings, len(rows), layout == "padded", seed, dtype, scratch),
        data_collator=LabelCollator(tokenizer.pad_token_id, layout),
        train_dataset=Dataset.from_list([{name: row.get(name) for name in TRAINED} for row in rows]),
        processing_class=tokenizer,
        peft_config=load_plugin("methods", settings.method)(settings),
        callbacks=[_watcher()],
    )
    trainer.remove_callback(PrinterCallback)  # it prints to standard output, which belongs to --json
    return trainer


def _arguments(settings: TrainingSettings, rows: int, grouped: bool, seed: int, dtype: str, scratch: Path) -> Any:
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
        train_sampling_strategy="group_by_length" if grouped else "random",
        remove_unused_columns=False,  # the collator wants more than the model does
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


def _refuse_broken(model: Any) -> None:
    """Raise unless every weight is finite: a NaN adapter saves without complaint, and exits with 0."""
    for name, parameter in model.named_parameters():
        if not bool(parameter.isfinite().all()):
            raise WinnowError(f"weights of {name} are not finite after training: lower training.learning_rate")
