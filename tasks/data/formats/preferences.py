"""Preference pairs, as DPO and reward models take them → chat rows of the preferred answer; the other one in the metadata."""

from __future__ import annotations

import re
from typing import Any

from tasks.data.formats.format import Unconvertible, columns, optional_text, plain, text
from tasks.data.formats.turns import conversation, with_system
from tasks.runtime.rows import Row

# Anthropic's way to write a conversation as one text: "\n\nHuman: …\n\nAssistant: …".
_SPEAKER = re.compile(r"\n\n(Human|Assistant): ?")
_ROLES = {"Human": "user", "Assistant": "assistant"}
_PROMPTS = ("prompt", "question", "instruction", "input", "conversations")


@columns(
    "chosen rejected",
    uses="prompt question instruction input conversations system messages",
    knows="source score_chosen score_rejected chosen_score rejected_score chosen_rating rejected_rating chosen_model "
    "rejected_model margin",
    ids="id prompt_id",
    licence="of the data set (UltraFeedback binarized: MIT; HH-RLHF: MIT)",
    citation="Rafailov et al., Direct Preference Optimization: Your Language Model is Secretly a Reward Model, 2023, "
    "arXiv 2305.18290; Bai et al., 2022, arXiv 2204.05862",
)
def preference(record: Row) -> list[Row]:
    """The prompt (one's own column, or what both sides begin with) and the `chosen` answer; `rejected` in the metadata.

    Only the answer is trained: assistant turns of the prompt are marked ``train: false``.
    """
    more: Row = {}
    prompt = _prompt(record, more)
    chosen, rejected = (_whole(prompt, _side(record, side, more), more) for side in ("chosen", "rejected"))
    if not any(message["role"] == "user" for message in chosen):
        raise Unconvertible("field_missing", f"no {', '.join(_PROMPTS[:-1])} and no question in chosen")
    shared = 0
    while shared < min(len(chosen), len(rejected)) - 1 and chosen[shared] == rejected[shared]:
        shared += 1
    for index in range(shared):
        if chosen[index]["role"] == "assistant":
            chosen[index] = {**chosen[index], "train": False}
    other = rejected[shared:]
    plain_text = len(other) == 1 and other[0].keys() == {"role", "content"} and other[0]["role"] == "assistant"
    more["rejected"] = other[0]["content"] if plain_text else other
    if record.get("messages") not in (None, record["chosen"]):
        more["messages"] = plain(record["messages"])
    return [with_system({"messages": chosen, "metadata": more}, optional_text(record, "system"), "system")]


def _prompt(record: Row, more: Row) -> list[Row]:
    """The conversation before the answer; empty where the sides hold it themselves."""
    column = next((name for name in _PROMPTS if record.get(name) is not None), "")
    if not column:
        return []
    value = record[column]
    if isinstance(value, list):
        return _turns(value, column, more)
    said = text(record, column)
    if column == "instruction" and (beside := optional_text(record, "input")):
        said = f"{said}\n\n{beside}"
    messages = _transcript(said) or [{"role": "user", "content": said}]
    return messages[:-1] if messages[-1] == {"role": "assistant", "content": ""} else messages


def _side(record: Row, side: str, more: Row) -> list[Row]:
    """An answer, or a whole conversation that ends with it, in any of the ways they are written."""
    value = record[side]
    if isinstance(value, str):
        return _transcript(value) or [{"role": "assistant", "content": value}]
    return _turns([value] if isinstance(value, dict) else value, side, more)


def _turns(value: Any, column: str, more: Row) -> list[Row]:
    row = conversation(value, column)
    if "metadata" in row:
        more[f"{column}_turns"] = row["metadata"]["turns"]
    messages: list[Row] = row["messages"]
    return messages


def _transcript(said: str) -> list[Row]:
    """The messages of a text in Anthropic's spelling; empty when it is none."""
    if not said.startswith("\n\nHuman:"):
        return []
    _, *parts = _SPEAKER.split(said)
    return [{"role": _ROLES[who], "content": what} for who, what in zip(parts[::2], parts[1::2], strict=True)]


def _whole(prompt: list[Row], side: list[Row], more: Row) -> list[Row]:
    """The prompt with an answer after it, unless that begins with the prompt itself, as UltraFeedback's do."""
    if all(message["role"] in ("assistant", "tool") for message in side):
        return prompt + side
    said = [message["content"].strip() for message in side]
    if other := [message["content"] for message in prompt if message["content"].strip() not in said]:
        more["prompt"] = "\n\n".join(other)
    return list(side)
