"""Messages → text and token ids, with whatever chat template the tokenizer brings; and what that template ends a turn
with.

The sampling engine, the evaluation and the trainer all come through here, so that what is trained on is what is served.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.runtime.errors import ConfigurationError, DataError

Message = Mapping[str, Any]

# A word no template contains, so that its place in the rendered text is certain.
_PROBE = "winnowprobe"


class TemplateRefusedError(DataError):
    """The chat template itself refuses these messages (an order of roles, a missing field)."""


@dataclass(frozen=True)
class EndOfTurn:
    """The token that closes an assistant turn: its id and its text."""

    id: int
    text: str


def render_text(tokenizer: Any, messages: Sequence[Message], generation_prompt: bool = False) -> str:
    """The template's text for `messages`; with `generation_prompt`, up to where the assistant starts to write.

    Raises:
        TemplateRefusedError: the template raised an error on these messages, or there are none.
        ConfigurationError: the tokenizer has no chat template.
    """
    return str(_apply(tokenizer, messages, tokenize=False, add_generation_prompt=generation_prompt))


def render_prompt(tokenizer: Any, messages: Sequence[Message]) -> list[int]:
    """Token ids of a prompt as a server sends it to the model: all messages, then the generation prompt.

    The text is tokenised without adding special tokens (the template writes its own), so no second BOS appears.

    Raises:
        TemplateRefusedError, ConfigurationError: as `render_text`.
    """
    return list(_apply(tokenizer, messages, tokenize=True, add_generation_prompt=True, return_dict=False))


def render_blocks(tokenizer: Any, messages: Sequence[Message]) -> Any:
    """Ids, offsets and `assistant_masks` (1 inside ``{% generation %}`` blocks) of whole conversations.

    Raises:
        TemplateRefusedError, ConfigurationError: as `render_text`.
    """
    return _apply(
        tokenizer,
        messages,
        tokenize=True,
        return_dict=True,
        return_assistant_tokens_mask=True,
        tokenizer_kwargs={"return_offsets_mapping": True},
    )


def plain_messages(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The messages without our own `train` marks, which are no business of a template."""
    return [{name: value for name, value in message.items() if name != "train"} for message in messages]


def _apply(tokenizer: Any, messages: Sequence[Message], **options: Any) -> Any:
    from jinja2 import TemplateError

    if not getattr(tokenizer, "chat_template", None):
        raise ConfigurationError("the tokenizer has no chat template; use a chat model's tokenizer")
    if not messages:
        raise TemplateRefusedError("there are no messages to render")
    try:
        return tokenizer.apply_chat_template(plain_messages(messages), **options)
    except (TemplateError, TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
        said = f"{type(error).__name__}: {error}"
        raise TemplateRefusedError(f"the chat template refuses the messages ({said}); correct them") from error


def end_of_turn(tokenizer: Any) -> EndOfTurn:
    """The token the template writes right after an assistant's words, found by rendering a probe.

    Raises:
        ConfigurationError: the template closes a turn with nothing, or with text that is no single token of this
            tokenizer; a model trained on that could never learn to stop.
    """
    text = render_text(tokenizer, [{"role": "user", "content": _PROBE}, {"role": "assistant", "content": _PROBE + " answer"}])
    words = text.rfind(_PROBE + " answer")
    if words < 0:
        raise ConfigurationError("the chat template does not write the assistant's words; check the tokenizer")
    after = words + len(_PROBE + " answer")
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    known = special_ids(tokenizer)
    for token, (start, stop) in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True):
        if start >= after and token in known:
            return EndOfTurn(token, text[start:stop])
    raise ConfigurationError(
        f"the chat template closes an assistant turn with {text[after:]!r}, which holds no special token of this "
        "tokenizer, so a model could not learn to stop; use the template the tokenizer was made with, or add the token"
    )


def end_of_turn_id(tokenizer: Any) -> int:
    """The id of the token that ends an assistant turn. Raises as `end_of_turn`."""
    return end_of_turn(tokenizer).id


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
