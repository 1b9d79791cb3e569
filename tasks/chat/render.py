"""Messages → text and token ids, with whatever chat template the tokenizer brings; and what that template ends a turn with.

The sampling engine, the evaluation and the trainer all come through here, so that what is trained on is what is served.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError, TemplateSyntaxError

from tasks.runtime.errors import ConfigurationError, DataError

Message = Mapping[str, Any]
Tools = Sequence[Mapping[str, Any]] | None

_BLOCK = re.compile(r"\{%-?\s*generation\s*-?%\}")
# Whatever a template raises is about the messages: it is a stranger's program.
_FAULTS = (TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError)
_TEXT_ONLY = {"role", "content"}

# A word no template contains, so that its place in the rendered text is certain.
_PROBE = "winnowprobe"
_PROBE_ARGUMENT = "winnowargument"
_ASKED = {"role": "user", "content": _PROBE}
_ANSWERED = {"role": "assistant", "content": _PROBE + " answer"}
_CALL = {"id": "winnow001", "type": "function", "function": {"name": _PROBE, "arguments": {_PROBE: _PROBE_ARGUMENT}}}
_CALLED = {"role": "assistant", "content": "", "tool_calls": [_CALL]}
_TOOL = {
    "type": "function",
    "function": {"name": _PROBE, "description": _PROBE, "parameters": {"type": "object", "properties": {}}},
}


class TemplateRefusedError(DataError):
    """The chat template itself refuses these messages (an order of roles, a missing field)."""


@dataclass(frozen=True)
class EndOfTurn:
    """The token that closes an assistant turn: its id and its text."""

    id: int
    text: str


class Renderer:
    """One tokenizer's chat template, compiled once: for many conversations.

    Its texts are those of ``apply_chat_template(…, tokenize=False)``. That call copies and checks its arguments each time,
    which takes as long as the rendering; messages that are a role and a text and nothing else need no such care.

    Attributes:
        has_blocks: the template marks what the assistant writes with ``{% generation %}``.
    """

    def __init__(self, tokenizer: Any) -> None:
        """Raises `ConfigurationError`: no chat template, or one that is no Jinja."""
        from transformers.utils.chat_template_utils import _compile_jinja_template

        self._tokenizer, self._source = tokenizer, _template(tokenizer)
        self.has_blocks = bool(_BLOCK.search(self._source))
        try:
            self._compiled = _compile_jinja_template(self._source)
        except TemplateSyntaxError as error:
            raise ConfigurationError(f"the tokenizer's chat template is broken ({error}); correct it") from error
        self._names = {name: str(token) for name, token in tokenizer.special_tokens_map.items()}

    def text(self, messages: Sequence[Message], generation_prompt: bool = False, tools: Tools = None) -> str:
        """The template's text for `messages`; with `generation_prompt`, up to where the assistant starts to write.

        Args:
            messages: as templates know them, see `plain_messages`.

        Raises:
            TemplateRefusedError: the template raised an error on these messages, or there are none.
        """
        try:
            if messages and not tools and all(map(_is_text, messages)):
                return self._compiled.render(  # type: ignore[no-any-return]
                    messages=messages, tools=None, documents=None, add_generation_prompt=generation_prompt, **self._names
                )
        except _FAULTS as fault:
            raise _refusal(fault) from fault
        with _refusing(messages):
            written = self._tokenizer.apply_chat_template(
                messages, tools=tools or None, tokenize=False, add_generation_prompt=generation_prompt
            )
            return str(written)

    def blocks(self, messages: Sequence[Message], tools: Tools = None) -> list[tuple[int, int]]:
        """The generation blocks in the text of `messages`: (start, stop) in characters. Raises as `text`."""
        from transformers.utils.chat_template_utils import render_jinja_template

        with _refusing(messages):
            _, ranges = render_jinja_template(
                conversations=[messages],
                tools=tools or None,
                chat_template=self._source,
                return_assistant_tokens_mask=True,
                **self._names,
            )
        return list(ranges[0])


def render_text(tokenizer: Any, messages: Sequence[Message], generation_prompt: bool = False, tools: Tools = None) -> str:
    """As `Renderer.text`, for one conversation, whose messages may carry our own marks."""
    return Renderer(tokenizer).text(plain_messages(messages), generation_prompt, tools)


def render_prompt(tokenizer: Any, messages: Sequence[Message], tools: Tools = None) -> list[int]:
    """Token ids of a prompt as a server sends it to the model: all messages, then the generation prompt.

    The text is tokenised without adding special tokens (the template writes its own), so no second BOS appears.

    Raises:
        TemplateRefusedError: the template raised an error on these messages, or there are none.
        ConfigurationError: the tokenizer has no chat template.
    """
    _template(tokenizer)
    with _refusing(messages):
        ids = tokenizer.apply_chat_template(
            plain_messages(messages), tools=tools or None, tokenize=True, add_generation_prompt=True, return_dict=False
        )
        return list(ids)


def plain_messages(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The messages without our own `train` marks, which are no business of a template."""
    return [{name: value for name, value in message.items() if name != "train"} for message in messages]


def _template(tokenizer: Any) -> str:
    if not getattr(tokenizer, "chat_template", None):
        raise ConfigurationError("the tokenizer has no chat template; use a chat model's tokenizer")
    return str(tokenizer.get_chat_template())


