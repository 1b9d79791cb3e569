"""What the label rows of a conversation must be, from character offsets alone: slow, plain, and written without `tasks.chat`.

A trained turn is the text between what a server sends before it, ``render(messages[:i], generation prompt)``, and its closing
token in ``render(messages[:i + 1])``. Where the whole conversation begins with both, its tokens are labelled; where it does
not (the template rewrites earlier turns), each trained turn has a row of its own that ends with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError

IGNORED = -100


class RefusedError(Exception):
    """There are no right labels for this conversation; the message is the reason's code."""


def render(tokenizer: Any, chat: Mapping[str, Any], stop: int, prompt: bool = False) -> str:
    """The template's text for the first `stop` messages."""
    messages = [{name: value for name, value in message.items() if name != "train"} for message in chat["messages"][:stop]]
    if not messages:
        raise RefusedError("prompt_missing")
    try:
        return str(
            tokenizer.apply_chat_template(messages, tools=chat.get("tools"), tokenize=False, add_generation_prompt=prompt)
        )
    except (TemplateError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise RefusedError("template_error") from error


def tokenise(tokenizer: Any, text: str) -> tuple[list[int], list[tuple[int, int]]]:
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    return encoded["input_ids"], encoded["offset_mapping"]


@dataclass(frozen=True)
class Ends:
    """The texts that close an assistant turn: as the last message, as an earlier one, and as a call of tools."""

    last: str
    earlier: str
    call: str


def expected_rows(tokenizer: Any, chat: Mapping[str, Any], mask: str, ends: Ends, prompt_loss_weight: float = 0.0) -> Any:
    """The label rows of `chat`: `id`, `input_ids`, `labels`, and `loss_weights` where prompts weigh something.

    Raises:
        RefusedError: there is no right row.
    """
    if mask == "full":
        return [_full(tokenizer, chat)]
    turns = trained_turns(chat, mask)
    if not turns:
        raise RefusedError("no_label")
    whole = render(tokenizer, chat, len(chat["messages"]))
    spans = {turn: _turn(tokenizer, chat, turn, ends) for turn in turns}
    if all(whole.startswith(text[:stop]) for text, _, stop in spans.values()):
        parts = [(chat, whole, [span[1:] for span in spans.values()])]
    else:
        parts = [
            (dict(chat) | {"id": f"{chat['id']}#{turn}", "messages": chat["messages"][: turn + 1]}, text, [(start, stop)])
            for turn, (text, start, stop) in spans.items()
        ]
    rows = []
    for part, text, trained in parts:
        row, own = _row(tokenizer, part["id"], text, trained)
        if prompt_loss_weight:
            row |= _weighted(tokenizer, part, text, own, ends, prompt_loss_weight)
        rows.append(row)
    return rows


def trained_turns(chat: Mapping[str, Any], mask: str) -> list[int]:
    turns = [index for index, message in enumerate(chat["messages"]) if message["role"] == "assistant"]
    if mask == "last":
        turns = turns[-1:]
    return [turn for turn in turns if chat["messages"][turn].get("train") is not False]


def _turn(tokenizer: Any, chat: Mapping[str, Any], turn: int, ends: Ends) -> tuple[str, int, int]:
    """The text that ends with message `turn`, and where in it the assistant's own characters begin and end."""
    prompt, text = render(tokenizer, chat, turn, prompt=True), render(tokenizer, chat, turn + 1)
    if not text.startswith(prompt):
        raise RefusedError("prefix_text")
    end = ends.call if chat["messages"][turn].get("tool_calls") else ends.last
    close = text.rfind(end)
    if close < len(prompt):
        raise RefusedError("end_of_turn_missing")
    return text, len(prompt), close + len(end)


def _row(tokenizer: Any, name: str, text: str, spans: Sequence[tuple[int, int]]) -> tuple[dict[str, Any], list[bool]]:
    """The row, and for each token whether the assistant writes it."""
    ids, offsets = tokenise(tokenizer, text)
    bos = tokenizer.bos_token_id
    if bos is not None and ids[:2] == [bos, bos]:
        raise RefusedError("double_bos")
    own = [False] * len(ids)
    for start, stop in spans:
        first = sum(1 for begins, _ in offsets if begins < start)
        if any(begins < start < ends for begins, ends in offsets) or tokenise(tokenizer, text[:start])[0] != ids[:first]:
            raise RefusedError("prefix_tokens")
        for token, (begins, _) in enumerate(offsets):
            own[token] = own[token] or start <= begins < stop
    labels = [token if mine else IGNORED for token, mine in zip(ids, own, strict=True)]
    return {"id": name, "input_ids": ids, "labels": labels}, own


def _weighted(tokenizer: Any, chat: Mapping[str, Any], text: str, own: list[bool], ends: Ends, weight: float) -> dict[str, Any]:
    """Labels for prompts too, but none for the first token, which nothing predicts, and for messages marked untrained."""
    ids, offsets = tokenise(tokenizer, text)
    silent = [_silent(tokenizer, chat, index, text, ends) for index in range(len(chat["messages"]))]
    labels: list[int] = []
    weights: list[float] = []
    for token, (begins, _), mine in zip(ids, offsets, own, strict=True):
        quiet = not labels or any(start <= begins < stop for start, stop in silent)
        labels.append(IGNORED if quiet else token)
        weights.append(0.0 if quiet else 1.0 if mine else weight)
    return {"labels": labels, "loss_weights": weights}


def _silent(tokenizer: Any, chat: Mapping[str, Any], index: int, text: str, ends: Ends) -> tuple[int, int]:
    """The characters of message `index` that are not trained at all: none, what the assistant writes, or all of a message."""
    messages = chat["messages"]
    if messages[index].get("train") is not False:
        return 0, 0
    if messages[index]["role"] != "assistant":
        return _extent(tokenizer, chat, index, text)
    prompt = render(tokenizer, chat, index, prompt=True)
    if not text.startswith(prompt):
        raise RefusedError("prefix_text")
    end = ends.last if index == len(messages) - 1 else ends.earlier
    end = ends.call if messages[index].get("tool_calls") else end
    return len(prompt), text.index(end, len(prompt)) + len(end)


def _extent(tokenizer: Any, chat: Mapping[str, Any], index: int, text: str) -> tuple[int, int]:
    """All characters that message `index` adds to the text."""
    before = render(tokenizer, chat, index) if index else ""
    after = text if index == len(chat["messages"]) - 1 else render(tokenizer, chat, index + 1)
    if not text.startswith(before) or not text.startswith(after):
        raise RefusedError("prefix_text")
    return len(before), len(after)


def _full(tokenizer: Any, chat: Mapping[str, Any]) -> dict[str, Any]:
    text = render(tokenizer, chat, len(chat["messages"]))
    ids, offsets = tokenise(tokenizer, text)
    bos = tokenizer.bos_token_id
    if bos is not None and ids[:2] == [bos, bos]:
        raise RefusedError("double_bos")
    silent = [_extent(tokenizer, chat, index, text) for index, m in enumerate(chat["messages"]) if m.get("train") is False]
    quiet = [any(start <= begins < stop for start, stop in silent) for begins, _ in offsets]
    labels = [IGNORED if hushed else token for token, hushed in zip(ids, quiet, strict=True)]
    if all(label == IGNORED for label in labels[1:]):  # nothing predicts the first token
        raise RefusedError("no_label")
    return {"id": chat["id"], "input_ids": ids, "labels": labels}
