"""Chat rows → label rows: token ids, and for each the label that the loss sees (−100: not trained).

A row is rendered whole, or without whole exchanges at its start, or refused with a reason; a turn is never cut, for a cut
answer teaches stopping in mid-sentence and a row cut before its answer has no label at all.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.chat.conversation import Conversation, RowRefusedError
from tasks.chat.render import TemplateRefusedError
from tasks.chat.settings import RenderSettings
from tasks.chat.spans import Planner, Script
from tasks.chat.tokens import Encoded, Scribe, in_order
from tasks.runtime.errors import DataError
from tasks.runtime.rows import IGNORED, Row

# Rows that are tokenised in one call: enough to make the call cheap, few enough to keep them all in memory.
_ROWS, _CHARACTERS = 256, 1 << 20


@dataclass(frozen=True)
class Reject:
    """A chat row without a label row. `reason` is a stable code:

    ``template_error`` the template refuses it · ``prefix_text``, ``prefix_tokens`` what a server would send is not a
    prefix of what would be trained · ``prompt_missing`` it starts with the assistant · ``end_of_turn_missing`` a turn is not
    closed · ``control_token`` an answer contains the closing token · ``text_lost`` the tokenizer cannot write an answer ·
    ``tools_lost`` the template leaves tools, a call or a result out · ``blocks_unpaired``, ``blocks_differ`` generation blocks
    are not the assistant's turns · ``double_bos`` · ``too_long`` more than `max_tokens` · ``no_label`` nothing in it would be
    trained.
    """

    id: str
    reason: str
    detail: str


@dataclass(frozen=True)
class Rendering:
    """What became of one chat row: its label rows, or a reject.

    Attributes:
        left_out: how many messages at the start were left out to fit a label row into `max_tokens`; of several, the most.
    """

    id: str
    rows: list[Row]
    reject: Reject | None = None
    left_out: int = 0


def label_rows(tokenizer: Any, rows: Iterable[Mapping[str, Any]], settings: RenderSettings) -> Iterator[Row | Reject]:
    """Label rows, or one `Reject`, for each chat row, in order, as a stream.

    Label rows hold `id`, `input_ids` [T] and `labels` [T]; a label is the token's own id (the model shifts, not we)
    or −100. The ids equal those of ``apply_chat_template`` on the same messages; those before a trained turn equal
    the prompt a server sends. Trained is all that a model must write after that prompt, the token that closes its turn
    included; what the template writes after it is not. A message with ``train: false`` is never trained.

    A chat row becomes one label row of the same id. Where the template writes earlier turns differently once others follow
    (thinking templates leave thoughts out), it becomes one for each trained turn, as if that were the last, with the id
    ``{id}#{index of the message}``.

    With a `prompt_loss_weight` above 0 (arXiv 2405.14394) all tokens have labels, and `loss_weights` [T] holds 1 in trained
    turns, the weight elsewhere, and 0 where there is no label: at the first token, which nothing predicts, and in messages
    marked ``train: false``.

    Args:
        tokenizer: fast, with a chat template.

    Raises:
        ConfigurationError: a template that closes assistant turns with no token.
        DataError: a row is too long, and `too_long` is ``error``.
    """
    for rendering in renderings(tokenizer, rows, settings):
        if rendering.reject is not None:
            yield rendering.reject
        yield from rendering.rows


def renderings(tokenizer: Any, rows: Iterable[Mapping[str, Any]], settings: RenderSettings) -> Iterator[Rendering]:
    """As `label_rows`, one `Rendering` for each chat row."""
    labeller = _Labeller(tokenizer, settings)
    for plans, encoded in in_order(_batches(map(labeller.plan, rows)), labeller.encode):
        for plan in plans:
            yield labeller.rendering(plan, encoded)


@dataclass(frozen=True)
class _Plan:
    """A chat row with its texts, or what speaks against it."""

    id: str
    weight: float | None = None
    scripts: Sequence[Script] = ()
    refusal: Reject | None = None


class _Labeller:
    """The three steps of a row, of which the second runs in other threads: plan, encode, rendering."""

    def __init__(self, tokenizer: Any, settings: RenderSettings) -> None:
        self._settings = settings
        self._planner = Planner(tokenizer, settings.mask, settings.prompt_loss_weight > 0)
        self._scribe = Scribe(tokenizer)

    def plan(self, row: Mapping[str, Any]) -> _Plan:
        name = str(row["id"])
        try:
            scripts = self._planner.scripts(Conversation.of(row, self._settings.mask))
            return _Plan(name, row.get("weight"), scripts)
        except (RowRefusedError, TemplateRefusedError) as refusal:
            return _Plan(name, refusal=_reject(name, refusal))

    def encode(self, plans: list[_Plan]) -> Encoded:
        return self._scribe.encode(script for plan in plans for script in plan.scripts)

    def rendering(self, plan: _Plan, encoded: Encoded) -> Rendering:
        if plan.refusal is not None:
            return Rendering(plan.id, [], plan.refusal)
        rows: list[Row] = []
        left_out = 0
        try:
            for script in plan.scripts:
                tokens = len(self._scribe.ids(script, encoded))
                if tokens <= self._settings.max_tokens:
                    rows.append(self._row(script, encoded))
                    continue
                chat = self._shortened(script.chat, tokens)
                left_out = max(left_out, len(script.chat.plain) - len(chat.plain))
                shorter = self._planner.scripts(chat)
                again = self._scribe.encode(shorter)
                rows.extend(self._row(part, again) for part in shorter)
        except (RowRefusedError, TemplateRefusedError) as refusal:
            return Rendering(plan.id, [], _reject(plan.id, refusal))
        if plan.weight is not None:
            rows = [row | {"weight": plan.weight} for row in rows]
        return Rendering(plan.id, rows, left_out=left_out)

    def _row(self, script: Script, encoded: Encoded) -> Row:
        ids, settings = self._scribe.ids(script, encoded), self._settings
        if len(ids) > settings.max_tokens:
            raise RowRefusedError("too_long", f"{len(ids)} tokens without its first exchanges, {settings.max_tokens} allowed")
        ranges = self._scribe.ranges(script, encoded)
        if settings.mask == "full":
            labels, weights = ids.copy(), None
        elif settings.prompt_loss_weight:
            labels, weights = [IGNORED, *ids[1:]], [0.0] + [settings.prompt_loss_weight] * (len(ids) - 1)
        else:
            labels, weights = [IGNORED] * len(ids), None
        for start, stop in ranges:
            labels[start:stop] = ids[start:stop]
            if weights is not None:
                weights[start:stop] = [1.0] * (stop - start)
        for token in self._scribe.silent(script, encoded):
            labels[token] = IGNORED
            if weights is not None:
                weights[token] = 0.0
        # The first token has nothing before it to be predicted from.
        if labels.count(IGNORED) - (labels[0] == IGNORED) == len(labels) - 1:
            raise RowRefusedError("no_label", "all of it is marked train: false")
        row: Row = {"id": script.chat.id, "input_ids": ids, "labels": labels}
        return row if weights is None else row | {"loss_weights": weights}

    def _shortened(self, chat: Conversation, tokens: int) -> Conversation:
        """The longest end of a conversation of too many `tokens` that fits; exchanges at its start are left out."""
        allowed = self._settings.max_tokens
        if self._settings.too_long == "error":
            raise DataError(
                f"chat row {chat.id!r} has {tokens} tokens, {allowed} allowed; raise max_tokens, shorten the row, or set "
                "too_long to drop or left_context"
            )
        if self._settings.too_long == "left_context":
            starts = chat.later_starts()
            place = bisect_left(starts, True, key=lambda start: self._length(chat.without_start(start)) <= allowed)
            if place < len(starts):
                return chat.without_start(starts[place])
        raise RowRefusedError("too_long", f"{tokens} tokens, {allowed} allowed")

    def _length(self, chat: Conversation) -> int:
        return self._scribe.count(self._planner.renderer.text(chat.plain, tools=chat.tools))


def _batches(plans: Iterable[_Plan]) -> Iterator[list[_Plan]]:
    """The plans in lists of a bounded number of rows and of characters."""
    batch: list[_Plan] = []
    characters = 0
    for plan in plans:
        batch.append(plan)
        characters += sum(len(script.text) for script in plan.scripts)
        if len(batch) >= _ROWS or characters >= _CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _reject(name: str, refusal: RowRefusedError | TemplateRefusedError) -> Reject:
    if isinstance(refusal, TemplateRefusedError):
        return Reject(name, "template_error", str(refusal))
    return Reject(name, refusal.reason, refusal.detail)
