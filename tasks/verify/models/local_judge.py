"""Asking a model on this machine: one forward pass a question, and the probabilities of the labels as its answer.

The answer is the expectation of the labels' values under the model's distribution, restricted to the labels: the score
of G-Eval (Liu et al., arXiv 2303.16634, section 2.3), which tells apart what a sampled rating would round together.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tasks.chat.render import render_text
from tasks.runtime.errors import ConfigurationError
from tasks.runtime.hardware import compute_dtype, usable_cores
from tasks.runtime.models import load_model
from tasks.verify.models.loading import batches, context_length, model_folder
from tasks.verify.models.questions import Question
from tasks.verify.models.texts import controls_of
from tasks.verify.verdict import Verdict

# Less probability than this on all labels together: the model is not answering the question, and what little it gives
# the labels says nothing. A model that follows instructions gives them nearly all; the 135M one of the tests a half.
LEAST_MASS = 0.1


@dataclass(frozen=True)
class LocalJudge:
    """A loaded judge."""

    model: Any
    tokenizer: Any
    controls: re.Pattern[str]
    context: int

    def ask(self, questions: Sequence[Question], batch_rows: int) -> list[float | Verdict]:
        """One answer a question: a score in 0–1, or the verdict to give instead.

        Args:
            batch_rows: questions read side by side; changes nothing but speed, up to floating point.

        Raises:
            ConfigurationError: a label is not one token of this model.
        """
        import torch

        labels = {key: self._label_ids(*key) for key in {_key(question) for question in questions}}
        read: list[tuple[int, list[int]]] = []
        answers: list[float | Verdict] = [Verdict("error")] * len(questions)
        for place, question in enumerate(questions):
            ids = self._ids(question)
            if len(ids) > self.context:
                answers[place] = self._too_long(question, len(ids))
            else:
                read.append((place, ids))
        with torch.inference_mode():
            for batch in batches(read, batch_rows):
                for (place, _), row in zip(batch, self._log_probabilities([ids for _, ids in batch]), strict=True):
                    question = questions[place]
                    answers[place] = _expectation(row[labels[_key(question)]], question)
        return answers

    def _text(self, text: str, lead: str) -> str:
        return render_text(self.tokenizer, [{"role": "user", "content": text}], generation_prompt=True) + lead

    def _tokens(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    def _ids(self, question: Question) -> list[int]:
        """The ids up to the label: tokenised with a label and without its token, as it is when the model writes one."""
        return self._tokens(self._text(question.text, question.lead) + next(iter(question.values)))[:-1]

    def _label_ids(self, lead: str, labels: tuple[str, ...]) -> list[int]:
        """The token of each label after `lead`."""
        written = [self._tokens(self._text("question", lead) + label) for label in labels]
        if len({tuple(ids[:-1]) for ids in written}) > 1 or len({ids[-1] for ids in written}) < len(labels):
            raise ConfigurationError(
                f"the judge's tokenizer does not write each of {', '.join(labels)} as one token, so that their probabilities "
                "cannot be compared; use another judge, or an endpoint"
            )
        return [ids[-1] for ids in written]

    def _too_long(self, question: Question, length: int) -> Verdict:
        reason = f"{length} tokens, and the judge reads {self.context}"
        if length - len(self._tokens(question.material)) >= self.context:
            return Verdict("error", reason=f"prompt and rubric alone are too long: {reason}; use a judge that reads more")
        return Verdict("answer_unparsable", reason=f"the answer is too long to judge: {reason}")

    def _log_probabilities(self, rows: list[list[int]]) -> Any:
        """Log-probabilities of the next token; shape (rows, vocabulary), float32 on the CPU."""
        import torch

        length, device = max(map(len, rows)), self.model.device
        tokens = torch.tensor([[0] * (length - len(row)) + row for row in rows], device=device)
        mask = torch.tensor([[0] * (length - len(row)) + [1] * len(row) for row in rows], device=device)
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        output = self.model(input_ids=tokens, attention_mask=mask, position_ids=positions, use_cache=False, logits_to_keep=1)
        return output.logits[:, -1].float().log_softmax(-1).cpu()


def _key(question: Question) -> tuple[str, tuple[str, ...]]:
    return question.lead, tuple(question.values)


def _expectation(logprobs: Any, question: Question) -> float | Verdict:
    """The mean of the labels' values, each weighted with its probability among the labels.

    Args:
        logprobs: of the labels, in the order of `question.values`; shape (labels,).
    """
    import torch

    mass = float(logprobs.exp().sum())
    if not mass >= LEAST_MASS:  # not-a-number neither
        names = ", ".join(question.values)
        return Verdict("error", reason=f"the judge gives {names} a probability of {mass:.2g} together; use a better judge")
    values = torch.tensor(list(question.values.values()))
    return min(max(float((logprobs.softmax(-1) * values).sum()), 0.0), 1.0)


def local_judge(source: str) -> LocalJudge:
    """The judge at a model's source, loaded once a process. Raises `ConfigurationError`: nothing there, or no chat model."""
    return _loaded(model_folder(source), compute_dtype())


@cache
def _loaded(folder: Path, dtype: str) -> LocalJudge:
    import torch

    torch.set_num_threads(usable_cores())
    model, tokenizer = load_model(folder, dtype)
    return LocalJudge(model, tokenizer, controls_of(tokenizer), context_length(model, tokenizer))
