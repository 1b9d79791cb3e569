"""One answer in the making: its random numbers, its tokens, and when it is done."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.chat.render import end_of_call, end_of_turn_id
from tasks.sample.randomness import generator
from tasks.sample.requests import Answer
from tasks.sample.settings import SamplingSettings


@dataclass
class Writing:
    """A draw under way.

    Attributes:
        limit: tokens at which it is cut.
        tokens: without the one that ended it.
        count: tokens drawn, that one included.
        logprob, sampling_logprob: sums so far, see `Answer`.
        text: set when a stop string ended it.
    """

    prompt_id: str
    draw: int
    seed: int
    limit: int
    tokens: list[int] = field(default_factory=list)
    count: int = 0
    logprob: float = 0.0
    sampling_logprob: float = 0.0
    text: str | None = None
    finish_reason: str = ""

    def __post_init__(self) -> None:
        self._stream = generator(self.seed, self.prompt_id, self.draw)

    def chances(self, count: int) -> NDArray[np.float64]:
        """The exponential numbers of the position that comes next, `count` of them; one call a position."""
        return self._stream.standard_exponential(count)


class Ending:
    """What ends an answer: the model's end-of-turn tokens, stop strings, lengths."""

    def __init__(self, model: Any, tokenizer: Any, settings: SamplingSettings) -> None:
        """Raises `ConfigurationError`: the chat template ends a turn with no token of its own."""
        self.tokens = stop_tokens(model, tokenizer)
        self.settings, self.tokenizer = settings, tokenizer
        self._special = frozenset(tokenizer.all_special_ids)
        # A token is one byte of text or more; two more, for characters cut at the front and spaces a decoder strips there.
        self._tail = max((len(text.encode()) for text in settings.stop), default=0) + 2

    def add(self, row: Writing, token: int, logprob: float, sampling_logprob: float) -> None:
        """Give a row its next token; sets `finish_reason` when it is done."""
        row.count += 1
        row.logprob += logprob
        row.sampling_logprob += sampling_logprob
        if token in self.tokens:
            row.finish_reason = "stop"
            return
        row.tokens.append(token)
        if self.settings.stop and row.count > self.settings.min_tokens and self._said_stop(row):
            row.finish_reason = "stop"
        elif row.count == row.limit:
            row.finish_reason = "length"

    def answer(self, row: Writing) -> Answer:
        text = self._text(row.tokens) if row.text is None else row.text
        return Answer(row.prompt_id, row.draw, text, row.count, row.logprob, row.finish_reason, row.sampling_logprob)

    def _text(self, tokens: list[int]) -> str:
        return str(self.tokenizer.decode(tokens, skip_special_tokens=True))

    def _said_stop(self, row: Writing) -> bool:
        """Whether the newest token completes a stop string; then `text` is what stands before the first."""
        tail = [token for token in row.tokens[-2 * self._tail :] if token not in self._special][-self._tail :]
        said = self._text(tail)
        if not any(text in said for text in self.settings.stop):
            return False
        # What was complete before the minimum length does not count.
        whole, early = self._text(row.tokens), self._text(row.tokens[: self.settings.min_tokens])
        found = [place for text in self.settings.stop if (place := whole.find(text, max(0, len(early) - len(text) + 1))) >= 0]
        if found:
            row.text = whole[: min(found)]
        return bool(found)


def stop_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """Ids that end an answer: the template's end of turn and of a tool call, and those of the generation configuration."""
    configured = getattr(model.generation_config, "eos_token_id", None)
    listed = configured if isinstance(configured, list) else [] if configured is None else [configured]
    return frozenset([end_of_turn_id(tokenizer), end_of_call(tokenizer).id, *map(int, listed)])
