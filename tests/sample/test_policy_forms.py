"""The embedded engine with a policy that is an adapter, or quantised: the draws and log-probabilities are that policy's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from typer.testing import CliRunner

from flows.cli import app
from tasks.chat.render import render_prompt
from tasks.runtime.fingerprint import fingerprint
from tasks.runtime.models import Quantization, load_model, save_model, source_digest
from tasks.sample.requests import Answer, uniform_requests
from tasks.sample.settings import SamplingSettings
from tasks.sample.transformers_engine import draw
from tests.runtime.adapters import kinds, write_adapter
from tests.sample.embedded.models import WORDS, random_model, word_tokenizer

PROMPTS: list[dict[str, Any]] = [
    {"id": name, "messages": [{"role": "user", "content": name}]} for name in ("one plus two", "is seven", "two times ten is")
]
SETTINGS = SamplingSettings(max_tokens=6)


def drawn(model: Path, k: int = 4, **form: Any) -> dict[tuple[str, int], Answer]:
    settings = SETTINGS.model_copy(update=form)
    answers = draw(model, uniform_requests(PROMPTS, k), settings, seed=3, dtype="float32")
    return {(answer.prompt_id, answer.draw): answer for answer in answers}


def texts(found: dict[tuple[str, int], Answer]) -> dict[tuple[str, int], str]:
    return {key: answer.text for key, answer in found.items()}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("words")
    save_model(random_model("llama", len(WORDS)), word_tokenizer(), folder)
    return folder


@pytest.fixture(scope="module")
def adapter(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_adapter(model, tmp_path_factory.mktemp("adapter") / "a", kinds()["lora"])


def test_an_adapter_draws_the_same_merged_and_unmerged_and_other_than_its_base(adapter: Path, model: Path) -> None:
    base, merged, unmerged = drawn(model), drawn(adapter), drawn(adapter, adapter="unmerged")
    assert texts(merged) == texts(unmerged) != texts(base)
    for key, answer in merged.items():
        assert answer.logprob == pytest.approx(unmerged[key].logprob, abs=1e-4)


@pytest.mark.parametrize("quantization", ["nf4", "int8"])
def test_log_probabilities_are_the_quantised_policys(quantization: Quantization, model: Path) -> None:
    """Against a plain forward of the quantised model over prompt and answer; the whole model's are others."""
    found = drawn(model, quantization=quantization, k=8)
    quantised, tokenizer = load_model(model, "float32", quantization=quantization)
    whole, _ = load_model(model, "float32")
    compared, apart = 0, 0.0
    for row in PROMPTS:
        for number in range(8):
            answer = found[row["id"], number]
            new = [WORDS.index(word) for word in answer.text.split()] + [0] * (answer.finish_reason == "stop")
            if len(new) != answer.token_count:
                continue  # special tokens, which its text leaves out
            own, other = (_logprob(each, render_prompt(tokenizer, row["messages"]), new) for each in (quantised, whole))
            assert answer.logprob == pytest.approx(own, abs=1e-3)
            compared, apart = compared + 1, max(apart, abs(own - other))
    assert compared > 8
    assert apart > 0.02


def _logprob(model: torch.nn.Module, prompt_ids: list[int], new: list[int]) -> float:
    ids = torch.tensor([prompt_ids + new])
    with torch.inference_mode():
        logprobs = torch.log_softmax(model(ids).logits[0, len(prompt_ids) - 1 : -1].float(), -1)
    return float(logprobs.gather(1, torch.tensor(new)[:, None]).sum())


@pytest.mark.parametrize("quantization", ["nf4", "int8"])
def test_a_draw_of_a_quantised_policy_does_not_depend_on_its_neighbours(quantization: str, model: Path) -> None:
    together, apart = (drawn(model, quantization=quantization, batch_rows=rows) for rows in (256, 3))
    assert texts(together) == texts(apart)


@pytest.mark.parametrize("quantization", ["nf4", "int8"])
def test_an_adapter_stays_beside_a_quantised_base(quantization: Quantization, adapter: Path, model: Path) -> None:
    loaded, _ = load_model(adapter, "float32", quantization=quantization)
    assert any("lora_A" in name for name, _ in loaded.named_parameters())
    with_it, without = drawn(adapter, quantization=quantization), drawn(model, quantization=quantization)
    assert texts(with_it) != texts(without)


def test_the_form_is_part_of_the_key_and_not_for_servers() -> None:
    forms = [{}, {"adapter": "unmerged"}, {"quantization": "nf4"}, {"quantization": "int8"}]
    assert len({fingerprint(SamplingSettings(**form)) for form in forms}) == 4
    with pytest.raises(ValidationError, match=r"say so in endpoint\.launch"):
        SamplingSettings(engine="endpoint", quantization="nf4", endpoint={"launch": "serve {model} {port}"})


def test_the_command_samples_from_an_adapters_folder(adapter: Path, model: Path, tmp_path: Path) -> None:
    (tmp_path / "prompts.jsonl").write_text(
        "".join(json.dumps({"verifier": "exact", "reference": "three", "family": "words", **row}) + "\n" for row in PROMPTS)
    )
    found = {}
    for form in (["--model", str(adapter)], ["--model", str(adapter), "--adapter", "unmerged"], ["--model", str(model)]):
        out = tmp_path / "samples.jsonl"
        options = [*form, "--prompts", str(tmp_path / "prompts.jsonl"), "--out", str(out), "--k", "4", "--max-tokens", "6"]
        done = CliRunner().invoke(app, ["sample", *options, "--json"])
        assert done.exit_code == 0, done.output
        rows = [json.loads(line) for line in out.read_text().splitlines()]
        found[" ".join(form)] = {(row["sample_id"], row["text"]) for row in rows}
        assert {row["policy"] for row in rows} == {source_digest(Path(form[1]))}
    merged, unmerged, base = found.values()  # the first two differ by rounding, where the machine computes in bfloat16
    assert base not in (merged, unmerged)
