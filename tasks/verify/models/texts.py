"""Untrusted text on its way into a chat template.

A tokenizer reads ``<|im_end|>`` in a message as the token that ends the turn: a response that holds it could write turns
of its own, and a judge or a reward model would take them for its template's. So the first character of whatever could be
such a token is set apart from the rest with a space. The words stay readable, and the token does not come about.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from tasks.chat.render import Message, control_texts

# What opens, closes or parts turns in the templates in use, for an endpoint whose tokenizer nobody here knows.
_OPENINGS = r"<[|｜]|</?s>|<(?:start|end)_of_turn>|<(?:bos|eos|pad|unk)>|<</?SYS>>|\[/?[A-Z_]{3,24}\]"


def control_pattern(texts: Iterable[str] = ()) -> re.Pattern[str]:
    """Matches the first character of every text in use as a control token, and of each of `texts`.

    Texts of one character, or with white space in them (runs of blanks, in some vocabularies), end no turn and stay out.
    """
    wanted = [text for text in texts if len(text) > 1 and not re.search(r"\s", text)]
    return re.compile(f"(?=(?:{'|'.join([_OPENINGS, *map(re.escape, wanted)])}))(.)", re.DOTALL)


def controls_of(tokenizer: Any) -> re.Pattern[str]:
    """`control_pattern` of a tokenizer's special tokens."""
    added = [str(token) for token in tokenizer.added_tokens_decoder.values() if token.special]
    return control_pattern(sorted({*added, *control_texts(tokenizer)}))


def neutral(text: str, controls: re.Pattern[str]) -> str:
    """`text` without control tokens (module docstring), and without what UTF-8 cannot say.

    One pass finds them all, also those that overlap, and makes none: each has a space after its first character then.
    """
    return controls.sub(r"\1 ", text.encode("utf-8", "replace").decode())


def neutral_messages(messages: Sequence[Message], controls: re.Pattern[str]) -> list[dict[str, str]]:
    """Role and neutral content of each message, and nothing else of it."""
    return [{"role": message["role"], "content": neutral(message["content"], controls)} for message in messages]
