"""Chat rows → label rows: token ids, and for each the label that the loss sees (−100: not trained).

A row is rendered whole or refused with a reason; nothing is ever cut, for a cut answer teaches stopping in
mid-sentence and a row cut before its answer has no label at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, get_args

from tasks.chat.render import TemplateRefusedError, end_of_turn, render_blocks, render_text
from tasks.chat.settings import Mask
from tasks.chat.spans import Rendered, RowRefusedError, SpanFinder
from tasks.runtime.errors import ConfigurationError
from tasks.runtime.rows import Row

IGNORED = -100
_BLOCK = re.compile(r"\{%-?\s*generation\s*-?%\}")


@dataclass(frozen=True)
class Reject:
    """A chat row without a label row. `reason` is a stable code:

    ``template_error`` the template refuses it · ``prefix_text``, ``prefix_tokens`` what a server would send is not a
    prefix of it · ``prompt_missing`` it starts with the assistant · ``end_of_turn_missing`` a turn is not closed ·
    ``control_token`` an answer contains the closing token · ``text_lost`` the tokenizer cannot write an answer ·
    ``blocks_unpaired`` generation blocks and assistant turns differ in number · ``double_bos`` · ``too_long`` more than
    `max_tokens` · ``no_label`` nothing in it would be trained.
    """

    id: str
    reason: str
    detail: str


def label_rows(tokenizer: Any, rows: Iterable[Mapping[str, Any]], mask: Mask, max_tokens: int) -> Iterator[Row | Reject]:
    """One label row or one `Reject` for each chat row, in order, as a stream.

    Label rows hold `id`, `input_ids` [T] and `labels` [T]; a label is the token's own id (the model shifts, not we)
    or −100. The ids equal those of ``apply_chat_template`` on the same messages; those before a trained turn equal
    the prompt a server sends. The token that closes an assistant turn is trained, what the template writes after it
    is not. A message with
    ``train: false`` is never trained.

    Args:
        tokenizer: fast, with a chat template.
        mask: ``assistant`` (every assistant turn), ``last`` (the last one), ``full`` (all tokens).
        max_tokens: longer rows are refused.

    Raises:
        ConfigurationError: an unknown mask, or a template that closes assistant turns with no token.
    """
    if mask not in get_args(Mask):
        raise ConfigurationError(f"mask {mask!r} is unknown; known: {', '.join(get_args(Mask))}")
    finder = SpanFinder(tokenizer, end_of_turn(tokenizer), _splitters(tokenizer))
    blocks = bool(_BLOCK.search(tokenizer.get_chat_template())) and mask != "full"
    for row in rows:
        try:
            yield _label_row(finder, row, mask, max_tokens, blocks)
        except RowRefusedError as refusal:
            yield Reject(str(row["id"]), refusal.reason, refusal.detail)
        except TemplateRefusedError as refusal:
            yield Reject(str(row["id"]), "template_error", str(refusal))


def _label_row(finder: SpanFinder, row: Mapping[str, Any], mask: Mask, max_tokens: int, blocks: bool) -> Row:
    rendered = _rendered(finder.tokenizer, row["messages"], blocks)
    ids = rendered.ids
    if len(ids) > max_tokens:
        raise RowRefusedError("too_long", f"{len(ids)} tokens, {max_tokens} allowed")
    bos = finder.tokenizer.bos_token_id
    if bos is not None and ids[:2] == [bos, bos]:
        raise RowRefusedError("double_bos", "it starts with two BOS tokens: the template writes one too many")
    labels = [IGNORED] * len(ids)
    for start, stop in finder.trained(rendered, mask):
        labels[start:stop] = ids[start:stop]
    # The first token has nothing before it to be predicted from.
    if not any(label != IGNORED for label in labels[1:]):
        raise RowRefusedError("no_label", "it has no assistant turn to train on (none, or all marked train: false)")
    return {"id": row["id"], "input_ids": ids, "labels": labels}


def _rendered(tokenizer: Any, messages: list[dict[str, Any]], blocks: bool) -> Rendered:
    text = render_text(tokenizer, messages)
    if not blocks:
        encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        return Rendered(messages, text, encoded["input_ids"], encoded["offset_mapping"])
    encoded = render_blocks(tokenizer, messages)
    ranges, at = [], 0
    for inside, run in groupby(encoded["assistant_masks"]):
        length = len(list(run))
        if inside:
            ranges.append((at, at + length))
        at += length
    return Rendered(messages, text, encoded["input_ids"], encoded["offset_mapping"], ranges)


def _splitters(tokenizer: Any) -> frozenset[int]:
    """Ids of special tokens that are matched in the raw text and swallow nothing around them."""
    return frozenset(
        token_id
        for token_id, token in tokenizer.added_tokens_decoder.items()
        if token.special and not (token.lstrip or token.rstrip or token.single_word or token.normalized)
    )
