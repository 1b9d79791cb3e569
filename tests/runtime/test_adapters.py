"""Adapters: merged and unmerged they are one policy, PEFT's own; what is no change of the layers is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tasks.runtime.errors import ConfigurationError
from tasks.runtime.files import content_digest, file_digests
from tasks.runtime.models import import_model, load_model, locate, source_digest
from tasks.sample.embedded.decoders import decoder_for
from tests.runtime.adapters import change_config, kinds, write_adapter

IDS = torch.tensor([[5, 900, 33, 4, 3, 21, 7000, 12]])


def logprobs(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        return torch.log_softmax(model(IDS).logits.float(), -1)


@pytest.fixture
def adapter(tiny_model: Path, tmp_path: Path) -> Path:
    return write_adapter(tiny_model, tmp_path / "adapter", kinds()["lora"])


@pytest.mark.parametrize("kind", kinds())
def test_merged_unmerged_and_pefts_own_forward_are_one_policy(kind: str, tiny_model: Path, tmp_path: Path) -> None:
    from peft import PeftModel

    folder = write_adapter(tiny_model, tmp_path / kind, kinds()[kind])
    base = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32).eval()
    before = logprobs(base)
    peft = logprobs(PeftModel.from_pretrained(base, folder).eval())
    beside, merged = (load_model(folder, "float32", merge=merge)[0] for merge in (False, True))
    torch.testing.assert_close(logprobs(beside), peft, rtol=0, atol=0)
    torch.testing.assert_close(logprobs(merged), peft, rtol=1e-4, atol=1e-4)
    assert (peft - before).abs().max() > 0.1, "the adapter does nothing"
    for model in (beside, merged):
        with torch.inference_mode():
            assert type(decoder_for(model, 100)).__name__ == "PackedDecoder"


def test_an_adapter_is_imported_as_a_plain_model(adapter: Path, tiny_model: Path, tmp_path: Path) -> None:
    digests = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        counts = import_model(locate(str(adapter)), tmp_path / name, "float32")
        digests.append(content_digest("model", file_digests(tmp_path / name)))
    assert digests[0] == digests[1]
    assert sorted(file.name for file in (tmp_path / "one").iterdir()) == sorted(file.name for file in tiny_model.iterdir())
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "one", dtype=torch.float32).eval()
    assert counts["parameters"] == plain.num_parameters()
    torch.testing.assert_close(logprobs(plain), logprobs(load_model(adapter, "float32", merge=False)[0]), rtol=1e-4, atol=1e-4)


def test_an_adapter_is_known_by_its_files_and_its_bases_not_by_their_places(adapter: Path, tiny_model: Path) -> None:
    moved = adapter.parent / "elsewhere"
    shutil.copytree(adapter, moved)
    shutil.copytree(tiny_model, moved.parent / "base")
    change_config(moved, base_model_name_or_path="../base")
    known = source_digest(adapter)
    assert source_digest(moved) == known != source_digest(tiny_model)
    change_config(moved, lora_alpha=9)
    assert source_digest(moved) != known
    change_config(moved, lora_alpha=8)
    assert source_digest(moved) == known
    with (moved.parent / "base" / "model.safetensors").open("r+b") as file:
        file.seek(2000)
        file.write(b"\x01\x02")
    assert source_digest(moved) != known


def test_an_adapters_own_tokens_come_with_it(tiny_model: Path, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    tokenizer.add_tokens(["<one>", "<two>"])
    model = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)
    model.resize_token_embeddings(len(tokenizer))
    folder = tmp_path / "larger"
    trained = get_peft_model(model, LoraConfig(r=4, target_modules=["q_proj"])).eval()
    trained.save_pretrained(folder, save_embedding_layers=True)
    tokenizer.save_pretrained(folder)
    for merge in (True, False):
        loaded, own = load_model(folder, "float32", merge=merge)
        assert own.convert_tokens_to_ids("<two>") == len(tokenizer) - 1
        torch.testing.assert_close(logprobs(loaded), logprobs(trained), rtol=1e-5, atol=1e-5)
    trained.save_pretrained(folder, save_embedding_layers=False)
    with pytest.raises(ConfigurationError, match="brings no embeddings"):
        load_model(folder, "float32")


def prompt_kinds() -> dict[str, Any]:
    import peft

    about: dict[str, Any] = {"task_type": "CAUSAL_LM", "num_virtual_tokens": 3}
    return {
        "PROMPT_TUNING": peft.PromptTuningConfig(**about),
        "PREFIX_TUNING": peft.PrefixTuningConfig(**about),
        "P_TUNING": peft.PromptEncoderConfig(**about, encoder_hidden_size=8),
    }


@pytest.mark.parametrize("kind", prompt_kinds())
def test_virtual_tokens_are_refused_merged_and_unmerged(kind: str, tiny_model: Path, tmp_path: Path) -> None:
    folder = write_adapter(tiny_model, tmp_path / "prompted", prompt_kinds()[kind])
    for merge in (True, False):
        with pytest.raises(ConfigurationError, match=f"of type {kind}: it does not change the model's layers alone"):
            load_model(folder, "float32", merge=merge)
    with pytest.raises(ConfigurationError, match=kind):
        source_digest(folder)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"base_model_name_or_path": None}, "names no base"),
        ({"alora_invocation_tokens": [3]}, "depends on more than a token"),
        ({"task_type": "SEQ_CLS"}, "is for SEQ_CLS"),
        ({"peft_type": "SOMETHING"}, "of type SOMETHING"),
        ({"base_model_name_or_path": "nowhere"}, "no model at 'nowhere'"),
        ({"r": 8}, "does not fit its base"),
        ({"target_modules": ["q_proj"]}, "does not fit its base: .* have no counterpart"),
        ({"target_modules": ["no_such_layer"]}, "does not fit its base"),
        ({"no_such_field": 1}, r"does not know: \['no_such_field'\]"),
    ],
)
def test_an_adapter_that_is_not_whole_is_refused(adapter: Path, changes: dict[str, Any], said: str) -> None:
    change_config(adapter, **changes)
    with pytest.raises(ConfigurationError, match=said):
        load_model(adapter, "float32")


def test_what_cannot_be_merged_is_sampled_unmerged(tiny_model: Path, tmp_path: Path) -> None:
    from peft import LoraConfig

    config = LoraConfig(r=4, target_modules=["q_proj"], layer_replication=[(0, 2), (1, 2)])
    folder = write_adapter(tiny_model, tmp_path / "deeper", config)
    with pytest.raises(ConfigurationError, match=r"cannot be merged: .* sample it unmerged"):
        load_model(folder, "float32")
    assert load_model(folder, "float32", merge=False)[0].config.num_hidden_layers == 3


def test_a_pickle_is_never_read(adapter: Path) -> None:
    (adapter / "adapter_model.safetensors").unlink()
    torch.save({}, adapter / "adapter_model.bin")
    with pytest.raises(ConfigurationError, match="save the adapter as safetensors"):
        load_model(adapter, "float32")


def test_an_adapter_on_an_adapter_is_refused(adapter: Path) -> None:
    other = adapter.parent / "other"
    shutil.copytree(adapter, other)
    change_config(other, base_model_name_or_path="../adapter")
    with pytest.raises(ConfigurationError, match="is no plain model"):
        load_model(other, "float32")
