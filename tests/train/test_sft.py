"""Supervised fine-tuning: what is learnt, what is equal, what is refused."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tasks.runtime.errors import DataError, WinnowError
from tasks.runtime.files import content_digest, file_digests
from tasks.runtime.models import load_model, save_model
from tasks.runtime.progress import Progress, listening
from tasks.runtime.rows import write_rows
from tasks.train.settings import TrainingSettings
from tasks.train.sft import train_sft
from tests.train.conftest import IGNORED, label_rows

SETTINGS = TrainingSettings(epochs=3, batch_rows=4, micro_batch_rows=4, learning_rate=5e-3, rank=4, alpha=8)


def trained(model: Path, labels: Path, out: Path, settings: TrainingSettings = SETTINGS, **changes: Any) -> dict[str, Any]:
    out.mkdir()
    return train_sft(model, labels, out, settings, **{"seed": 3, "dtype": "float32", **changes})


def test_the_loss_falls_and_the_merged_model_has_learnt(tiny_model: Path, labels: Path, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"epochs": 20, "learning_rate": 3e-2, "rank": 16, "alpha": 32})
    figures = trained(tiny_model, labels, tmp_path / "out", settings)
    assert figures["steps"] == len(figures["loss"]) == 60
    assert figures["rows"] == 12
    assert figures["label_tokens"] == 20 * sum(label != IGNORED for row in label_rows() for label in row["labels"])
    assert figures["loss"][-1][1] < 0.7 * figures["loss"][0][1]
    assert plain_loss(tmp_path / "out") < 0.7 * plain_loss(tiny_model)


def test_equal_runs_give_equal_bytes_and_another_seed_does_not(tiny_model: Path, labels: Path, tmp_path: Path) -> None:
    digests = []
    for name, seed in (("one", 3), ("two", 3), ("other", 4)):
        trained(tiny_model, labels, tmp_path / name, seed=seed)
        digests.append(content_digest("model", file_digests(tmp_path / name)))
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("micro", [1, 2])
def test_micro_batches_change_nothing(tiny_model: Path, labels: Path, tmp_path: Path, micro: int) -> None:
    """A token weighs the same in a short row and in a long one, however the step is cut (KNOWLEDGE 6)."""
    whole = trained(tiny_model, labels, tmp_path / "whole")
    cut = trained(tiny_model, labels, tmp_path / "cut", SETTINGS.model_copy(update={"micro_batch_rows": micro}))
    assert [step for step, _ in cut["loss"]] == [step for step, _ in whole["loss"]]
    assert [loss for _, loss in cut["loss"]] == pytest.approx([loss for _, loss in whole["loss"]], abs=2e-5)
    ours, theirs = (load_model(tmp_path / name, "float32")[0].state_dict() for name in ("cut", "whole"))
    assert max((ours[name] - theirs[name]).abs().max().item() for name in ours) < 1e-5


def test_the_first_loss_is_the_mean_over_the_label_tokens_of_the_step(tiny_model: Path, labels: Path, tmp_path: Path) -> None:
    one_step = SETTINGS.model_copy(update={"batch_rows": 12, "micro_batch_rows": 3, "epochs": 1})
    figures = trained(tiny_model, labels, tmp_path / "out", one_step)
    assert figures["loss"][0][1] == pytest.approx(plain_loss(tiny_model), abs=1e-4)


def test_progress_is_reported(tiny_model: Path, labels: Path, tmp_path: Path) -> None:
    seen: list[Progress] = []
    with listening(seen.append):
        trained(tiny_model, labels, tmp_path / "out")
    assert (seen[-1].done, seen[-1].total, seen[-1].unit) == (9, 9, "steps")
    assert "loss" in seen[-1].note


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "no label rows"),
        ([*label_rows(2), {"id": "masked", "input_ids": [1, 2], "labels": [IGNORED, IGNORED]}], "row 2 trains no token"),
    ],
)
def test_rows_that_train_nothing_are_refused(tiny_model: Path, tmp_path: Path, rows: list, message: str) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    write_rows(folder, "labels", rows)
    with pytest.raises(DataError, match=message):
        trained(tiny_model, folder, tmp_path / "out")


def test_a_loss_that_is_no_number_stops_the_run_and_leaves_no_model(tiny_model: Path, labels: Path, tmp_path: Path) -> None:
    model, tokenizer = load_model(tiny_model, "float32")
    model.model.layers[0].mlp.up_proj.weight.data[0, 0] = torch.nan
    (tmp_path / "broken").mkdir()
    save_model(model, tokenizer, tmp_path / "broken")
    with pytest.raises(WinnowError, match=r"loss is nan at step 1: lower training\.learning_rate"):
        trained(tmp_path / "broken", labels, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.safetensors"))


def plain_loss(folder: Path) -> float:
    """Mean cross-entropy over all label tokens, row by row, without a trainer."""
    model, _ = load_model(folder, "float32")
    total, count = 0.0, 0
    for row in label_rows():
        ids, wanted = torch.tensor([row["input_ids"]]), torch.tensor(row["labels"])[1:]
        with torch.inference_mode():
            logits = model(ids).logits[0, :-1]
        total += torch.nn.functional.cross_entropy(logits, wanted, ignore_index=IGNORED, reduction="sum").item()
        count += int((wanted != IGNORED).sum())
    return total / count
