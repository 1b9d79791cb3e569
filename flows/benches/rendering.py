"""Rendering chat rows to ids and labels against the two-call way: template and tokenise the conversation, then its prefix."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import islice
from typing import Any

from flows.benches.conversations import conversations
from flows.benches.tokenising import seconds_to_tokenise
from flows.benches.workload import Workload, workload
from tasks.chat.settings import RenderSettings
from tasks.runtime.errors import WinnowError
from tasks.runtime.rows import IGNORED, Row

CHUNK = 10_000


def bench_rendering(count: int) -> list[Workload]:
    """Ids and labels of all rows, by mask; `ratio`: rows/s ours ÷ peer, at least 3.

    Peer and Winnow take turns on chunks of rows, so that both see the same machine, and every id and label is compared.
    `limit_share` is the part of our time that tokenising alone takes, with the tokenizer's quickest batch call.

    Raises:
        WinnowError: an id or a label differs.
    """
    from tasks.chat.tokenizer import load_tokenizer

    tokenizer = load_tokenizer("embedded")
    return [_by_mask(tokenizer, count, mask) for mask in ("last", "assistant")]


def _by_mask(tokenizer: Any, count: int, mask: Any) -> Workload:
    from tasks.chat.labels import label_rows
    from tasks.chat.render import end_of_turn_id, render_text
    from tasks.runtime.memory import PeakMemory

    settings, end = RenderSettings(mask=mask), end_of_turn_id(tokenizer)
    seconds = {"ours": 0.0, "peer": 0.0, "tokenising": 0.0}
    peak = PeakMemory()
    peak.start()
    rows = conversations(count)
    while chunk := list(islice(rows, CHUNK)):
        started = time.monotonic()
        ours = list(label_rows(tokenizer, chunk, settings))
        seconds["ours"] += time.monotonic() - started
        started = time.monotonic()
        peer = [two_calls(tokenizer, row, mask, end) for row in chunk]
        seconds["peer"] += time.monotonic() - started
        texts = [render_text(tokenizer, row["messages"]) for row in chunk]
        seconds["tokenising"] += seconds_to_tokenise(tokenizer, texts)
        _refuse_difference(chunk, ours, peer)
    peak.stop()
    return workload(
        f"render {count:,} rows, mask {mask}",
        ratio=seconds["peer"] / seconds["ours"],
        ours=count / seconds["ours"],
        peer=count / seconds["peer"],
        unit="rows/s",
        limit_share=seconds["tokenising"] / seconds["ours"],
        peak_bytes=peak.peak_bytes,
    )


def two_calls(tokenizer: Any, row: Row, mask: str, end: int) -> tuple[list[int], list[int]]:
    """The peer: ids of the conversation, and for each trained answer a second call for the ids of what stands before it."""
    messages = row["messages"]
    ids = tokenizer.apply_chat_template(messages, tokenize=True, return_dict=False)
    labels = [IGNORED] * len(ids)
    answers = [index for index, message in enumerate(messages) if message["role"] == "assistant"]
    for index in answers if mask == "assistant" else answers[-1:]:
        prefix = tokenizer.apply_chat_template(messages[:index], tokenize=True, return_dict=False, add_generation_prompt=True)
        stop = ids.index(end, len(prefix)) + 1
        labels[len(prefix) : stop] = ids[len(prefix) : stop]
    return ids, labels


def _refuse_difference(rows: Sequence[Row], ours: Sequence[Any], peer: Sequence[Any]) -> None:
    for row, mine, (ids, labels) in zip(rows, ours, peer, strict=True):
        if not isinstance(mine, dict) or list(mine["input_ids"]) != ids or list(mine["labels"]) != labels:
            raise WinnowError(f"row {row['id']}: ids or labels differ from the two-call way; this is a bug in tasks/chat")
