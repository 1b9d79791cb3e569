"""Model sources: what is found, what it is known by, and what becomes of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from tasks.runtime.errors import ConfigurationError
from tasks.runtime.files import content_digest, file_digests
from tasks.runtime.models import embedded_gguf, import_model, load_model, locate, save_model, source_digest


def test_sources_are_found(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert locate("embedded") == embedded_gguf()
    assert locate(str(embedded_gguf())).suffix == ".gguf"
    assert locate(str(tiny_model)) == tiny_model


@pytest.mark.parametrize("source", ["nowhere", "./org/name", "/no/such/folder"])
def test_a_source_that_is_nothing_says_what_may_be_given(source: str) -> None:
    with pytest.raises(ConfigurationError, match=r"'embedded', a folder with config\.json, a \.gguf file or a hub id"):
        locate(source)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"neither a \.gguf file nor a folder with config\.json"):
        locate(str(tmp_path))


def test_a_hub_id_that_cannot_be_had_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigurationError, match="'nobody/nothing@main' could not be had from the hub"):
        locate("nobody/nothing@main")


def test_a_source_is_known_by_content_not_by_place(tiny_model: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_model, copy)
    assert source_digest(copy) == source_digest(tiny_model)
    with (copy / "model.safetensors").open("r+b") as file:
        file.seek(2000)
        file.write(b"\x01\x02")
    assert source_digest(copy) != source_digest(tiny_model)


def test_an_imported_model_gives_the_same_logits_and_the_same_bytes_each_time(tiny_model: Path, tmp_path: Path) -> None:
    digests = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        counts = import_model(tiny_model, tmp_path / name, "float32")
        digests.append(content_digest("model", file_digests(tmp_path / name)))
    assert digests[0] == digests[1]
    ids = torch.tensor([[1, 5, 9]])
    with torch.inference_mode():
        ours, theirs = (load_model(folder, "float32")[0](ids).logits for folder in (tmp_path / "one", tiny_model))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    assert counts["parameters"] > 1_000_000


def test_a_gguf_file_becomes_the_converted_folder_with_its_chat_template(embedded_model: Path, tmp_path: Path) -> None:
    """A GGUF file anywhere (here: a link) goes the same way as the embedded one, and is as good."""
    elsewhere, out = tmp_path / "model.gguf", tmp_path / "out"
    elsewhere.symlink_to(embedded_gguf())
    out.mkdir()
    import_model(locate(str(elsewhere)), out, "float32")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.gguf", "out"]
    ours, tokenizer = load_model(out, "float32")
    theirs, _ = load_model(embedded_model, "float32")
    assert all(torch.equal(ours.state_dict()[name], weight) for name, weight in theirs.state_dict().items())
    assert "<|im_start|>" in tokenizer.chat_template


def test_a_tokenizer_without_a_chat_template_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    model, tokenizer = load_model(tiny_model, "float32")
    tokenizer.chat_template = None
    save_model(model, tokenizer, tmp_path)
    with pytest.raises(ConfigurationError, match="no chat template"):
        load_model(tmp_path, "float32")
