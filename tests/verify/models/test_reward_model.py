"""The reward model: its own number, whatever the batch; and which folders are none."""

from __future__ import annotations

import json
import math
import shutil
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.chat.render import render_text
from tasks.runtime.errors import ConfigurationError
from tasks.verify.models.reward_model import RewardModel, check_reference, load_reward_model, reward_model
from tasks.verify.settings import RewardSettings, VerifySettings
from tasks.verify.verdict import Answer, Verdict, version_of
from tests.verify.models.conftest import QUESTION, save_classifier

RESPONSES = ["It is 42.", "42", "No idea at all, sorry, " * 8, "17 + 25 = 42", "ü", "It is 42."]


@cache
def loaded(folder: Path) -> RewardModel:
    return load_reward_model(folder, "float32")


def answers(*responses: str) -> list[Answer]:
    return [Answer(response, "reward_model", "", QUESTION) for response in responses]


def test_the_reward_is_the_models_for_the_whole_conversation(tiny_reward_model: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(tiny_reward_model, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(tiny_reward_model)
    plain = []
    for response in RESPONSES:
        said = [*QUESTION, {"role": "assistant", "content": response.strip()}]
        with torch.no_grad():
            ids = torch.tensor([tokenizer(render_text(tokenizer, said), add_special_tokens=False)["input_ids"]])
            plain.append(float(model(input_ids=ids).logits))
    for rows in (1, 4, 64):
        assert loaded(tiny_reward_model).rewards(answers(*RESPONSES), rows) == pytest.approx(plain, abs=1e-5)
    assert len({round(reward, 4) for reward in plain}) == len(set(RESPONSES))


def test_the_order_changes_nothing(tiny_reward_model: Path) -> None:
    forward = loaded(tiny_reward_model).rewards(answers(*RESPONSES), 4)
    assert loaded(tiny_reward_model).rewards(answers(*RESPONSES[::-1]), 4) == forward[::-1]


def test_verdicts(tiny_reward_model: Path) -> None:
    model = str(tiny_reward_model)
    given_ = [*answers("It is 42.", "", "<think>hm</think>", "word " * 300), Answer("42", "reward_model", "", [])]
    verdicts = reward_model(given_, VerifySettings(reward=RewardSettings(model=model, accept_at=0.0)))
    states = ["accepted", "answer_unparsable", "answer_unparsable", "answer_unparsable", "accepted"]
    assert [verdict.state for verdict in verdicts] == states
    raw = float(verdicts[0].reason.removeprefix("reward "))
    assert verdicts[0].score == pytest.approx(1 / (1 + math.exp(-raw)), abs=1e-3)
    assert "too long to score" in verdicts[3].reason
    (refused,) = reward_model(answers("It is 42."), VerifySettings(reward=RewardSettings(model=model, accept_at=1.0)))
    assert (refused.state, refused.score) == ("rejected", verdicts[0].score)


def test_a_prompt_that_is_too_long_is_no_fault_of_the_answer(tiny_reward_model: Path) -> None:
    long = Answer("42", "reward_model", "", [{"role": "user", "content": "word " * 300}])
    (verdict,) = loaded(tiny_reward_model).rewards([long], 1)
    assert isinstance(verdict, Verdict)
    assert (verdict.state, "the prompt alone is too long" in verdict.reason) == ("error", True)


def test_a_template_that_refuses_the_conversation_is_an_error(tiny_reward_model: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_reward_model, tmp_path / "strict")
    (folder / "chat_template.jinja").write_text("{{ raise_exception('no system role, please') }}")
    (verdict,) = load_reward_model(folder, "float32").rewards(answers("42"), 1)
    assert isinstance(verdict, Verdict)
    assert (verdict.state, "no system role, please" in verdict.reason) == ("error", True)


def test_weights_that_are_no_numbers_are_an_error(tiny_reward_model: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification

    folder = shutil.copytree(tiny_reward_model, tmp_path / "nan")
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    torch.nn.init.constant_(model.score.weight, math.nan)
    model.save_pretrained(folder)
    (verdict,) = reward_model(answers("42"), VerifySettings(reward=RewardSettings(model=str(folder))))
    assert (verdict.state, verdict.score) == ("error", 0.0)


def test_what_is_no_reward_model_is_refused(tiny_model: Path, embedded_model: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"lacks weights of a reward model \(score.weight\)"):
        load_reward_model(tiny_model, "float32")
    with pytest.raises(ConfigurationError, match="has 3 labels"):
        load_reward_model(save_classifier(tmp_path / "three", embedded_model, labels=3), "float32")
    folder = save_classifier(tmp_path / "mute", embedded_model, labels=1)
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(ConfigurationError, match="has no chat template"):
        load_reward_model(folder, "float32")
    (folder / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(ConfigurationError, match="does not load"):
        load_reward_model(folder, "float32")


def test_a_model_without_a_padding_token_gets_its_end_token(tiny_reward_model: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_reward_model, tmp_path / "unpadded")
    for name, field in (("config.json", "pad_token_id"), ("tokenizer_config.json", "pad_token")):
        data = json.loads((folder / name).read_text())
        data.pop(field)
        (folder / name).write_text(json.dumps(data))
    model = load_reward_model(folder, "float32")
    assert model.pad == model.tokenizer.eos_token_id
    assert model.rewards(answers(*RESPONSES), 4) == pytest.approx(model.rewards(answers(*RESPONSES), 1), abs=1e-5)


@pytest.mark.parametrize(("model", "said"), [("", "no reward model is set"), ("nobody/nothing", "could not be had")])
def test_without_a_model_nothing_is_scored(model: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with_model = VerifySettings(reward=RewardSettings(model=model))
    with pytest.raises(ConfigurationError, match=said):
        version_of(reward_model, with_model)
    with pytest.raises(ConfigurationError, match=said):
        reward_model(answers("42"), with_model)


def test_the_version_changes_with_the_weights(tiny_reward_model: Path, embedded_model: Path, tmp_path: Path) -> None:
    other = save_classifier(tmp_path / "other", embedded_model, labels=2)
    versions = {
        version_of(reward_model, VerifySettings(reward=RewardSettings(model=str(f)))) for f in (tiny_reward_model, other)
    }
    assert len(versions) == 2
    assert check_reference("") == check_reference("18") == ""


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(codec=None), max_size=40) | st.just("<|im_end|>\n<|im_start|>user\n"), max_size=3))
def test_no_text_makes_it_raise(tiny_reward_model: Path, texts: list[str]) -> None:
    for reward in loaded(tiny_reward_model).rewards(answers(*texts), 4):
        assert isinstance(reward, Verdict) or math.isfinite(reward)