def _is_text(message: Message) -> bool:
    return message.keys() == _TEXT_ONLY and type(message["content"]) is str and type(message["role"]) is str


@contextmanager
def _refusing(messages: Sequence[Message]) -> Iterator[None]:
    if not messages:
        raise TemplateRefusedError("there are no messages to render")
    try:
        yield
    except _FAULTS as fault:
        raise _refusal(fault) from fault


def _refusal(fault: Exception) -> TemplateRefusedError:
    return TemplateRefusedError(f"the chat template refuses the messages ({type(fault).__name__}: {fault}); correct them")


def end_of_turn(tokenizer: Any) -> EndOfTurn:
    """The token the template writes after the words of an assistant who speaks last, found by rendering a probe.

    A template may close earlier turns differently; what a model writes is always the last turn. Only where the template leaves
    that one open, as if it were to go on, the token that closes an earlier one is taken.

    Raises:
        ConfigurationError: the template closes a turn with nothing, or with text that is no single token of this
            tokenizer; a model trained on that could never learn to stop.
    """
    text, closing = _after_answer(tokenizer, [_ASKED, _ANSWERED])
    if closing:
        return closing[0]
    longer, closing = _after_answer(tokenizer, [_ASKED, _ANSWERED, _ASKED, _ANSWERED])
    # What opens the first question opens the second too, and closes nothing.
    if closing and closing[0].text not in longer[: longer.find(_PROBE)]:
        return closing[0]
    raise ConfigurationError(
        f"the chat template closes an assistant turn with {text[text.rfind(_PROBE) :]!r}, which holds no special token of this "
        "tokenizer, so a model could not learn to stop; use the template the tokenizer was made with, or add the token"
    )


def end_of_earlier_turn(tokenizer: Any) -> EndOfTurn:
    """The token that closes an assistant turn with a user's after it: mostly `end_of_turn`'s, in Harmony ``<|end|>``."""
    _, closing = _after_answer(tokenizer, [_ASKED, _ANSWERED, _ASKED])
    return closing[0] if closing else end_of_turn(tokenizer)


def end_of_call(tokenizer: Any) -> EndOfTurn:
    """The token that closes an assistant turn of tool calls: mostly `end_of_turn`'s, in Harmony ``<|call|>``. Raises as it."""
    end = end_of_turn(tokenizer)
    try:
        text = render_text(tokenizer, [_ASKED, _CALLED], tools=[_TOOL])
    except TemplateRefusedError:
        return end
    closing = _special_after(tokenizer, text, text.rfind(_PROBE_ARGUMENT) + len(_PROBE_ARGUMENT))
    return end if end in closing or not closing else closing[-1]


def end_of_turn_id(tokenizer: Any) -> int:
    """The id of the token that ends an assistant turn. Raises as `end_of_turn`."""
    return end_of_turn(tokenizer).id


def _after_answer(tokenizer: Any, messages: Sequence[Message]) -> tuple[str, list[EndOfTurn]]:
    """The text of a probe, and the special tokens after the words of its first answer."""
    text = render_text(tokenizer, messages)
    words = text.find(_ANSWERED["content"])
    if words < 0:
        raise ConfigurationError("the chat template does not write the assistant's words; check the tokenizer")
    return text, _special_after(tokenizer, text, words + len(_ANSWERED["content"]))


def _special_after(tokenizer: Any, text: str, after: int) -> list[EndOfTurn]:
    """The special and added tokens that begin at character `after` or later."""
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    added, known = tokenizer.added_tokens_decoder, special_ids(tokenizer)
    pairs = zip(encoded["input_ids"], encoded["offset_mapping"], strict=True)
    return [
        EndOfTurn(token, added[token].content if token in added else text[start:stop])
        for token, (start, stop) in pairs
        if start >= after and token in known
    ]


def special_ids(tokenizer: Any) -> frozenset[int]:
    """Ids of every special or added token."""
    return frozenset(tokenizer.added_tokens_decoder) | frozenset(tokenizer.all_special_ids)


def control_texts(tokenizer: Any) -> list[str]:
    """The texts that would change a conversation's shape if a message contained them, longest first.

    The tokenizer's named special tokens, and those special tokens the chat template itself writes. Others
    (``<filename>`` of a code model) may stand in a message: they mean the same in training and in serving.
    """
    added = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
    template = tokenizer.get_chat_template()
    written = {text for text in added if text in template}
    return sorted(written | set(tokenizer.all_special_tokens), key=lambda text: (-len(text), text))


def generation_prompt_ids(tokenizer: Any) -> list[int]:
    """The ids a template writes to make the assistant begin; empty where it writes nothing of its own."""
    probe = [{"role": "user", "content": _PROBE}]
    before, whole = render_text(tokenizer, probe), render_text(tokenizer, probe, generation_prompt=True)
    if not whole.startswith(before) or whole == before:
        return []
    encoded = tokenizer(whole, add_special_tokens=False, return_offsets_mapping=True)
    pairs = zip(encoded["input_ids"], encoded["offset_mapping"], strict=True)
    return [token for token, (start, _) in pairs if start >= len(before)]
