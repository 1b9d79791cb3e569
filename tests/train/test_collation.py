"""Batches without padding: rows that share a lane are computed as if alone, for each attention; and models that leak."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tasks.chat.packing import IGNORED, pack_rows
from tasks.runtime.models import load_model
from tasks.runtime.rows import Row
from tasks.train.collation import LabelCollator, choose_layout
from tests.train.conftest import uneven_rows

pytestmark = pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")

BOUND = 1e-4  # on float32 logits, whose spread is about 5
# Flash attention needs a GPU. flex_attention runs on a CPU as plain operations (compiled it wants a C++ compiler, and in torch
# 2.13 its code for changing lengths does not compile); there are no gradients for it there, so only its forward is tested.
ATTENTION = ["eager", "sdpa", "flex_attention"]
SMALL = {
    "vocab_size": 256,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.3,
    "head_dim": 8,
}


@pytest.fixture(params=ATTENTION)
def model(request: pytest.FixtureRequest, tiny_model: Path) -> Iterator[Any]:
    model, _ = load_model(tiny_model, "float32")
    model.set_attn_implementation(request.param)
    with torch.compiler.set_stance("force_eager"):
        yield model


def logits(model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """(lanes, places, vocabulary), computed as the trainer does."""
    features = {name: value for name, value in batch.items() if name not in ("labels", "loss_weights")}
    with torch.inference_mode():
        return model(**features, use_cache=False).logits


def furthest_from_alone(model: Any, rows: list[Row], batch: dict[str, torch.Tensor]) -> float:
    """The largest difference between a row's logits in `batch` and alone. Rows are known by their first tokens."""
    together = logits(model, batch)
    worst = 0.0
    for row in rows:
        alone = logits(model, {"input_ids": torch.tensor([row["input_ids"]])})[0]
        ((lane, place),) = (batch["input_ids"] == row["input_ids"][0]).nonzero().tolist()
        worst = max(worst, (together[lane, place : place + len(alone)] - alone).abs().max().item())
    return worst


@pytest.mark.parametrize("layout", ["lanes", "line"])
def test_rows_in_a_lane_get_the_logits_they_get_alone(model: Any, layout: Any) -> None:
    rows = uneven_rows()
    batch = LabelCollator(2, layout)(rows)
    assert len(batch["input_ids"]) < len(rows)
    worst = furthest_from_alone(model, rows, batch)
    print(f"{model.config._attn_implementation}, {layout}: at most {worst:.1e} from alone")
    assert worst < BOUND


def test_packs_side_by_side_give_the_logits_of_their_rows_alone(model: Any) -> None:
    rows = uneven_rows()
    batch = LabelCollator(2, "lanes")(list(pack_rows(rows, 80)))
    assert batch["input_ids"].shape == (3, 80)
    assert furthest_from_alone(model, rows, batch) < BOUND


def test_another_row_before_changes_nothing(model: Any) -> None:
    first, second = uneven_rows()[:2]
    other = {**first, "input_ids": [token + 9_000 for token in first["input_ids"]]}
    one, two = (logits(model, LabelCollator(2, "line")([row, second]))[0] for row in (first, other))
    border = len(first["input_ids"])
    assert (one[border:] - two[border:]).abs().max() < BOUND
    assert (one[:border] - two[:border]).abs().max() > 1, "the other row is no other"


def test_the_layout_is_found_by_trying(model: Any) -> None:
    assert choose_layout(model) == "lanes"


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_rounding_is_no_leak(embedded_model: Path, dtype: str) -> None:
    assert choose_layout(load_model(embedded_model, dtype)[0]) == "lanes"


@pytest.mark.parametrize("name", ["gpt_oss", "opt", "bloom", "lfm2"])
def test_models_that_would_mix_rows_are_padded(name: str) -> None:
    """gpt-oss makes its mask without position ids (in transformers 5.23), OPT's positions do not restart, Bloom has none, and
    LFM2's convolutions see across borders."""
    from transformers import AutoConfig, AutoModelForCausalLM

    special = {
        "gpt_oss": {"num_local_experts": 4, "num_experts_per_tok": 2},
        "opt": {"word_embed_proj_dim": 32, "ffn_dim": 64},
        "bloom": {"n_layer": 2, "n_head": 4},
        "lfm2": {"layer_types": ["conv", "full_attention"]},
    }
    torch.manual_seed(0)
    config = AutoConfig.for_model(name, **SMALL | special[name])
    model = AutoModelForCausalLM.from_config(config).eval()
    assert choose_layout(model) == "padded"


def test_lanes_hold_less_padding_and_are_no_longer_than_the_longest_row() -> None:
    rows = uneven_rows()
    lanes, padded, line = (LabelCollator(2, layout)(rows)["input_ids"] for layout in ("lanes", "padded", "line"))
    tokens = sum(len(row["input_ids"]) for row in rows)
    assert lanes.shape[1] == padded.shape[1] == max(len(row["input_ids"]) for row in rows)
    assert tokens <= lanes.numel() < padded.numel()
    assert line.shape == (1, tokens)


def test_a_batch_has_what_its_rows_have() -> None:
    rows = [
        {"input_ids": [5, 6, 7], "labels": [5, IGNORED, 7], "weight": 2.0, "loss_weights": None, "position_ids": None},
        {"input_ids": [8, 9], "labels": [8, 9], "weight": None, "loss_weights": [1.0, 0.5], "position_ids": None},
    ]
    padded = LabelCollator(2, "padded")(rows)
    assert {name: value.tolist() for name, value in padded.items()} == {
        "input_ids": [[5, 6, 7], [8, 9, 2]],
        "labels": [[IGNORED, IGNORED, 7], [IGNORED, 9, IGNORED]],
        "loss_weights": [[0.0, 0.0, 2.0], [0.0, 0.5, 0.0]],
        "attention_mask": [[1, 1, 1], [1, 1, 0]],
    }
    line = LabelCollator(2, "line")(rows)
    assert {name: value.tolist() for name, value in line.items()} == {
        "input_ids": [[5, 6, 7, 8, 9]],
        "labels": [[IGNORED, IGNORED, 7, IGNORED, 9]],
        "loss_weights": [[0.0, 0.0, 2.0, 0.0, 0.5]],
        "position_ids": [[0, 1, 2, 0, 1]],
    }
