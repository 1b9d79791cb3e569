"""Conversations → texts, and the characters in them that are trained.

What a model must write is what stands between the prompt a server sends (the messages so far and the generation prompt) and the
end of the turn, with the closing token: also an empty thought that the template puts there. For each trained turn it is proven
that the text begins with that prompt. Thinking templates rewrite earlier turns, so that no single text begins with all prompts;
such a conversation becomes several texts, one a trained turn, each what the template writes when that turn is the last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tasks.chat.conversation import Conversation, RowRefusedError
from tasks.chat.render import EndOfTurn, Renderer, TemplateRefusedError, Tools, end_of_call, end_of_earlier_turn, end_of_turn
from tasks.chat.settings import Mask


@dataclass(frozen=True)
class Span:
    """A trained turn in a text: characters `start` … `stop`, the last of them those of its closing token `end`."""

    turn: int
    start: int
    stop: int
    end: EndOfTurn


@dataclass(frozen=True)
class Script:
    """One text to tokenise: a whole conversation, its trained turns, and the characters that must have no label at all."""

    chat: Conversation
    text: str
    spans: list[Span]
    silent: list[tuple[int, int]] = field(default_factory=list)


class Planner:
    """Writes the scripts of conversations with one tokenizer's template."""

    def __init__(self, tokenizer: Any, mask: Mask, prompts_too: bool) -> None:
        """`prompts_too`: prompts get labels as well, so that messages marked ``train: false`` must be found in them."""
        self.renderer = Renderer(tokenizer)
        self._end, self._end_of_call = end_of_turn(tokenizer), end_of_call(tokenizer)
        self._earlier_end = end_of_earlier_turn(tokenizer)
        self._full = mask == "full"
        self._labelled = self._full or prompts_too

    def scripts(self, chat: Conversation) -> list[Script]:
        """The texts of a conversation: one, or one for each wanted turn.

        Raises:
            RowRefusedError, TemplateRefusedError.
        """
        if not self._full and not chat.wanted:
            raise RowRefusedError("no_label", "it has no assistant turn to train on (none, or all marked train: false)")
        whole = self.renderer.text(chat.plain, tools=chat.tools)
        self._refuse_lost_tools(chat, whole)
        if self._full:
            return [Script(chat, whole, [], self._silent(chat, whole))]
        turns = [self._turn(chat, turn, whole) for turn in chat.wanted]
        if all(text is whole or whole.startswith(text[: span.stop]) for text, span in turns):
            made = [(chat, whole, [span for _, span in turns])]
        else:
            made = [(chat.up_to(span.turn), text, [span]) for text, span in turns]
        for part, text, spans in made:
            self._refuse_other_blocks(part, text, spans)
        return [Script(part, text, spans, self._silent(part, text)) for part, text, spans in made]

    def _turn(self, chat: Conversation, turn: int, whole: str) -> tuple[str, Span]:
        """The text that ends with an assistant turn, and where in it the assistant writes."""
        text = whole if turn == len(chat.plain) - 1 else self.renderer.text(chat.plain[: turn + 1], tools=chat.tools)
        start = self._prompt_stop(chat, turn, text)
        message = chat.plain[turn]
        end = self._end_of_call if message.get("tool_calls") else self._end
        close = text.find(end.text, start)
        if close < 0:
            raise RowRefusedError("end_of_turn_missing", f"message {turn}: the template does not close it with {end.text}")
        stop = close + len(end.text)
        if text.find(end.text, stop) >= 0:
            raise RowRefusedError("control_token", f"message {turn} contains {end.text}, which ends a turn")
        return text, Span(turn, start, stop, end)

    def _prompt_stop(self, chat: Conversation, turn: int, text: str) -> int:
        """The character of `text` where an assistant turn begins, once it is sure that its prompt stands before it."""
        if turn == 0:
            raise RowRefusedError("prompt_missing", "the conversation starts with the assistant: there is no prompt")
        prompt = self.renderer.text(chat.plain[:turn], generation_prompt=True, tools=chat.tools)
        if not text.startswith(prompt):
            raise RowRefusedError("prefix_text", f"the prompt of message {turn} is no prefix of the conversation")
        return len(prompt)

    def _refuse_other_blocks(self, chat: Conversation, text: str, spans: Sequence[Span]) -> None:
        """Generation blocks may take in what the prompt ends with, and white space after the turn; else they are the spans."""
        if not self.renderer.has_blocks:
            return
        blocks = self.renderer.blocks(chat.plain, chat.tools)
        turns = [index for index, message in enumerate(chat.plain) if message["role"] == "assistant"]
        if len(blocks) != len(turns):
            raise RowRefusedError("blocks_unpaired", f"{len(blocks)} generation blocks for {len(turns)} assistant messages")
        by_turn = dict(zip(turns, blocks, strict=True))
        for span in spans:
            start, stop = by_turn[span.turn]
            # Some templates leave the closing token just outside of the block.
            if start > span.start or stop < span.stop - len(span.end.text) or text[span.stop : stop].strip():
                raise RowRefusedError(
                    "blocks_differ", f"message {span.turn}: its generation block is not what follows the prompt a server sends"
                )

    def _silent(self, chat: Conversation, text: str) -> list[tuple[int, int]]:
        """The characters of messages marked ``train: false``, where everything else gets a label."""
        if not self._labelled:
            return []
        marked = [index for index, message in enumerate(chat.messages) if message.get("train") is False]
        return [self._extent(chat, index, text) for index in marked]

    def _extent(self, chat: Conversation, index: int, text: str) -> tuple[int, int]:
        """The characters of one message: of an assistant's those it writes, of others (and with the mask ``full``) all."""
        if self._full or chat.plain[index]["role"] != "assistant":
            return self._start(chat, index, text), self._start(chat, index + 1, text)
        start = self._prompt_stop(chat, index, text)
        end = self._end if index == len(chat.plain) - 1 else self._earlier_end
        if chat.plain[index].get("tool_calls"):
            end = self._end_of_call
        close = text.find(end.text, start)
        return start, close + len(end.text) if close >= 0 else len(text)

    def _start(self, chat: Conversation, index: int, text: str) -> int:
        if index == 0:
            return 0
        if index == len(chat.plain):
            return len(text)
        before = self.renderer.text(chat.plain[:index], tools=chat.tools)
        if not text.startswith(before):
            raise RowRefusedError("prefix_text", f"the first {index} messages read differently once others follow them")
        return len(before)

    def _refuse_lost_tools(self, chat: Conversation, whole: str) -> None:
        """Templates that know no tools leave them out in silence; a model would learn to call what it was never told of."""
        if chat.tools and not self._changes(chat.plain, None, whole):
            raise RowRefusedError("tools_lost", "the template does not show the row's tools to the model")
        for index, message in enumerate(chat.plain):
            for other in _with_less(message):
                if not self._changes([*chat.plain[:index], other, *chat.plain[index + 1 :]], chat.tools, whole):
                    detail = f"message {index}: the template leaves out a call, its words or a result"
                    raise RowRefusedError("tools_lost", detail)

    def _changes(self, messages: Sequence[Mapping[str, Any]], tools: Tools, text: str) -> bool:
        try:
            return self.renderer.text(messages, tools=tools) != text
        except TemplateRefusedError:
            return True


def _with_less(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The message without each of its tool calls, and without the words beside them; a tool's message without its result."""
    calls = message.get("tool_calls") or []
    without = {name: value for name, value in message.items() if name != "tool_calls"}
    for place in range(len(calls)):
        others = [*calls[:place], *calls[place + 1 :]]
        yield {**without, "tool_calls": others} if others else without
    # Templates may well leave a thought out.
    words = str(message.get("content") or "").split("</think>")[-1].strip()
    if words and (calls or message["role"] == "tool"):
        yield {**message, "content": ""}
