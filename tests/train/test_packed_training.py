"""Training on packs, on weights, and on a model whose rows must be padded: the loss and the steps are those of plain rows."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.trainer_pt_utils import get_length_grouped_indices

from tasks.chat.files import render_files
from tasks.chat.packing import IGNORED, pack_rows
from tasks.chat.settings import RenderSettings
from tasks.runtime.errors import ConfigurationError, DataError
from tasks.runtime.models import load_model, save_model
from tasks.runtime.rows import Row, read_rows, write_rows
from tasks.train.collation import LabelCollator
from tasks.train.settings import TrainingSettings
from tasks.train.sft import train_sft
from tests.train.conftest import uneven_rows

# All rows in each step, whatever their order; three steps, for the first has a learning rate of 0 (warm-up).
STEPS = TrainingSettings(epochs=3, batch_rows=9, micro_batch_rows=9, learning_rate=5e-3, rank=4, alpha=8)


def weighted_rows() -> list[Row]:
    """Uneven rows, one of half weight, one with a third on its prompt."""
    rows = uneven_rows()
    rows[1]["weight"] = 0.5
    rows[2]["labels"] = list(rows[2]["input_ids"])
    rows[2]["loss_weights"] = [1 / 3] * 20 + [1.0] * 7
    return rows


def trained(model: Path, rows: list[Row], out: Path, settings: TrainingSettings = STEPS) -> dict[str, Any]:
    folder = out.with_name(f"{out.name}-labels")
    folder.mkdir()
    write_rows(folder, "labels", rows)
    out.mkdir()
    return train_sft(model, folder, out, settings, seed=3, dtype="float32")


def losses(figures: dict[str, Any]) -> list[float]:
    return [loss for _, loss in figures["loss"]]


def distance(one: Path, other: Path) -> float:
    """The largest difference between two models' weights."""
    first, second = (load_model(folder, "float32")[0].state_dict() for folder in (one, other))
    return max((first[name] - second[name]).abs().max().item() for name in first)


def weighted_loss(folder: Path, rows: list[Row]) -> float:
    """Σ weight · cross-entropy ÷ Σ weight, row by row and token by token, without a trainer or a batch."""
    model, _ = load_model(folder, "float32")
    total = weights = 0.0
    for row in rows:
        with torch.inference_mode():
            probabilities = model(torch.tensor([row["input_ids"]])).logits[0].log_softmax(-1)
        each = row.get("loss_weights", [1.0] * len(row["input_ids"]))
        for place in range(1, len(row["input_ids"])):
            if row["labels"][place] != IGNORED:
                weight = each[place] * row.get("weight", 1.0)
                total -= weight * probabilities[place - 1, row["labels"][place]].item()
                weights += weight
    return total / weights


@pytest.mark.parametrize("rows", [uneven_rows(), weighted_rows()], ids=["plain", "weighted"])
def test_packs_train_as_their_rows_do(tiny_model: Path, tmp_path: Path, rows: list[Row]) -> None:
    packs = list(pack_rows(rows, 80))
    assert len(packs) == 3
    alone = trained(tiny_model, rows, tmp_path / "alone")
    packed = trained(tiny_model, packs, tmp_path / "packed", STEPS.model_copy(update={"batch_rows": 3, "micro_batch_rows": 1}))
    assert {**packed, "loss": 0} == {**alone, "loss": 0}, "rows, steps and tokens are counted alike"
    assert losses(packed) == pytest.approx(losses(alone), abs=2e-5)
    assert distance(tmp_path / "packed", tmp_path / "alone") < 1e-5 < 1e-3 < distance(tmp_path / "packed", tiny_model)


