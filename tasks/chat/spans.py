"""Where the trained tokens of a rendered conversation lie.

Two ways to find an assistant turn: the template's own ``{% generation %}`` blocks, or the difference between the
rendered conversation and its rendered prefixes. Either way it is proven for each turn that what a server would send
before it (the messages so far and the generation prompt) is a prefix of the row, as text and as tokens. Thinking
templates, which rewrite earlier turns, break that property; such a row is refused, for training on it would teach
answers to prompts never sent.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tasks.chat.render import EndOfTurn, Message, render_text

# Python takes four control characters for white space; they are text here.
_SPACE = re.compile("[^\\S\x1c-\x1f]+")


class RowRefusedError(Exception):
    """A row that cannot be rendered rightly: a stable reason code and a sentence for people."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


@dataclass(frozen=True)
class Rendered:
    """A conversation as text and tokens: `ids` [T], `offsets` [T] of (start, stop) in characters of `text`.

    `blocks` are the token ranges of the template's generation blocks; None when it has none.
    """

    messages: Sequence[Message]
    text: str
    ids: list[int]
    offsets: list[tuple[int, int]]
    blocks: list[tuple[int, int]] | None = None

    def token_at(self, char: int) -> int:
        """The first token that starts at or after `char`; refuses when another token reaches across it."""
        token = bisect_left(self.offsets, char, key=lambda offset: offset[0])
        if token and self.offsets[token - 1][1] > char:
            raise RowRefusedError("prefix_tokens", f"a token reaches across the end of the prompt, at character {char}")
        return token


@dataclass
class SpanFinder:
    """Finds trained token ranges with one tokenizer.

    Attributes:
        end: the token that closes an assistant turn.
        splitters: ids of the special tokens at which this tokenizer always cuts a text, so that what stands before
            one cannot change the tokens after it.
    """

    tokenizer: Any
    end: EndOfTurn
    splitters: frozenset[int]
    _tails: dict[str, list[int]] = field(default_factory=dict)

    def trained(self, row: Rendered, mask: str) -> list[tuple[int, int]]:
        """The token ranges [start, stop) that get labels, in order. Raises `RowRefusedError`."""
        if mask == "full":
            return self._all_but_untrained(row)
        turns = [index for index, message in enumerate(row.messages) if message["role"] == "assistant"]
        blocks = self._blocks_by_turn(row, turns)
        if mask == "last":
            turns = turns[-1:]
        wanted = [index for index in turns if row.messages[index].get("train") is not False]
        return [self._by_block(row, i, blocks[i]) if blocks else self._by_prefix(row, i) for i in wanted]

    def _by_prefix(self, row: Rendered, index: int) -> tuple[int, int]:
        char, start = self._after_prompt(row, index)
        is_last = index == len(row.messages) - 1
        turn = row.text if is_last else render_text(self.tokenizer, row.messages[: index + 1])
        close = turn.rfind(self.end.text)
        if close < char:
            raise RowRefusedError(
                "end_of_turn_missing", f"message {index}: the template does not close it with {self.end.text}"
            )
        stop_char = close + len(self.end.text)
        if not row.text.startswith(turn[:stop_char]):
            raise RowRefusedError("prefix_text", f"message {index} reads differently once other messages follow it")
        return self._closed(row, index, start, row.token_at(stop_char))

    def _by_block(self, row: Rendered, index: int, block: tuple[int, int]) -> tuple[int, int]:
        start, stop = block
        if self._after_prompt(row, index)[1] > start:
            raise RowRefusedError("prefix_tokens", f"message {index}: its generation block starts inside the prompt")
        # Some templates leave the closing token just outside of the block, some take the newline after it in.
        limit = min(stop + 1, len(row.ids))
        ends = [token for token in range(start, limit) if row.ids[token] == self.end.id]
        return self._closed(row, index, start, ends[-1] + 1 if ends else stop)

    def _closed(self, row: Rendered, index: int, start: int, stop: int) -> tuple[int, int]:
        """The range itself, once it is sure that it ends with the closing token and holds no other."""
        found = row.ids[start:stop].count(self.end.id)
        if found == 0 or row.ids[stop - 1] != self.end.id:
            raise RowRefusedError("end_of_turn_missing", f"message {index}: its last token is not {self.end.text}")
        if found > 1:
            raise RowRefusedError("control_token", f"message {index} contains {self.end.text}, which ends a turn")
        self._refuse_lost_text(row, index, start, stop)
        return start, stop

    def _refuse_lost_text(self, row: Rendered, index: int, start: int, stop: int) -> None:
        """A tokenizer without a token for some character leaves it out in silence; the model would learn the rest.

        White space is not compared: SentencePiece decodes a span without its first space.
        """
        said = row.text[row.offsets[start - 1][1] : row.offsets[stop - 1][1]]
        made = self.tokenizer.decode(row.ids[start:stop], clean_up_tokenization_spaces=False)
        if said != made and _without_space(said) != _without_space(made):
            raise RowRefusedError("text_lost", f"message {index}: the tokenizer cannot write all of its characters")

    def _after_prompt(self, row: Rendered, index: int) -> tuple[int, int]:
        """Character and token at which message `index` starts to be written; proves the prefix property."""
        if index == 0:
            raise RowRefusedError("prompt_missing", "the conversation starts with the assistant: there is no prompt")
        prompt = render_text(self.tokenizer, row.messages[:index], generation_prompt=True)
        if not row.text.startswith(prompt):
            raise RowRefusedError("prefix_text", f"the prompt of message {index} is no prefix of the conversation")
        token = row.token_at(len(prompt))
        # Everything up to the last splitting token is cut the same with or without what follows; the tail after it is
        # tokenised alone and compared ("\n\n" may be one token alone and two before a word).
        cut = next((t for t in range(token - 1, -1, -1) if row.ids[t] in self.splitters), 0)
        tail = prompt[row.offsets[cut][0] if token else 0 :]
        if self._tail_ids(tail) != row.ids[cut:token]:
            raise RowRefusedError("prefix_tokens", f"the prompt of message {index} has other tokens alone than here")
        return len(prompt), token

    def _tail_ids(self, tail: str) -> list[int]:
        if tail not in self._tails:
            if len(self._tails) >= 1024:
                self._tails.clear()
            self._tails[tail] = self.tokenizer(tail, add_special_tokens=False)["input_ids"]
        return self._tails[tail]

    def _blocks_by_turn(self, row: Rendered, turns: list[int]) -> dict[int, tuple[int, int]]:
        if row.blocks is None:
            return {}
        if len(row.blocks) != len(turns):
            raise RowRefusedError("blocks_unpaired", f"{len(row.blocks)} generation blocks for {len(turns)} assistant messages")
        return dict(zip(turns, row.blocks, strict=True))

    def _all_but_untrained(self, row: Rendered) -> list[tuple[int, int]]:
        spans, at = [], 0
        for index, message in enumerate(row.messages):
            if message.get("train") is not False:
                continue
            start = self._message_start(row, index)
            stop = self._message_start(row, index + 1)
            spans.append((at, start))
            at = stop
        return [span for span in [*spans, (at, len(row.ids))] if span[0] < span[1]]

    def _message_start(self, row: Rendered, index: int) -> int:
        if index == 0:
            return 0
        if index == len(row.messages):
            return len(row.ids)
        before = render_text(self.tokenizer, row.messages[:index])
        if not row.text.startswith(before):
            raise RowRefusedError("prefix_text", f"the first {index} messages read differently once others follow them")
        return row.token_at(len(before))


def _without_space(text: str) -> str:
    return _SPACE.sub("", unicodedata.normalize("NFKC", text))
