"""Per-item scores: what gates compare and reports count."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tasks.runtime.errors import ContractError
from tasks.runtime.rows import Row


def score_rows(items: Iterable[Row], samples: Iterable[Row], verdicts: Iterable[Row]) -> Iterator[Row]:
    """One score row an item, in the items' order: 1.0 for an accepted answer, 0.0 else, with the verdict's state.

    The state travels along, so that a gate can tell a wrong answer from an infrastructure error.

    Raises:
        ContractError: an item without exactly one answer, or an answer without a verdict.
    """
    by_prompt: dict[str, str] = {}
    for sample in samples:
        if sample["prompt_id"] in by_prompt:
            raise ContractError(f"item {sample['prompt_id']!r} has more than one answer; evaluation draws one")
        by_prompt[sample["prompt_id"]] = sample["sample_id"]
    states = {verdict["sample_id"]: verdict["state"] for verdict in verdicts}
    for item in items:
        sample_id = by_prompt.get(item["id"])
        state = states.get(sample_id or "")
        if sample_id is None or state is None:
            raise ContractError(f"item {item['id']!r} has no {'answer' if sample_id is None else 'verdict'}")
        yield {
            "item_id": item["id"],
            "family": item["family"],
            "score": float(state == "accepted"),
            "state": state,
            "sample_id": sample_id,
        }