@pytest.mark.parametrize("micro", [1, 3])
def test_weights_are_shared_out_over_the_whole_step(tiny_model: Path, tmp_path: Path, micro: int) -> None:
    figures = trained(tiny_model, weighted_rows(), tmp_path / "out", STEPS.model_copy(update={"micro_batch_rows": micro}))
    assert losses(figures)[0] == pytest.approx(weighted_loss(tiny_model, weighted_rows()), abs=2e-5)
    assert abs(losses(figures)[0] - weighted_loss(tiny_model, uneven_rows())) > 1e-3, "the weights change nothing here"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight": 0.0}, "row 1 trains no token"),
        ({"labels": [1_100, *[IGNORED] * 4]}, "row 1 trains no token"),
        ({"weight": -1.0}, r"row 1 has the loss weight -1\.0"),
        ({"loss_weights": [1.0, 1.0, 1.0, 1.0, float("nan")]}, "row 1 has the loss weight nan"),
    ],
    ids=["weightless", "only its first token", "negative", "no number"],
)
def test_weights_that_teach_nothing_are_refused(tiny_model: Path, tmp_path: Path, changes: Row, message: str) -> None:
    rows = uneven_rows()
    rows[1] |= changes
    with pytest.raises(DataError, match=message):
        trained(tiny_model, rows, tmp_path / "out")


@pytest.fixture(scope="module")
def mixing_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Bloom, which has no position ids: packed rows would see each other."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        "bloom", vocab_size=len(tokenizer), hidden_size=32, n_layer=2, n_head=4, initializer_range=0.3, pad_token_id=2
    )
    folder = tmp_path_factory.mktemp("bloom")
    save_model(AutoModelForCausalLM.from_config(config), tokenizer, folder)
    return folder


def test_a_model_that_mixes_rows_trains_on_padded_ones(mixing_model: Path, tmp_path: Path) -> None:
    settings = STEPS.model_copy(update={"micro_batch_rows": 3})
    figures = trained(mixing_model, weighted_rows(), tmp_path / "out", settings)
    assert losses(figures)[0] == pytest.approx(weighted_loss(mixing_model, weighted_rows()), abs=2e-5)
    assert losses(figures)[2] < losses(figures)[0]


def test_a_model_that_mixes_rows_refuses_packs(mixing_model: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"BloomForCausalLM with eager attention would mix .* pack_tokens 0"):
        trained(mixing_model, list(pack_rows(uneven_rows(), 80)), tmp_path / "out")


def test_rows_grouped_by_length_waste_fewer_pads() -> None:
    rows = uneven_rows() * 8
    collator = LabelCollator(2, "padded")

    def pads(order: list[int]) -> int:
        batches = [collator([rows[place] for place in order[start : start + 4]]) for start in range(0, len(order), 4)]
        return sum(int((batch["attention_mask"] == 0).sum()) for batch in batches)

    torch.manual_seed(0)
    random_order = torch.randperm(len(rows)).tolist()
    grouped = get_length_grouped_indices([len(row["input_ids"]) for row in rows], batch_size=4)
    assert pads(grouped) < 0.5 * pads(random_order)


def test_rendered_packs_train(tiny_model: Path, tmp_path: Path) -> None:
    """Chat rows → packs → training, as the flow does it."""
    chat, labels = tmp_path / "chat", tmp_path / "labels"
    chat.mkdir()
    labels.mkdir()
    asked, told = "What is {0} plus {0}?", "It is {0} + {0}."
    rows = []
    for number in range(20):
        turns = [("user", asked.format(number)), ("assistant", told.format(number))]
        messages = [{"role": role, "content": text} for role, text in turns]
        rows.append({"id": f"c{number}", "source": "test", "messages": messages})
    write_rows(chat, "chat", rows)
    rendered = render_files([chat], len(rows), tiny_model, RenderSettings(max_tokens=128, pack_tokens=128), labels)
    packs = list(read_rows(labels))
    assert sorted(member for pack in packs for member in pack["members"]) == sorted(row["id"] for row in rows)
    out = tmp_path / "out"
    out.mkdir()
    settings = TrainingSettings(epochs=4, batch_rows=4, micro_batch_rows=2, learning_rate=2e-2, rank=8)
    figures = train_sft(tiny_model, labels, out, settings, seed=3, dtype="float32")
    assert figures["rows"] == 20
    assert figures["label_tokens"] == 4 * rendered["counts"]["label_tokens"]
    assert losses(figures)[-1] < 0.9 * losses(figures)[0]
