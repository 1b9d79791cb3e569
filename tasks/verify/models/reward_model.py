"""The `reward_model` verifier: a trained model's reward for a conversation.

The model is a sequence-classification model with one label, as TRL's `RewardTrainer` saves it: a folder, or a hub id. It
reads the prompt's messages and the response as its last turn, in its own chat template, and gives one number. The score
is that number's sigmoid: in the model of Bradley and Terry (1952), with which reward models are trained, the probability
that the response is preferred to one whose reward is zero. The reference is not read, and may be empty.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tasks.chat.render import TemplateRefusedError, render_text
from tasks.runtime.adapters import is_adapter
from tasks.runtime.errors import ConfigurationError
from tasks.runtime.hardware import compute_dtype, usable_cores
from tasks.verify.answers import after_thinking
from tasks.verify.models.loading import batches, context_length, model_digest, model_folder
from tasks.verify.models.texts import controls_of, neutral, neutral_messages
from tasks.verify.settings import RewardSettings, VerifySettings
from tasks.verify.verdict import Answer, Verdict, batch_verifier

VERSION = "2"


@dataclass(frozen=True)
class RewardModel:
    """A loaded reward model; `pad` is the id that it takes for padding."""

    model: Any
    tokenizer: Any
    controls: re.Pattern[str]
    context: int
    pad: int

    def rewards(self, answers: Sequence[Answer], batch_rows: int) -> list[float | Verdict]:
        """The reward of each answer, any real number; or the verdict to give instead.

        Args:
            batch_rows: conversations read side by side; changes nothing but speed, up to floating point.
        """
        import torch

        found = [self._ids(answer) for answer in answers]
        rewards: list[float | Verdict] = [ids if isinstance(ids, Verdict) else math.nan for ids in found]
        readable = [(place, ids) for place, ids in enumerate(found) if not isinstance(ids, Verdict)]
        with torch.inference_mode():
            for batch in batches(readable, batch_rows):
                for (place, _), reward in zip(batch, self._read([ids for _, ids in batch]), strict=True):
                    rewards[place] = reward
        return rewards

    def _ids(self, answer: Answer) -> list[int] | Verdict:
        response = after_thinking(answer.response).strip()
        if not response:
            return Verdict("answer_unparsable", reason="the answer is empty")
        said = [*neutral_messages(answer.messages, self.controls)]
        said.append({"role": "assistant", "content": neutral(response, self.controls)})
        try:
            text = render_text(self.tokenizer, said)
        except TemplateRefusedError as error:
            return Verdict("error", reason=f"the reward model cannot read the conversation: {error}")
        ids = list(self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
        return ids if len(ids) <= self.context else self._too_long(said[-1]["content"], len(ids))

    def _too_long(self, response: str, length: int) -> Verdict:
        reason = f"{length} tokens, and the reward model reads {self.context}"
        if length - len(self.tokenizer(response, add_special_tokens=False, verbose=False)["input_ids"]) >= self.context:
            return Verdict("error", reason=f"the prompt alone is too long: {reason}; use a reward model that reads more")
        return Verdict("answer_unparsable", reason=f"the answer is too long to score: {reason}")

    def _read(self, rows: list[list[int]]) -> list[float]:
        """The rewards of token rows. Padded on the right: the model reads the last token that is no padding."""
        import torch

        length, device = max(map(len, rows)), self.model.device
        tokens = torch.tensor([row + [self.pad] * (length - len(row)) for row in rows], device=device)
        mask = torch.tensor([[1] * len(row) + [0] * (length - len(row)) for row in rows], device=device)
        logits = self.model(input_ids=tokens, attention_mask=mask).logits
        return [float(reward) for reward in logits[:, 0].float().cpu()]


def load_reward_model(folder: Path, dtype: str) -> RewardModel:
    """The reward model in a folder.

    Raises:
        ConfigurationError: it does not load; it is no sequence-classification model with one label; its head is not
            among the weights, so that every reward would be random; it has no chat template or no padding token; or it is
            an adapter.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    torch.set_num_threads(usable_cores())
    if is_adapter(folder):
        raise ConfigurationError(f"{folder} holds an adapter; merge the reward model into its base, and give that folder")
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model, report = AutoModelForSequenceClassification.from_pretrained(
            folder, dtype=getattr(torch, dtype), use_safetensors=True, output_loading_info=True
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ConfigurationError(f"the reward model in {folder} does not load: {error}") from error
    if absent := sorted(map(str, report["missing_keys"])):
        raise ConfigurationError(
            f"the model in {folder} lacks weights of a reward model ({', '.join(absent[:3])}): its rewards would be random; "
            "give the folder of a trained reward model"
        )
    if model.config.num_labels != 1:
        raise ConfigurationError(
            f"the model in {folder} has {model.config.num_labels} labels: a classifier, not a reward model, which has one"
        )
    model.config.get_text_config().pad_token_id = pad = _pad(model, tokenizer, folder)
    model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    return RewardModel(model, tokenizer, controls_of(tokenizer), context_length(model, tokenizer), pad)


def _pad(model: Any, tokenizer: Any, folder: Path) -> int:
    """The id of the padding token: the one that the model was trained with, if it says so."""
    if not tokenizer.chat_template:
        raise ConfigurationError(f"the tokenizer of the reward model in {folder} has no chat template; give it its own")
    known = (model.config.get_text_config().pad_token_id, tokenizer.pad_token_id, tokenizer.eos_token_id)
    for token in known:
        if token is not None:
            return int(token)
    raise ConfigurationError(f"the reward model in {folder} has no padding token; set pad_token_id in its config.json")


@cache
def _loaded(source: str, dtype: str) -> RewardModel:
    return load_reward_model(model_folder(source), dtype)


def _model(settings: RewardSettings) -> str:
    if not settings.model:
        raise ConfigurationError("no reward model is set: give reward.model, a folder or a hub id")
    return settings.model


def _version(settings: VerifySettings) -> str:
    """Changes with the model's weights and the number format."""
    return f"{VERSION}+{model_digest(_model(settings.reward))}+{compute_dtype()}"


def check_reference(reference: str) -> str:
    """Empty: any reference will do, for it is not read."""
    return ""


@batch_verifier(version=_version, check_reference=check_reference)
def reward_model(answers: Sequence[Answer], settings: VerifySettings) -> list[Verdict]:
    """Accept a response whose reward's sigmoid reaches ``settings.reward.accept_at`` (module docstring).

    Raises:
        ConfigurationError: as `load_reward_model`, or no model is set; never for what a response says.
    """
    model = _loaded(_model(settings.reward), compute_dtype())
    rewards = model.rewards(answers, settings.reward.batch_rows)
    return [reward if isinstance(reward, Verdict) else _verdict(reward, settings.reward.accept_at) for reward in rewards]


def _verdict(reward: float, accept_at: float) -> Verdict:
    if not math.isfinite(reward):
        return Verdict("error", reason=f"the reward model gives {reward}; see whether its weights are finite")
    score = 0.5 * (1 + math.tanh(reward / 2))  # the sigmoid, without overflow
    return Verdict("accepted" if score >= accept_at else "rejected", score, f"reward {reward:.4g}")
